"""The section on geometry: what each diagnostic reads per model, how it moved from the base's, and pictures.

Reads the exhibit that `diagnose.exhibit` makes, and layers {model: {layer: distance}} where they were compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.evaluation.significance import leaves_zero_out
from strop.records import formats
from strop.records.results import Results
from strop.report import charts, tables
from strop.report.document import document
from strop.report.gallery import Figure
from strop.report.projection import POSITIVE, QUERY, scatter_of

#: What a table of many models has room for: spread, directions, hubs, quality without measures, drift.
BRIEF = (
    "alignment", "uniformity/document", "mean_cosine/document", "effective_rank/document", "hub_skew", "anti_hubs",
    "auc", "standardised_margin", "cka/document", "overlap@10/document", "shift/document", "rank_displacement",
)  # fmt: skip
_WANTED = {"higher": 1, "lower": -1}


@dataclass(frozen=True, slots=True)
class Section:
    """Everything the template `geometry.html` shows; `specs` are the charts by their figures' names."""

    reading: str
    shown: tuple[tables.Table, ...]
    meanings: tables.Table
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    specs: Mapping[str, charts.Spec]


def section(exhibit: Mapping[str, Any]) -> Section | None:
    """The section of one exhibit; None where there is none."""
    if not exhibit:
        return None
    rows, specs = _pictures(exhibit)
    detailed = len(exhibit["models"]) <= 2
    shown = (_detailed(exhibit),) if detailed else (_brief(exhibit),)
    return Section(_reading(exhibit), (*shown, *_layers(exhibit)), _meanings(exhibit), rows, specs)


def change(about: Mapping[str, Any], reading: Sequence[float]) -> str:
    """`▲ +0.031 [+0.020, +0.042]`: marked where it is resolved, up for better, ■ where nobody knows which way is."""
    value, low, high = reading
    resolved = leaves_zero_out(low, high)
    wanted = _WANTED.get(about["good"])
    mark = "" if not resolved else "■ " if wanted is None else "▲ " if value * wanted > 0 else "▼ "
    return f"{mark}{formats.signed(value)} {formats.interval(low, high, signs=True)}"


def detailed_rows(exhibit: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Of one model, or a model and its base: (diagnostic, base, model, change or what has moved)."""
    base, model = exhibit["base"], [name for name in exhibit["models"] if name != exhibit["base"]][-1:]
    of_model = exhibit["models"][model[0] if model else base]
    of_base = exhibit["models"][base] if base and model else None
    rows: list[tuple[str, ...]] = []
    for about in exhibit["diagnostics"]:
        name = about["name"]
        if name in of_model["moved"]:
            value, low, high = of_model["moved"][name]
            rows.append((name, formats.DASH, formats.fixed(value), formats.interval(low, high)))
        elif name in of_model["own"]:
            value, low, high = of_model["own"][name]
            start = formats.fixed(of_base["own"][name][0]) if of_base and name in of_base["own"] else formats.DASH
            moved = of_model["change"].get(name)
            rows.append(
                (name, start, formats.fixed(value), change(about, moved) if moved else formats.interval(low, high))
            )
    return rows


def _detailed(exhibit: Mapping[str, Any]) -> tables.Table:
    columns = ("Diagnostic", "Base", "Model", "Change or value [95 %]")
    rows = tuple((tables.title(name), *rest) for name, *rest in detailed_rows(exhibit))
    return tables.Table("Geometry, diagnostic by diagnostic", columns, rows, (False, True, True, True))


def _brief(exhibit: Mapping[str, Any]) -> tables.Table:
    known = {about["name"]: about for about in exhibit["diagnostics"]}
    names = [name for name in BRIEF if any(name in (*m["own"], *m["moved"]) for m in exhibit["models"].values())]
    rows = []
    for label, of in exhibit["models"].items():
        cells = []
        for name in names:
            reading = of["own"].get(name) or of["moved"].get(name)
            text = formats.fixed(reading[0]) if reading else formats.DASH
            moved = of["change"].get(name)
            cells.append(f"{text}\n{change(known[name], moved)}" if moved else text)
        rows.append((label, *cells))
    columns = ("Model", *(tables.title(name) for name in names))
    return tables.Table("Geometry, model by model", columns, tuple(rows), (False, *(True for _ in names)))


def _layers(exhibit: Mapping[str, Any]) -> tuple[tables.Table, ...]:
    layers: Mapping[str, Mapping[str, float]] = {k: v for k, v in exhibit.get("layers", {}).items() if v}
    if not layers:
        return ()
    names = list(next(iter(layers.values())))
    rows = tuple((model, *(formats.percent(of[n], 2) for n in names)) for model, of in layers.items())
    caption = "How far the weights went, as a share of the base's own length"
    return (tables.Table(caption, ("Model", *map(tables.title, names)), rows, (False, *(True for _ in names))),)


def _meanings(exhibit: Mapping[str, Any]) -> tables.Table:
    rows = tuple(
        (tables.title(a["name"]), a["meaning"], f"{_limit(a['low'])} to {_limit(a['high'])}", a["good"], a["source"])
        for a in exhibit["diagnostics"]
    )
    columns = ("Diagnostic", "What it is", "Range", "Better", "Source")
    return tables.Table("What each diagnostic is", columns, rows, (False,) * 5)


def _limit(value: float | None) -> str:
    return "any" if value is None else formats.plain(float(value))


def _reading(exhibit: Mapping[str, Any]) -> str:
    said = (
        f"Every model saw the same {formats.count(exhibit['queries'])} queries and "
        f"{formats.count(exhibit['documents'])} documents; vectors are scaled to length 1. Intervals are ±1.96 SD over "
        "random halves of the texts"
    )
    return f"{said}; changes are against {exhibit['base']}, on equal halves." if exhibit["base"] else f"{said}."


def _pictures(
    exhibit: Mapping[str, Any],
) -> tuple[tuple[tuple[str, tuple[Figure, ...]], ...], dict[str, charts.Spec]]:
    specs: dict[str, charts.Spec] = {}
    rows: dict[str, list[Figure]] = {}
    titles = {
        "PCA": "The base's principal plane: every model on the same two axes",
        "UMAP": "UMAP fitted to the base; other models are placed on it",
    }
    for i, picture in enumerate(exhibit.get("pictures", ())):
        share = f"; {formats.percent(picture['explained'], 0)} of the base's variance" if "explained" in picture else ""
        text = (
            f"{picture['model']}: {picture['queries']} queries and {len(picture['points']) - picture['queries']} "
            f"documents; trustworthiness {formats.fixed(picture['trustworthiness'])}{share}."
        )
        frame = [p for other in exhibit["pictures"] if other["fit"] == picture["fit"] for p in other["points"]]
        name = f"geometry-{i}"
        specs[name] = scatter_of(picture["points"], picture["queries"], picture["trustworthiness"], text, frame)
        rows.setdefault(titles[picture["fit"]], []).append(Figure(name, picture["model"], text))
    return tuple((title, tuple(figures)) for title, figures in rows.items()), specs


#: What the two colours of a picture are.
COLOURS = (("queries", QUERY), ("documents", POSITIVE))


def explain_page(results: Results) -> str:
    """The page as text, of a Results folder that `strop explain` wrote."""
    shown = section(results.exhibits["geometry"])
    assert shown
    record = results.record
    context = {
        "record": record,
        "facts": list(record["facts"].items()),
        "geometry": shown,
        "picture_colours": COLOURS,
        "specs": shown.specs,
    }
    words = {"palette": {}, "tone": str}
    return document("explain.html", "page.js", context, words)
