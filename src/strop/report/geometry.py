"""The section on geometry: what each diagnostic reads per model, how it moved from the base's, and pictures."""

from __future__ import annotations

from dataclasses import dataclass

from strop.evaluation.significance import leaves_zero_out
from strop.records import formats
from strop.records.exhibits.geometry import DiagnosticAbout, Geometry, Reading
from strop.records.record import ExplainRecord
from strop.records.results import Results
from strop.report.charts import Figure
from strop.report.document import document
from strop.report.projection import POSITIVE, QUERY, scatter
from strop.report.tables import Columns, Table, table, title

#: What a table of many models has room for: spread, directions, hubs, quality without measures, drift.
BRIEF = (
    "alignment", "uniformity/document", "mean_cosine/document", "effective_rank/document", "hub_skew", "anti_hubs",
    "auc", "standardised_margin", "cka/document", "overlap@10/document", "shift/document", "rank_displacement",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Section:
    """What the template `geometry.html` shows; a row is one fit, with a figure per model."""

    probe: str
    tables: tuple[Table, ...]
    meanings: Table
    rows: tuple[tuple[str, list[Figure]], ...]
    colours: tuple[tuple[str, str], ...] = (("queries", QUERY), ("documents", POSITIVE))


def section(exhibit: Geometry) -> Section:
    diagnostics = _detailed(exhibit) if len(exhibit.models) <= 2 else _brief(exhibit)
    return Section(_probe(exhibit), (diagnostics, *_layers(exhibit)), _meanings(exhibit), _pictures(exhibit))


def change(about: DiagnosticAbout, reading: Reading) -> str:
    """`▲ +0.031 [+0.020, +0.042]`: marked where it is resolved, up for better, ■ where nobody knows which way is."""
    value, low, high = reading
    mark = ""
    if leaves_zero_out(low, high):
        mark = "▲ " if (value > 0) == (about.good == "higher") else "▼ "
        if about.good not in ("higher", "lower"):
            mark = "■ "
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


def _detailed(exhibit: Geometry) -> Table:
    rows = tuple((title(name), *rest) for name, *rest in detailed_rows(exhibit))
    columns = ("Diagnostic", "Base", "Model", "Change or value [95 %]")
    return Table("Geometry, diagnostic by diagnostic", columns, rows)


def _brief(exhibit: Geometry) -> Table:
    known = {about.name: about for about in exhibit.diagnostics}
    names = [name for name in BRIEF if any(name in (*m.own, *m.moved) for m in exhibit.models.values())]
    rows = []
    for label, of in exhibit.models.items():
        cells = []
        for name in names:
            reading = of.own.get(name) or of.moved.get(name)
            text = formats.fixed(reading[0]) if reading else formats.DASH
            cells.append(f"{text}\n{change(known[name], of.change[name])}" if name in of.change else text)
        rows.append((label, *cells))
    return Table("Geometry, model by model", ("Model", *map(title, names)), tuple(rows))


def _layers(exhibit: Geometry) -> tuple[Table, ...]:
    layers = {model: of for model, of in (exhibit.layers or {}).items() if of}
    if not layers:
        return ()
    names = list(next(iter(layers.values())))
    rows = tuple((model, *(formats.percent(of[n], 2) for n in names)) for model, of in layers.items())
    return (
        Table("How far the weights went, as a share of the base's own length", ("Model", *map(title, names)), rows),
    )


def _meanings(exhibit: Geometry) -> Table:
    columns: Columns[DiagnosticAbout] = {
        "Diagnostic": lambda about: title(about.name),
        "What it is": lambda about: about.meaning,
        "Range": lambda about: f"{_limit(about.low)} to {_limit(about.high)}",
        "Better": lambda about: about.good,
        "Source": lambda about: about.source,
    }
    return table("What each diagnostic is", exhibit.diagnostics, columns, text=tuple(columns))


def _limit(value: float | None) -> str:
    return "any" if value is None else formats.plain(float(value))


def _probe(exhibit: Geometry) -> str:
    probe = (
        f"Every model saw the same {formats.count(exhibit.queries)} queries and "
        f"{formats.count(exhibit.documents)} documents; vectors are scaled to length 1. Intervals are ±1.96 SD over "
        "random halves of the texts"
    )
    return f"{probe}; changes are against {exhibit.base}, on equal halves." if exhibit.base else f"{probe}."


def _pictures(exhibit: Geometry) -> tuple[tuple[str, list[Figure]], ...]:
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
        spec = scatter(picture.points, picture.queries, picture.trustworthiness, frame)
        rows.setdefault(titles[picture.fit], []).append(Figure(f"geometry-{i}", picture.model, spec, text))
    return tuple(rows.items())


def explain_page(results: Results[ExplainRecord]) -> str:
    """The page as text, of a Results folder that `strop explain` wrote."""
    assert results.exhibits.geometry
    context = {"record": results.record, "geometry": section(results.exhibits.geometry)}
    return document("explain.html", "page.js", context, {"palette": {}, "tone": str})
