"""What a study of one training collection and many test collections compared, as values with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strop.evaluation.comparison import Verdict, verdict
from strop.evaluation.significance import holm
from strop.records import formats
from strop.records.exhibits.transfer import MacroInterval, OnCollection, OverCollections, Transfer, TransferComparison
from strop.records.record import Record
from strop.report.differences import marked, span

#: kind of a comparison -> what a group of them is called, in the order to show.
KINDS = {
    "tuned": "Tuned systems, from their start",
    "reranked": "Rerankers, from the candidates they reorder",
    "claim": "The paper’s pairs",
    "knob": "One change at a time",
}


@dataclass(frozen=True, slots=True)
class Change:
    """What an exhibit keeps of a comparison: the difference, its 95 % interval and its p by Holm."""

    difference: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> Verdict:
        return verdict(self.difference, self.low, self.high, self.p)

    @property
    def text(self) -> str:
        return marked(self)

    @property
    def span(self) -> str:
        return span(self)


@dataclass(frozen=True, slots=True)
class Pair:
    """System a against b. `own` is the change on the training collection, `elsewhere` that of the macro average.

    `each` holds every other collection's change, p by Holm over the pairs of one preset, kind and collection. `macro`
    is the exhibit's. `number` is a tuned system's place in its preset, the largest change first.
    """

    preset: str
    kind: str
    a: str
    b: str
    name: str
    against: str
    number: int
    own: Change
    elsewhere: Change
    each: Mapping[str, Change]
    macro: OverCollections

    @property
    def general(self) -> tuple[float, float] | None:
        """The interval for collections in general; None where there is one other only."""
        general = self.macro.general
        return (general.low, general.high) if general else None

    @property
    def general_span(self) -> str:
        low, high = self.general or (None, None)
        return formats.interval(low, high, signs=True)

    @property
    def numbered(self) -> str:
        return f"{self.number}  {self.name}" if self.number else self.name


def pairs(exhibit: Transfer, record: Record) -> tuple[Pair, ...]:
    """All comparisons, preset by preset and kind by kind; tuned systems by change out of domain, best first."""
    groups: dict[tuple[str, str], list[TransferComparison]] = {}
    for row in exhibit.comparisons:
        groups.setdefault((row.preset, row.kind), []).append(row)
    out: list[Pair] = []
    for preset in dict.fromkeys(preset for preset, _ in groups):
        for kind in KINDS:
            rows = groups.get((preset, kind), [])
            if kind == "tuned":
                rows = sorted(rows, key=lambda row: -row.elsewhere.difference)
            out += _group(rows, record)
    return tuple(out)


def pair_name(a: str, b: str) -> str:
    """`LoRA against full, symmetric` for two labels whose parts differ in one place; else both labels whole."""
    of_a, of_b = a.split(", "), b.split(", ")
    apart = [i for i, (x, y) in enumerate(zip(of_a, of_b, strict=False)) if x != y]
    if len(of_a) != len(of_b) or len(apart) != 1:
        return f"{a} against {b}"
    alike = [part for i, part in enumerate(of_a) if i != apart[0]]
    return ", ".join((f"{of_a[apart[0]]} against {of_b[apart[0]]}", *alike))


def _group(rows: Sequence[TransferComparison], record: Record) -> list[Pair]:
    """Comparisons of one preset and kind: every collection's p is corrected over them here."""
    names = list(rows[0].each) if rows else []
    corrected = {name: holm([row.each[name].p for row in rows]) for name in names}
    out = []
    for i, row in enumerate(rows):
        macro, (a, b) = row.elsewhere, map(record.label, (row.a, row.b))
        tuned = row.kind == "tuned"
        out.append(
            Pair(
                preset=row.preset,
                kind=row.kind,
                a=row.a,
                b=row.b,
                name=a if tuned or row.kind == "knob" else pair_name(a, b),
                against=b,
                number=i + 1 if tuned else 0,
                own=_change(row.own, row.own, row.own.p),
                elsewhere=_change(macro, macro.fixed, macro.p),
                each={n: _change(row.each[n], row.each[n], corrected[n][i]) for n in names},
                macro=macro,
            )
        )
    return out


def _change(of: OnCollection | OverCollections, interval: OnCollection | MacroInterval, p: float) -> Change:
    return Change(of.difference, interval.low, interval.high, p)
