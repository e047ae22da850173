"""Tables of one training collection and many test collections: systems by collection, pairs, similarity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.exhibits.transfer import RelativeDifference, SystemMeans, Transfer
from strop.records.record import Record
from strop.report import tables
from strop.report.transfer_pairs import KINDS, Pair


@dataclass(frozen=True, slots=True)
class Score:
    """A system on a collection, and its change from its start: empty where it has none. `best` of its preset."""

    value: str
    change: str
    best: bool


@dataclass(frozen=True, slots=True)
class Line:
    system: str
    seeds: int
    scores: tuple[Score, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """Systems down by preset; across the training collection, the mean of the others, then each of them.

    `about` are rows on the collections: (what, a text a column).
    """

    measure: str
    names: tuple[str, ...]
    about: tuple[tuple[str, tuple[str, ...]], ...]
    groups: tuple[tuple[str, tuple[Line, ...]], ...]


def grid(exhibit: Transfer, record: Record, all_pairs: Sequence[Pair]) -> Grid:
    own = exhibit.trained_on
    others = [c.name for c in exhibit.collections if not c.own]
    rows: dict[str, list[SystemMeans]] = {}
    for row in exhibit.systems:
        rows.setdefault(row.preset, []).append(row)
    tuned = {(p.preset, p.a): p for p in all_pairs if p.kind == "tuned"}
    groups = []
    for preset, systems in rows.items():
        values = [_means(row.means, own, others) for row in systems]
        best = [max(round(v, 3) for v in column) for column in zip(*values, strict=True)]
        lines = []
        for row, of in zip(systems, values, strict=True):
            pair = tuned.get((preset, row.system))
            changes = (pair.own, pair.elsewhere, *(pair.each[name] for name in others)) if pair else (None,) * len(of)
            scores = tuple(
                Score(formats.fixed(v), c.text if c else "", round(v, 3) == b)
                for v, c, b in zip(of, changes, best, strict=True)
            )
            lines.append(Line(record.label(row.system), row.seeds, scores))
        groups.append((preset.replace("_", " "), tuple(lines)))
    return Grid(exhibit.measure, (own, *others), _about(exhibit, own, others), tuple(groups))


def _means(means: Mapping[str, float], own: str, others: Sequence[str]) -> tuple[float, ...]:
    return (means[own], fmean(means[name] for name in others), *(means[name] for name in others))


def _about(exhibit: Transfer, own: str, others: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Queries, documents, what the base saw and how alike, where known; a dash under the mean of the others."""
    by_name = {c.name: c for c in exhibit.collections}
    alike = {c.name: c for c in exhibit.similarity.collections or ()}

    def row(what: str, texts: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
        cells = [texts.get(name) or formats.DASH for name in (own, *others)]
        return what, (cells[0], formats.DASH, *cells[1:])

    rows = [
        row("Queries", {n: formats.count(c.queries) for n, c in by_name.items()}),
        row("Documents", {n: formats.count(c.documents) for n, c in by_name.items()}),
    ]
    if any(c.seen for c in by_name.values()):
        rows.append(row("Seen by the base", {n: c.seen for n, c in by_name.items()}))
    if alike:
        texts = {n: f"{c.group}, distance {formats.fixed(c.distance)}" for n, c in alike.items()}
        rows.append(row(f"Similarity to {own}", texts))
    return tuple(rows)


def comparisons(group: Sequence[Pair], measure: str) -> tables.Table:
    """Every pair of one kind over the other collections, with all that a reader may want to quote."""
    kind = group[0].kind
    first = {"tuned": ("System", "From"), "knob": ("System", "Against")}.get(kind, ("a against b",))
    a, b = ("Now", "Before") if kind == "tuned" else ("a", "b")

    def relative(of: RelativeDifference) -> str:
        old, new = map(formats.signed_percent, (of.to_old, of.to_new))
        return f"{old} of {b.lower()}\n{new} of {a.lower()}"

    rows = tuple(
        (
            p.numbered,
            *((p.against,) if len(first) == 2 else ()),
            formats.fixed(p.macro.mean_a),
            formats.fixed(p.macro.mean_b),
            f"{p.elsewhere.text}\n{p.elsewhere.span}",
            p.general_span,
            formats.p_value(p.elsewhere.p),
            f"{p.macro.won} / {p.macro.tied} / {p.macro.lost}",
            relative(p.macro.ratio_of_means),
            relative(p.macro.mean_of_ratios),
            formats.fixed(p.macro.fixed.detectable),
            f"{p.own.text}\n{p.own.span}",
        )
        for p in group
    )
    head = (
        *first, a, b, "Difference, these collections", "Interval in general", "p (Holm)", "Won / tied / lost",
        "Ratio of means", "Mean of ratios", "Minimum detectable difference", "Difference",
    )  # fmt: skip
    groups = (("", len(first)), (f"{measure}, mean of the others", 6), ("Relative", 2), ("", 1), ("In domain", 1))
    numeric = tuple(i >= len(first) for i in range(len(head)))
    return tables.Table(f"{KINDS[kind]}, on the other collections", head, rows, numeric, groups=groups)


def placed(tuned: Sequence[Pair]) -> tables.Table:
    """Where each tuned system lies: its change in domain and out of domain, and in words."""
    rows = tuple((p.numbered, p.own.text, p.elsewhere.text, quadrant(p)) for p in tuned)
    columns = ("System", "In domain", "Out of domain", "Resolved")
    return tables.Table("Change from the start", columns, rows, (False, True, True, False))


def quadrant(pair: Pair) -> str:
    """In words, of what is resolved alone."""
    word = {BETTER: "gains", WORSE: "loses", UNRESOLVED: "open"}
    within, outside = word[pair.own.verdict], word[pair.elsewhere.verdict]
    if within == outside != "open":
        return f"{within} in both"
    return f"{within} in domain, {outside} out of domain"


def similarity(exhibit: Transfer, tuned: Sequence[Pair]) -> tables.Table | None:
    """The other collections, nearest first, with each tuned system's change there; then means of the two groups."""
    known = exhibit.similarity.collections or ()
    if not known or not tuned:
        return None
    draws = exhibit.similarity.draws
    rows = [
        (
            c.name,
            f"{c.together} of {draws}\n{c.group}",
            f"{formats.fixed(c.distance)}\n± {formats.fixed(c.sd)}",
            *(p.each[c.name].text for p in tuned),
        )
        for c in known
    ]
    for group in ("similar", "different"):
        names = [c.name for c in known if c.group == group]
        if names:
            distance = formats.fixed(fmean(c.distance for c in known if c.group == group))
            changes = (formats.signed(fmean(p.each[n].difference for n in names)) for p in tuned)
            rows.append((f"Mean of the {len(names)} {group}", formats.DASH, distance, *changes))
    columns = ("Collection", "Grouped", "Distance", *(p.numbered for p in tuned))
    groups = (("", 1), (f"With {exhibit.trained_on}", 2), ("Change from the start", len(tuned)))
    numeric = (False, *(True for _ in columns[1:]))
    return tables.Table("Nearest collection first", columns, tuple(rows), numeric, groups=groups)
