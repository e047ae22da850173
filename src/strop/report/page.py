"""The page: a Results folder -> one HTML file that needs nothing else.

Reads, besides what `summary` reads of rows and record (a key that is missing leaves its part of the page out):

    record    study, title, paper, scale, command, baseline, primary_measure, systems, published,
              presets_run [name, ...], in the order they ran; the first is what the verdict is about,
              trained {preset: {system: {values, updates, sum_learning_rates, learning_rate, wall_seconds[, rates
              {rate: held-out RR@10}]}}}, unfinished ["preset/system, seed S", ...]: left out by a budget,
              contrasts [{point, preset, system, centre, label}]: systems that differ from a centre by one knob,
              tables {number: {system: {column: figure}}}: the paper's printed tables,
              collections {name: {plain values}}, weights {plain values}, versions {name: version},
              stages [{name, key, wall_seconds}], presets {field: {as_written, as_coded, corrected}},
              commands {what: command} for numbers that have a command of their own, seeds [n, ...],
              deviations [sentence, ...]: how this scale departs from the paper
    claims    `claims.Verdict.as_json()` each, with its `preset`, and `note` and `rerun` where there is more to say
    exhibits  published_loss  {system: [[update, loss], ...]}
              queries         {query id: {text, systems: {system: rank of the first relevant document, null where
                              it was not found, or a list of these, one a seed}}}
              parameters      [{system, total, trainable, share, by_part {part: n}, published: n or null, note}]
              negatives       {policy: {rank_histogram: [[low, high, n], ...], plain values[, reading: sentence]}}
              points          [{id, kind, doubt, verdict, sentence, test, tables [{title, columns, rows}]}]
              geometry        as `diagnose.exhibit` makes it
              checkpoints     as `checkpoints.compare` makes it
              projection      as `geometry.panels.exhibit` makes it
              transfer        as `study_transfer.exhibit` makes it
              reranking       as `study_reranking.exhibit` makes it
              audit           nested plain values; `readings` and `warnings` are lists of sentences
    rows      clock rows: measure `clock/STAGE/s`, the condition as system, the repeat as item

Nothing is fetched when it is opened: scripts run by the hash that the page's own Content-Security-Policy names, Vega
interprets its expressions instead of compiling them, and every text is escaped. Equal input gives equal bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strop.records.results import Results, read_results
from strop.report import (
    checkpoints,
    doubts,
    geometry,
    knobs,
    projection,
    reranking,
    settings,
    tables,
    transfer,
    verdict,
)
from strop.report.differences import marked, span
from strop.report.document import document, write
from strop.report.gallery import Gallery
from strop.report.geometry import explain_page
from strop.report.judged import judged
from strop.report.matrix import matrix_table
from strop.report.printed import clocks_table, printed_tables
from strop.report.summary import label, summarise
from strop.report.training import logs

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


def render(results_folder: Path, destination: Path) -> Path:
    """Write the report of `results_folder` to `destination` (a file; its folders are made). Returns `destination`.

    Raises InputError when the folder holds no finished results, or its rows cannot be compared.
    """
    results = read_results(results_folder)
    return write(explain_page(results) if results.record["study"] == "explain" else page(results), destination)


def page(results: Results) -> str:
    """The report as text."""
    summary = summarise(results)
    gallery = Gallery(results, summary)
    record, exhibits, logged = results.record, results.exhibits, logs(results)
    pictures = projection.section(exhibits.get("projection") or {}, record)
    shown = geometry.section(exhibits.get("geometry") or {})
    elsewhere = transfer.section(exhibits.get("transfer") or {}, record)
    reranked = reranking.section(exhibits.get("reranking") or {})
    points = doubts.doubts(results)
    around = knobs.centres(results, summary)
    context: dict[str, Any] = {
        "record": record,
        "summary": summary,
        "lead": verdict.lead(summary),
        "findings": verdict.findings(summary),
        "forest": gallery.forest(),
        "matrix": matrix_table(summary),
        "trained": record.get("trained") or {},
        "printed": printed_tables(results, summary, logged),
        "clocks": clocks_table(results),
        "knobs": [
            (c, gallery.knobs(c), knobs.knobs_table(c, summary.primary_measure),
             knobs.said(c, label(record, summary.baseline)))
            for c in around
        ],
        "claims": judged(results),
        "points": points,
        "counted": doubts.counted(points),
        "losses": gallery.losses(logged),
        "accuracies": gallery.accuracies(logged),
        "courses": gallery.courses(logged),
        "rates": settings.rates_table(record),
        "endings": [t for p, of in logged.items() if (t := settings.endings_table(results, p, of))],
        "changes": gallery.changes() if "queries" in exhibits else (),
        "parameters": settings.ledger(results),
        "notes": [(s, text) for s in gallery.shown() if (text := record["systems"][s].get("note"))],
        "ranks_by_seed": gallery.ranks_by_seed(),
        "readings": [(n, v["reading"]) for n, v in exhibits.get("negatives", {}).items() if v.get("reading")],
        "negatives": tables.negatives_table(exhibits.get("negatives") or {}),
        "negatives_mined": gallery.negatives(),
        "geometry": shown,
        "transfer": elsewhere,
        "reranking": reranked,
        "checkpoints": checkpoints.section(exhibits.get("checkpoints") or {}),
        "picture_colours": (),
        "projection": pictures,
        "audit": gallery.audit(),
        "values": settings.values_tables(record),
        "presets": settings.presets_table(record),
        "facts": settings.facts(record),
    }  # fmt: skip
    for drawn in (elsewhere, reranked, pictures):
        if drawn:
            gallery.specs |= drawn.specs
    context["sections"] = [(id, name) for id, name, needed in SECTIONS if not needed or any(context[n] for n in needed)]
    words = {
        "tone": verdict.tone,
        "palette": gallery.palette,
        "label": lambda system: label(record, system),
        "marked": marked,
        "span": span,
        "stated": tables.said,
        "title": tables.title,
        "said": lambda preset: str(preset).replace("_", " "),
    }
    return document("page.html", "page.js", {**context, "specs": gallery.specs}, words)
