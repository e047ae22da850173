"""The page: a Results folder -> one HTML file that needs nothing else.

Reads, besides what `summary` reads of rows and record (a key that is missing leaves its part of the page out):

    record    study, title, paper, scale, preset, command, baseline, primary_measure, systems, published,
              collections {name: {plain values}}, weights {plain values}, versions {name: version},
              stages [{name, key, wall_seconds}], presets {field: {as_written, as_coded, corrected[, this_run]}},
              commands {what: command} for numbers that have a command of their own, seeds [n, ...],
              deviations [sentence, ...]: how this scale departs from the paper; a system may have a `note`
    claims    `claims.Verdict.as_json()` each, with `note` and `rerun` where there is more to say
    exhibits  published_loss  {system: [[update, loss], ...]}
              queries         {query id: {text, systems: {system: rank of the first relevant document, null where
                              it was not found, or a list of these, one a seed}}}
              parameters      [{system, total, trainable, share, by_part {part: n}, published: n or null, note}]
              negatives       {policy: {rank_histogram: [[low, high, n], ...], plain values[, reading: sentence]}}
              audit           nested plain values; `readings` and `warnings` are lists of sentences

Nothing is fetched when it is opened: scripts run by the hash that the page's own Content-Security-Policy names, Vega
interprets its expressions instead of compiling them, and every text is escaped. Equal input gives equal bytes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from strop.report import charts, formats, tables, verdict
from strop.report.gallery import Gallery
from strop.report.judged import judged
from strop.report.summary import BETTER, WORSE, label, summarise
from strop.results import Results, read_results

#: (id, name, what must be there): a section without anything to show is left out.
SECTIONS = (
    ("verdict", "Verdict", ()),
    ("systems", "Systems", ()),
    ("claims", "Claims", ("claims",)),
    ("training", "Training", ("training", "endings")),
    ("queries", "Queries", ("changes",)),
    ("parameters", "Parameters", ("parameters",)),
    ("negatives", "Negatives", ("negatives",)),
    ("audit", "Data", ("audit",)),
    ("provenance", "Provenance", ()),
)
_OFFERED = "window.vegaEmbed = vegaEmbed;"  # all that page.js calls
VEGA_LITE = "6.4"  # the version Altair 6 writes


def render(results_folder: Path, destination: Path) -> Path:
    """Write the report of `results_folder` to `destination` (a file; its folders are made). Returns `destination`.

    Raises InputError when the folder holds no finished results, or its rows cannot be compared.
    """
    html = page(read_results(results_folder))
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_name(destination.name + ".partial")
    partial.write_text(html, encoding="utf-8")
    partial.replace(destination)
    return destination


def page(results: Results) -> str:
    """The report as text."""
    summary = summarise(results)
    gallery = Gallery(results, summary)
    record = results.record
    context: dict[str, Any] = {
        "record": record,
        "summary": summary,
        "lead": verdict.lead(summary),
        "findings": verdict.findings(summary),
        "forest": gallery.forest(),
        "claims": judged(results),
        "training": gallery.training(),
        "endings": tables.endings_table(results),
        "changes": gallery.changes() if "queries" in results.exhibits else (),
        "parameters": results.exhibits.get("parameters") or (),
        "notes": [(s, d["note"]) for s, d in record.get("systems", {}).items() if d.get("note")],
        "ranks_by_seed": gallery.ranks_by_seed(),
        "readings": [(n, v["reading"]) for n, v in results.exhibits.get("negatives", {}).items() if v.get("reading")],
        "negatives": tables.negatives_table(results.exhibits.get("negatives") or {}),
        "negatives_mined": gallery.negatives(),
        "audit": gallery.audit(),
        "values": tables.values_table(results),
        "presets": tables.presets_table(record),
        "facts": tables.facts(record),
    }
    context["sections"] = [(id, name) for id, name, needed in SECTIONS if not needed or any(context[n] for n in needed)]
    bundle, loader = _bundle(), _part("page.js")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_part), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals |= {
        "formats": formats,
        "tone": verdict.tone,
        "palette": gallery.palette,
        "label": lambda system: label(record, system),
        "mark": lambda d: {BETTER: "▲ ", WORSE: "▼ "}.get(d.verdict, ""),
        "stated": tables.said,
        "title": tables.title,
    }
    return environment.get_template("page.html").render(
        **context,
        specs=gallery.specs,
        config=charts.CONFIG,
        style=Markup(_part("page.css")),
        scripts=[Markup(bundle), Markup(loader)],
        hashes=[_sha256(bundle), _sha256(loader)],
    )


def _part(name: str) -> str:
    return resources.files("strop.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the wheel of vl-convert."""
    bundle: str = vl_convert.javascript_bundle(_OFFERED, vl_version=VEGA_LITE)
    assert "</script" not in bundle.lower()  # it would end the element that holds it
    return bundle


def _sha256(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
