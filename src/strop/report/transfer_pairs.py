"""What a study of one training collection and many test collections compared, as values with their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from strop.evaluation.significance import holm
from strop.records import formats
from strop.records.exhibits.transfer import OverCollections, Transfer, TransferComparison
from strop.records.record import Record
from strop.report.differences import Change

#: kind of a comparison -> what a group of them is called, in the order to show.
KINDS = {
    "tuned": "Tuned systems, from their start",
    "reranked": "Rerankers, from the candidates they reorder",
    "claim": "The paper’s pairs",
    "knob": "One change at a time",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """System a against b, the exhibit's `row`: on the training collection, and in the macro average of the others.

    `each` holds every other collection's change, p by Holm over the pairs of one preset, kind and collection. `number`
    is a tuned system's place in its preset, the largest change first; 0 for other kinds.
    """

    row: TransferComparison
    name: str
    against: str
    number: int
    in_domain: Change
    out_of_domain: Change
    each: Mapping[str, Change]

    @property
    def macro(self) -> OverCollections:
        return self.row.elsewhere

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
    out: list[Pair] = []
    for preset in dict.fromkeys(row.preset for row in exhibit.comparisons):
        for kind in KINDS:
            rows = [row for row in exhibit.comparisons if (row.preset, row.kind) == (preset, kind)]
            if kind == "tuned":
                rows.sort(key=lambda row: -row.elsewhere.difference)
            out += _group(rows, record)
    return tuple(out)


def pair_name(a: str, b: str) -> str:
    """`LoRA against full, symmetric` for two labels whose parts differ in one place; else both labels whole."""
    of_a, of_b = a.split(", "), b.split(", ")
    apart = [i for i, (x, y) in enumerate(zip(of_a, of_b, strict=False)) if x != y]
    if len(of_a) != len(of_b) or len(apart) != 1:
        return f"{a} against {b}"
    i = apart[0]
    return ", ".join((f"{of_a[i]} against {of_b[i]}", *of_a[:i], *of_a[i + 1 :]))


def _group(rows: Sequence[TransferComparison], record: Record) -> list[Pair]:
    """Comparisons of one preset and kind: every collection's p is corrected over them here."""
    corrected = {name: holm([row.each[name].p for row in rows]) for name in (rows[0].each if rows else ())}
    out = []
    for i, row in enumerate(rows):
        a, b, own, macro = record.label(row.a), record.label(row.b), row.own, row.elsewhere
        out.append(
            Pair(
                row=row,
                name=a if row.kind in ("tuned", "knob") else pair_name(a, b),
                against=b,
                number=i + 1 if row.kind == "tuned" else 0,
                in_domain=Change(own.difference, own.low, own.high, own.p),
                out_of_domain=Change(macro.difference, macro.fixed.low, macro.fixed.high, macro.p),
                each={n: Change(of.difference, of.low, of.high, corrected[n][i]) for n, of in row.each.items()},
            )
        )
    return out
