"""Tables of one training collection and many test collections: systems by collection, pairs, similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.exhibits.transfer import RelativeDifference, SystemMeans, Transfer
from strop.records.record import Record
from strop.report.differences import marked, marked_and_span
from strop.report.tables import Columns, Table, spaced, table
from strop.report.transfer_pairs import KINDS, Pair


@dataclass(frozen=True, slots=True)
class Score:
    """A system on a collection, and its change from its start: empty where it has none. `best` of its preset."""

    value: str
    change: str
    best: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """Systems down by preset; across the training collection, the mean of the others, then each of them.

    `about` are rows on the collections, a heading and its cells; the rows of `groups` are (label, seeds, scores).
    """

    measure: str
    names: tuple[str, ...]
    about: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[tuple[str, list[tuple[str, int, tuple[Score, ...]]]], ...]


def grid(exhibit: Transfer, record: Record, pairs: Sequence[Pair]) -> Grid:
    names = (exhibit.trained_on, *(c.name for c in exhibit.collections if not c.own))
    tuned = {(p.row.preset, p.row.a): p for p in pairs if p.row.kind == "tuned"}
    groups = []
    for preset in dict.fromkeys(row.preset for row in exhibit.systems):
        rows = [row for row in exhibit.systems if row.preset == preset]
        best = [max(round(v, 3) for v in column) for column in zip(*(_values(row, names) for row in rows), strict=True)]
        scores = (_scores(row, names, tuned.get((preset, row.system)), best) for row in rows)
        lines = [(record.label(row.system), row.seeds, of) for row, of in zip(rows, scores, strict=True)]
        groups.append((spaced(preset), lines))
    return Grid(exhibit.measure, names, tuple(_about(exhibit, names)), tuple(groups))


def _values(row: SystemMeans, names: Sequence[str]) -> list[float]:
    own, *others = (row.means[name] for name in names)
    return [own, fmean(others), *others]


def _scores(row: SystemMeans, names: Sequence[str], pair: Pair | None, best: Sequence[float]) -> tuple[Score, ...]:
    changes = [""] * len(best)
    if pair:
        changes = [*map(marked, (pair.in_domain, pair.out_of_domain, *(pair.each[name] for name in names[1:])))]
    values = _values(row, names)
    return tuple(Score(formats.fixed(v), c, round(v, 3) == b) for v, c, b in zip(values, changes, best, strict=True))


def _about(exhibit: Transfer, names: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
    """Queries, documents, what the base saw and how alike, where known; a dash under the mean of the others."""
    collections, alike = exhibit.collections, exhibit.similarity.collections or ()
    texts: dict[str, Mapping[str, str]] = {
        "Queries": {c.name: formats.count(c.queries) for c in collections},
        "Documents": {c.name: formats.count(c.documents) for c in collections},
        "Seen by the base": {c.name: c.seen for c in collections if c.seen},
        f"Similarity to {names[0]}": {c.name: f"{c.group}, distance {formats.fixed(c.distance)}" for c in alike},
    }
    cells = {what: [of.get(name) or formats.DASH for name in names] for what, of in texts.items() if of}
    return [(what, (own, formats.DASH, *others)) for what, (own, *others) in cells.items()]


def comparisons(pairs: Sequence[Pair], measure: str) -> Table:
    """Every pair of one kind over the other collections, with all that a reader may want to quote."""
    kind = pairs[0].row.kind
    a, b = ("Now", "Before") if kind == "tuned" else ("a", "b")

    def relative(of: RelativeDifference) -> str:
        old, new = map(formats.signed_percent, (of.to_old, of.to_new))
        return f"{old} of {b.lower()}\n{new} of {a.lower()}"

    first = {"tuned": ("System", "From"), "knob": ("System", "Against")}.get(kind, ("a against b",))
    names: Columns[Pair] = dict(zip(first, (lambda p: p.numbered, lambda p: p.against), strict=False))
    columns: Columns[Pair] = {
        **names,
        a: lambda p: formats.fixed(p.macro.mean_a),
        b: lambda p: formats.fixed(p.macro.mean_b),
        "Difference, these collections": lambda p: marked_and_span(p.out_of_domain),
        "Interval in general": lambda p: p.general_span,
        "p (Holm)": lambda p: formats.p_value(p.out_of_domain.p),
        "Won / tied / lost": lambda p: f"{p.macro.won} / {p.macro.tied} / {p.macro.lost}",
        "Ratio of means": lambda p: relative(p.macro.ratio_of_means),
        "Mean of ratios": lambda p: relative(p.macro.mean_of_ratios),
        "Minimum detectable difference": lambda p: formats.fixed(p.macro.fixed.detectable),
        "Difference": lambda p: marked_and_span(p.in_domain),
    }
    groups = (("", len(first)), (f"{measure}, mean of the others", 6), ("Relative", 2), ("", 1), ("In domain", 1))
    return table(f"{KINDS[kind]}, on the other collections", pairs, columns, text=first, groups=groups)


def placed(tuned: Sequence[Pair]) -> Table:
    """Where each tuned system lies: its change in domain and out of domain, and in words."""
    columns: Columns[Pair] = {
        "System": lambda p: p.numbered,
        "In domain": lambda p: marked(p.in_domain),
        "Out of domain": lambda p: marked(p.out_of_domain),
        "Resolved": quadrant,
    }
    return table("Change from the start", tuned, columns, text=("Resolved",))


def quadrant(pair: Pair) -> str:
    """In words, of what is resolved alone."""
    word = {BETTER: "gains", WORSE: "loses", UNRESOLVED: "open"}
    within, outside = word[pair.in_domain.verdict], word[pair.out_of_domain.verdict]
    if within == outside != "open":
        return f"{within} in both"
    return f"{within} in domain, {outside} out of domain"


def similarity(exhibit: Transfer, tuned: Sequence[Pair]) -> Table | None:
    """The other collections, nearest first, with each tuned system's change there; then means of the two groups."""
    known = exhibit.similarity.collections or ()
    if not known or not tuned:
        return None
    rows = [
        (
            c.name,
            f"{c.together} of {exhibit.similarity.draws}\n{c.group}",
            f"{formats.fixed(c.distance)}\n± {formats.fixed(c.sd)}",
            *(marked(p.each[c.name]) for p in tuned),
        )
        for c in known
    ]
    for group in ("similar", "different"):
        if alike := [c for c in known if c.group == group]:
            distance = formats.fixed(fmean(c.distance for c in alike))
            changes = (formats.signed(fmean(p.each[c.name].difference for c in alike)) for p in tuned)
            rows.append((f"Mean of the {len(alike)} {group}", formats.DASH, distance, *changes))
    columns = ("Collection", "Grouped", "Distance", *(p.numbered for p in tuned))
    groups = (("", 1), (f"With {exhibit.trained_on}", 2), ("Change from the start", len(tuned)))
    return Table("Nearest collection first", columns, tuple(rows), groups=groups)
