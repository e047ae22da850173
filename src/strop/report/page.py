"""The page: a Results folder -> one HTML file that needs nothing else.

Nothing is fetched when it is opened: scripts run by the hash that the page's own Content-Security-Policy names, Vega
interprets its expressions instead of compiling them, and every text is escaped. Equal input gives equal bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strop.records import seals
from strop.records.errors import InputError
from strop.records.json_files import read_content
from strop.records.record import ExplainRecord, Record
from strop.records.results import Results, read_results
from strop.records.tuned import TuneRecord
from strop.report import (
    checkpoints,
    geometry,
    knobs,
    projection,
    questions,
    reranking,
    settings,
    tables,
    transfer,
    verdict,
)
from strop.report.differences import marked, span
from strop.report.document import document, write
from strop.report.gallery import Gallery
from strop.report.judged import judged
from strop.report.matrix import matrix_table
from strop.report.printed import clocks_table, printed_tables
from strop.report.summary import Summary, summarise
from strop.report.training import logs
from strop.report.tuned import tuned_page

#: (id, name, what must be there): a section without anything to show is left out.
SECTIONS = (
    ("verdict", "Verdict", ()),
    ("systems", "Systems", ("matrix",)),
    ("reranking", "Reranking", ("reranking",)),
    ("transfer", "Out of domain", ("transfer",)),
    ("printed", "The paper’s tables", ("printed", "clocks")),
    ("knobs", "Knobs", ("knobs",)),
    ("claims", "Claims", ("claims",)),
    ("points", "Open questions", ("points",)),
    ("training", "Training", ("losses", "endings")),
    ("queries", "Queries", ("changes",)),
    ("parameters", "Parameters", ("parameters",)),
    ("negatives", "Negatives", ("negatives",)),
    ("geometry", "Geometry", ("geometry",)),
    ("checkpoints", "Checkpoints", ("checkpoints",)),
    ("projection", "Pictures", ("projection",)),
    ("audit", "Data", ("audit",)),
    ("provenance", "Provenance", ()),
)


def render(results_folder: Path, destination: Path, replace: bool = False) -> Path:
    """Write the report of `results_folder` to `destination` (a file; its folders are made). Returns `destination`.

    With `replace` it takes the place of a page that is there. Raises InputError when there is one and no `replace`,
    when the folder holds no finished results, or its parts do not fit together.
    """
    try:
        return write(_html(results_folder), destination, replace)
    except (InputError, OSError):
        raise
    except Exception as error:  # values each of their type, that contradict each other: there is no end of ways
        if seals.check(results_folder, read_content(results_folder / seals.OWN)):
            raise  # all is as strop wrote it: the fault is strop's
        words = f"{type(error).__name__}: {error}"
        raise InputError(
            f"its record, rows, claims and exhibits do not fit together ({words})",
            where=str(results_folder),
            remedy="Restore its files, or run what wrote it again",
        ) from error


def _html(folder: Path) -> str:
    results = read_results(folder)
    if results.record.study == "explain":
        return geometry.explain_page(read_results(folder, ExplainRecord))
    if results.record.study == "tune":
        return tuned_page(read_results(folder, TuneRecord).record)
    return page(results)


def page(results: Results[Record], summary: Summary | None = None) -> str:
    """The report as text; `summary` is what `summarise` gives, where that is already known."""
    summary = summary or summarise(results)
    gallery = Gallery(results, summary)
    record, exhibits, logged = results.record, results.exhibits, logs(results)
    context: dict[str, Any] = {
        "record": record,
        "summary": summary,
        "verdict": verdict,
        "forest": gallery.forest(),
        "matrix": matrix_table(summary),
        "printed": printed_tables(results, summary, logged),
        "clocks": clocks_table(results),
        "knobs": [
            (c, gallery.knobs(c), knobs.knobs_table(c, summary.primary_measure),
             knobs.about(c, record.label(summary.baseline)))
            for c in knobs.centres(results, summary)
        ],
        "claims": judged(results),
        "points": questions.in_order(exhibits.points),
        "questions": questions,
        "losses": gallery.losses(logged),
        "accuracies": gallery.accuracies(logged),
        "courses": gallery.courses(logged),
        "rates": settings.rates_table(record),
        "endings": [t for p, of in logged.items() if (t := settings.endings_table(results, p, of))],
        "changes": gallery.changes() if exhibits.queries else (),
        "parameters": settings.ledger(results),
        "notes": [(s, record.systems[s].note) for s in gallery.systems() if record.systems[s].note],
        "ranks_by_seed": gallery.ranks_by_seed(),
        "hardness": [(name, of.reading) for name, of in exhibits.negatives.items() if of.reading],
        "negatives": tables.negatives_table(exhibits.negatives),
        "negatives_mined": gallery.negatives(),
        "geometry": exhibits.geometry and geometry.section(exhibits.geometry),
        "transfer": exhibits.transfer and transfer.section(exhibits.transfer, record),
        "reranking": exhibits.reranking and reranking.section(exhibits.reranking),
        "checkpoints": exhibits.checkpoints and checkpoints.section(exhibits.checkpoints),
        "projection": exhibits.projection and projection.section(exhibits.projection, record),
        "audit": exhibits.audit,
        "audit_blocks": gallery.audit(),
        "values": settings.values_tables(record),
        "presets": settings.presets_table(record),
        "facts": settings.facts(record),
    }  # fmt: skip
    context["sections"] = [(id, name) for id, name, needed in SECTIONS if not needed or any(context[n] for n in needed)]
    words = {
        "tone": verdict.tone,
        "palette": gallery.palette,
        "label": record.label,
        "marked": marked,
        "span": span,
        "title": tables.title,
        "spaced": tables.spaced,
    }
    return document("page.html", "page.js", context, words)
