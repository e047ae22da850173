"""The gate's proof: how often a model that is exactly too harmful is shipped, and what the gate can still certify."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import scipy  # type: ignore[import-untyped]

from strop.artifacts.keys import content_key, package_sha256
from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.records.results import write_json
from strop.records.writing import whole_file
from strop.studies.never_worse.populations import Null, Pairs, all_pairs, nulls
from strop.studies.never_worse.power import Power, power
from strop.studies.never_worse.rules import OURS, RULES, draw
from strop.study.parts import Outcome

ALPHA = 0.05
#: Of what a guard may lose.
MARGIN = 0.02
#: The most that the upper bound of a rate of false shipments may be.
ALLOWED = 0.06
QUERIES = (30, 60, 100, 200, 400, 1000, 2000)
SETS = 10_000


@dataclass(frozen=True, slots=True)
class Cell:
    """How often a rule shipped, of `sets` test sets of n queries from one population at the edge of the hypothesis.

    `upper` is the rate's one-sided 95 % Clopper-Pearson bound. `test` is gain (mean 0) or guard (mean minus margin).
    """

    pairs: str
    way: str
    assumed: bool
    test: str
    sd: float
    n: int
    rule: str
    sets: int
    shipped: int
    rate: float
    upper: float


def upper_bound(shipped: int, sets: int) -> float:
    """Clopper and Pearson's one-sided 95 % bound of a rate."""
    return float(scipy.special.betaincinv(shipped + 1, sets - shipped, 0.95)) if shipped < sets else 1.0


def cells_of(null: Null, queries: Sequence[int], sets: int, seed: int) -> Iterable[Cell]:
    """Every rule on the same test sets."""
    test = "gain" if null.mean >= 0 else "guard"
    for n in queries:
        draws = draw(null, n, sets, seed)
        for name, rule in RULES.items():
            ships = rule(draws, null.mean, ALPHA)
            shipped, of = int(ships.sum()), ships.size
            upper = upper_bound(shipped, of)
            yield Cell(null.pairs, null.way, null.assumed, test, null.sd, n, name, of, shipped, shipped / of, upper)


def gate(store: Store, progress: Progress, folders: Sequence[str]) -> Outcome:
    """Draw test sets from every population, ask every rule, and write `gate.json`, `cells.csv` and `power.csv`.

    The queries that come with the study are joined by those of Results `folders`. Takes about five minutes on one core;
    random numbers are seeded.
    """
    pairs = all_pairs(folders)
    key = content_key([[p.name, p.base.tolist(), p.tuned.tolist()] for p in pairs], package_sha256())[:8]
    populations = [null for each in pairs for mean in (0.0, -MARGIN) for null in nulls(each, mean)]
    cells: list[Cell] = []
    with progress("test sets", len(populations)) as advance:
        for seed, null in enumerate(populations):
            cells += cells_of(null, QUERIES, SETS, seed)
            advance(1)
    powers = power(pairs[0], QUERIES, ALPHA, MARGIN)
    folder = store.root / "results" / f"never_worse-gate-{key}"
    folder.mkdir(parents=True, exist_ok=True)
    _write(cells, folder / "cells.csv")
    _write(powers, folder / "power.csv")
    write_json(summary(cells, pairs, powers), folder / "gate.json")
    return Outcome(folder, tables(cells, powers))


def summary(cells: Sequence[Cell], pairs: Sequence[Pairs], powers: Sequence[Power]) -> dict[str, Any]:
    """`passed`: no population within the assumption has an upper bound above what is allowed."""
    return {
        "alpha": ALPHA,
        "margin": MARGIN,
        "allowed": ALLOWED,
        "sets": {
            each.name: {
                "queries": each.base.size,
                "base": float(each.base.mean()),
                "difference": float(each.differences.mean()),
                "sd": float(each.differences.std()),
                "tied": float((each.differences == 0).mean()),
            }
            for each in pairs
        },
        "passed": worst_cell(cells, OURS).upper <= ALLOWED,
        "worst": {rule: asdict(worst_cell(cells, rule)) for rule in RULES},
        "worst_beyond_the_assumption": {rule: asdict(worst_cell(cells, rule, False)) for rule in RULES},
        "highest_rates": highest_rates(cells),
        "power": [asdict(each) for each in powers],
    }


def worst_cell(cells: Sequence[Cell], rule: str, assumed: bool = True) -> Cell:
    return max((cell for cell in cells if cell.rule == rule and cell.assumed == assumed), key=lambda cell: cell.upper)


def highest_rates(cells: Sequence[Cell]) -> dict[str, dict[str, float]]:
    """By test and way of making the population, then by rule: the highest rate of any n and set of queries."""
    rates: dict[str, dict[str, float]] = {}
    for cell in cells:
        way = f"{cell.test}: {cell.way}{'' if cell.assumed else ' (beyond the assumption)'}"
        of_rules = rates.setdefault(way, dict.fromkeys(RULES, 0.0))
        of_rules[cell.rule] = max(of_rules[cell.rule], cell.rate)
    return rates


def tables(cells: Sequence[Cell], powers: Sequence[Power]) -> dict[str, list[list[str]]]:
    """Percentages of false shipments, the highest over populations, and the power of the gate."""
    by_n = [["highest of all populations, %", *(f"n={n:,}" for n in QUERIES), "upper bound"]]
    for rule in RULES:
        of_rule = [cell for cell in cells if cell.assumed and cell.rule == rule]
        rates = [max(cell.rate for cell in of_rule if cell.n == n) for n in QUERIES]
        by_n.append([rule, *(f"{100 * rate:.1f}" for rate in (*rates, worst_cell(cells, rule).upper))])
    by_way = [["highest of all n, %", *RULES]]
    for way, of_rules in highest_rates(cells).items():
        by_way.append([way, *(f"{100 * of_rules[rule]:.1f}" for rule in RULES)])
    reach = [["queries, sd", "gain certified", "as predicted", "no change passes a guard, %", "loss refused"]]
    for each in powers:
        figures = (f"{each.gain:.3f}", f"{each.predicted:.3f}", f"{100 * each.unchanged:.0f}", f"{each.refused:.3f}")
        reach.append([f"{each.n:,}, {each.sd:.2f}", *figures])
    return {
        f"False shipments at alpha {ALPHA}, {SETS:,} test sets per population": by_n,
        "False shipments by how the population was made": by_way,
        f"Power 0.8; a margin of {MARGIN}, losses refused in 95 % of test sets": reach,
    }


def _write(values: Sequence[Cell] | Sequence[Power], path: Path) -> None:
    with whole_file(path, replace=True) as own, own.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f.name for f in fields(values[0]))
        writer.writerows([round(v, 6) if isinstance(v, float) else v for v in astuple(each)] for each in values)
