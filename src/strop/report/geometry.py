"""The section on geometry: what each diagnostic reads per model, how it moved from the base's, and pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from strop.evaluation.significance import leaves_zero_out
from strop.records import formats
from strop.records.exhibits.geometry import DiagnosticAbout, Geometry, Reading
from strop.records.record import ExplainRecord
from strop.records.results import Results
from strop.report import charts, tables
from strop.report.document import document
from strop.report.gallery import Figure
from strop.report.projection import POSITIVE, QUERY, scatter

#: What a table of many models has room for: spread, directions, hubs, quality without measures, drift.
BRIEF = (
    "alignment", "uniformity/document", "mean_cosine/document", "effective_rank/document", "hub_skew", "anti_hubs",
    "auc", "standardised_margin", "cka/document", "overlap@10/document", "shift/document", "rank_displacement",
)  # fmt: skip
_BETTER = {"higher": 1, "lower": -1}


@dataclass(frozen=True, slots=True)
class Section:
    """Everything the template `geometry.html` shows; `specs` are the charts by their figures' names."""

    reading: str
    readings: tuple[tables.Table, ...]
    meanings: tables.Table
    rows: tuple[tuple[str, tuple[Figure, ...]], ...]
    specs: Mapping[str, charts.Spec]


def section(exhibit: Geometry) -> Section:
    rows, specs = _pictures(exhibit)
    detailed = len(exhibit.models) <= 2
    readings = (_detailed(exhibit),) if detailed else (_brief(exhibit),)
    return Section(_reading(exhibit), (*readings, *_layers(exhibit)), _meanings(exhibit), rows, specs)


def change(about: DiagnosticAbout, reading: Reading) -> str:
    """`▲ +0.031 [+0.020, +0.042]`: marked where it is resolved, up for better, ■ where nobody knows which way is."""
    value, low, high = reading
    resolved = leaves_zero_out(low, high)
    direction = _BETTER.get(about.good)
    mark = "" if not resolved else "■ " if direction is None else "▲ " if value * direction > 0 else "▼ "
    return f"{mark}{formats.signed(value)} {formats.interval(low, high, signs=True)}"


def detailed_rows(exhibit: Geometry) -> list[tuple[str, ...]]:
    """Of one model, or a model and its base: (diagnostic, base, model, change or what has moved)."""
    base = exhibit.models[exhibit.base] if exhibit.base else None
    beside = [of for name, of in exhibit.models.items() if name != exhibit.base]
    model = beside[-1] if beside else base
    assert model
    rows: list[tuple[str, ...]] = []
    for about in exhibit.diagnostics:
        name = about.name
        if name in model.moved:
            value, low, high = model.moved[name]
            rows.append((name, formats.DASH, formats.fixed(value), formats.interval(low, high)))
        elif name in model.own:
            value, low, high = model.own[name]
            before = formats.fixed(base.own[name][0]) if base and beside and name in base.own else formats.DASH
            moved = model.change.get(name)
            shift = change(about, moved) if moved else formats.interval(low, high)
            rows.append((name, before, formats.fixed(value), shift))
    return rows


def _detailed(exhibit: Geometry) -> tables.Table:
    columns = ("Diagnostic", "Base", "Model", "Change or value [95 %]")
    rows = tuple((tables.title(name), *rest) for name, *rest in detailed_rows(exhibit))
    return tables.Table("Geometry, diagnostic by diagnostic", columns, rows, (False, True, True, True))


def _brief(exhibit: Geometry) -> tables.Table:
    known = {about.name: about for about in exhibit.diagnostics}
    names = [name for name in BRIEF if any(name in (*m.own, *m.moved) for m in exhibit.models.values())]
    rows = []
    for label, of in exhibit.models.items():
        cells = []
        for name in names:
            reading = of.own.get(name) or of.moved.get(name)
            text = formats.fixed(reading[0]) if reading else formats.DASH
            moved = of.change.get(name)
            cells.append(f"{text}\n{change(known[name], moved)}" if moved else text)
        rows.append((label, *cells))
    columns = ("Model", *(tables.title(name) for name in names))
    return tables.Table("Geometry, model by model", columns, tuple(rows), (False, *(True for _ in names)))


def _layers(exhibit: Geometry) -> tuple[tables.Table, ...]:
    layers = {model: of for model, of in (exhibit.layers or {}).items() if of}
    if not layers:
        return ()
    names = list(next(iter(layers.values())))
    rows = tuple((model, *(formats.percent(of[n], 2) for n in names)) for model, of in layers.items())
    caption = "How far the weights went, as a share of the base's own length"
    return (tables.Table(caption, ("Model", *map(tables.title, names)), rows, (False, *(True for _ in names))),)


def _meanings(exhibit: Geometry) -> tables.Table:
    rows = tuple(
        (
            tables.title(about.name),
            about.meaning,
            f"{_limit(about.low)} to {_limit(about.high)}",
            about.good,
            about.source,
        )
        for about in exhibit.diagnostics
    )
    columns = ("Diagnostic", "What it is", "Range", "Better", "Source")
    return tables.Table("What each diagnostic is", columns, rows, (False,) * 5)


def _limit(value: float | None) -> str:
    return "any" if value is None else formats.plain(float(value))


def _reading(exhibit: Geometry) -> str:
    probe = (
        f"Every model saw the same {formats.count(exhibit.queries)} queries and "
        f"{formats.count(exhibit.documents)} documents; vectors are scaled to length 1. Intervals are ±1.96 SD over "
        "random halves of the texts"
    )
    return f"{probe}; changes are against {exhibit.base}, on equal halves." if exhibit.base else f"{probe}."


def _pictures(exhibit: Geometry) -> tuple[tuple[tuple[str, tuple[Figure, ...]], ...], dict[str, charts.Spec]]:
    specs: dict[str, charts.Spec] = {}
    rows: dict[str, list[Figure]] = {}
    titles = {
        "PCA": "The base's principal plane: every model on the same two axes",
        "UMAP": "UMAP fitted to the base; other models are placed on it",
    }
    pictures = exhibit.pictures or ()
    for i, picture in enumerate(pictures):
        share = "" if picture.explained is None else f"; {formats.percent(picture.explained, 0)} of the base's variance"
        text = (
            f"{picture.model}: {picture.queries} queries and {len(picture.points) - picture.queries} "
            f"documents; trustworthiness {formats.fixed(picture.trustworthiness)}{share}."
        )
        frame = [point for other in pictures if other.fit == picture.fit for point in other.points]
        name = f"geometry-{i}"
        specs[name] = scatter(picture.points, picture.queries, picture.trustworthiness, text, frame)
        rows.setdefault(titles[picture.fit], []).append(Figure(name, picture.model, text))
    return tuple((title, tuple(figures)) for title, figures in rows.items()), specs


#: What the two colours of a picture are.
COLOURS = (("queries", QUERY), ("documents", POSITIVE))


def explain_page(results: Results[ExplainRecord]) -> str:
    """The page as text, of a Results folder that `strop explain` wrote."""
    assert results.exhibits.geometry
    geometry = section(results.exhibits.geometry)
    context = {
        "record": results.record,
        "facts": list(results.record.facts.items()),
        "geometry": geometry,
        "picture_colours": COLOURS,
        "specs": geometry.specs,
    }
    return document("explain.html", "page.js", context, {"palette": {}, "tone": str})
