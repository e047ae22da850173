"""Lee et al.'s printed tables as values, and what does not add up in them, found when they are loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import combinations
from operator import itemgetter
from pathlib import Path

from strop.studies.figures import figures, is_rounded, lines

_FOLDER = Path(__file__).parent / "published"
#: The twelve collections that are out of domain whichever of MS MARCO and NQ was trained on; the other is the 13th.
COLLECTIONS = ("FI", "TR", "NF", "QU", "SD", "SF", "TO", "AR", "HO", "DB", "FE", "CL")
OTHER = {"MS": "NQ", "NQ": "MS"}
AVERAGE, IN_DOMAIN = "ood_avg", "in_domain"
_EPSILON = 1e-9


@dataclass(frozen=True, slots=True)
class Row:
    """One trained system, nDCG@10 x 100: `cells` by collection out of domain, their printed average, and in domain.

    `tables` are those that print it. `train` is MS or NQ; `batch` is B, 2B, 4B or `-` where it is not theirs.
    """

    tables: tuple[int, ...]
    train: str
    arch: str
    base: str
    neg: str
    batch: str
    tuning: str
    cells: Mapping[str, float] = field(hash=False)
    average: float
    in_domain: float

    @property
    def setting(self) -> tuple[str, ...]:
        """Everything but the tuning."""
        return (self.train, self.arch, self.base, self.neg, self.batch)

    @property
    def label(self) -> str:
        return f"{self.train} {self.arch} {self.base} {self.neg} {self.batch} {self.tuning}"

    @property
    def recomputed(self) -> float:
        """The average of the printed cells."""
        return sum(self.cells.values()) / len(self.cells)


@dataclass(frozen=True, slots=True)
class Suspect:
    """Cells of a row that should not serve as a reference, and why; the average and in-domain figure by their names."""

    row: Row
    cells: tuple[str, ...]
    why: str


@cache
def rows() -> tuple[Row, ...]:
    """The 51 printed rows, each system once, with one exception: BERT-large FT, printed with two in-domain figures."""
    return tuple(
        Row(
            tables=tuple(map(int, line["table"].split(";"))),
            cells={name: float(line[name]) for name in COLLECTIONS} | {OTHER[line["train"]]: float(line["X13"])},
            average=float(line[AVERAGE]),
            in_domain=float(line[IN_DOMAIN]),
            **{name: line[name] for name in ("train", "arch", "base", "neg", "batch", "tuning")},
        )
        for line in lines(_FOLDER / "lee_ndcg10.csv")
    )


def find(table: int, tuning: str, **fields: str) -> Row:
    """The one row of that table; `fields` are any of Row's. Raises ValueError unless there is exactly one."""
    conditions = {"tuning": tuning, **fields}
    matching = [r for r in rows() if table in r.tables and all(getattr(r, k) == v for k, v in conditions.items())]
    if len(matching) != 1:
        raise ValueError(f"{len(matching)} rows of table {table} have {conditions}")
    return matching[0]


def tuning_pairs() -> tuple[tuple[Row, Row], ...]:
    """(LoRA, FT) of one setting, where both are printed; FT's first printing."""
    first = {r.setting: r for r in reversed(rows()) if r.tuning == "FT"}
    return tuple((r, first[r.setting]) for r in rows() if r.tuning == "LoRA" and r.setting in first)


def printed(name: str) -> dict[str, dict[str, float]]:
    """Another printed table, `lee_NAME.csv`: first column -> column -> figure, in percent."""
    return figures(_FOLDER / f"lee_{name}.csv")


@cache
def check_on_load() -> tuple[Suspect, ...]:
    """Every row whose figures do not fit each other or another row's, in the order of rows."""
    return tuple(sorted([*_averages(), *_beside_others()], key=lambda suspect: rows().index(suspect.row)))


def whole_differences(a: Row, b: Row) -> int:
    """In how many cells, one collection each, two rows differ by a whole number (or not at all); at most 13."""
    gaps = [a.cells[name] - b.cells[name] for name in a.cells if name in b.cells]
    return sum(abs(gap - round(gap)) < _EPSILON for gap in gaps)


def _averages() -> Iterator[Suspect]:
    for row in rows():
        if not is_rounded(row.average, row.recomputed, 1):
            off = abs(row.average - row.recomputed)
            can = "could" if off <= 0.1 + _EPSILON else "cannot"  # the cells' half a decimal, and the average's own
            yield Suspect(
                row,
                (AVERAGE,),
                f"{row.average} is printed and its cells average {row.recomputed:.2f}; the cells' own rounding {can} "
                f"explain {off:.2f}",
            )


def _beside_others() -> Iterator[Suspect]:
    """One system with two figures in domain; of two that differ by whole numbers everywhere, that with negatives."""
    for a, b in combinations(rows(), 2):
        if (a.setting, a.tuning, a.cells) == (b.setting, b.tuning, b.cells) and a.in_domain != b.in_domain:
            for row, other in ((a, b), (b, a)):
                figures = f"{row.in_domain} in domain and table {other.tables[0]} {other.in_domain}"
                yield Suspect(row, (IN_DOMAIN,), f"table {row.tables[0]} prints {figures} for one system")
        elif a.cells != b.cells and set(a.cells) == set(b.cells) and whole_differences(a, b) == len(a.cells):
            row, other = (a, b) if b.neg == "none" else (b, a)
            why = f"all {len(row.cells)} cells differ by whole numbers from those of {other.label}"
            yield Suspect(row, (*row.cells, AVERAGE), why)


def tables() -> dict[str, dict[str, dict[str, float]]]:
    """The tables of nDCG@10 as printed, in [0, 1]: number -> system -> column -> figure; a row of which a figure is
    suspect is marked so."""
    suspects = {suspect.row for suspect in check_on_load()}
    printed: dict[str, dict[str, dict[str, float]]] = {}
    for number, row in sorted(((n, r) for r in rows() for n in r.tables), key=itemgetter(0)):
        figures = {**row.cells, "average": row.average, row.train: row.in_domain}
        label = f"{row.label}{' (suspect)' if row in suspects else ''}"
        printed.setdefault(str(number), {})[label] = {name: round(value / 100, 4) for name, value in figures.items()}
    return printed
