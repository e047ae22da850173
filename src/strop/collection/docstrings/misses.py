"""How many of the docstring queries can be answered at all: one hundred of the base's misses, read one by one."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from importlib.resources import files

import scipy  # type: ignore[import-untyped]

#: all-MiniLM-L6-v2 on the test split, whole pool, pinned versions: queries, and those with an answer in the top 10.
QUERIES, FOUND = 953, 655


@dataclass(frozen=True, slots=True)
class Ceiling:
    """`identifiable`: the share of the misses read whose answer a careful reader can tell from all else.

    `ceiling`: the share of all queries that a perfect retriever would answer: those found, and that part of the missed.
    Both with their 95 % Wilson interval.
    """

    misses_read: int
    identifiable: float
    identifiable_interval: tuple[float, float]
    ceiling: float
    ceiling_interval: tuple[float, float]


def misses() -> list[dict[str, str]]:
    """The misses read: query_id, label (identifiable, ambiguous, uninformative) and reason. A random 100 of 298.

    Ambiguous: another document answers as well. Uninformative: the query or its document says too little.
    """
    text = files("strop.collection.docstrings").joinpath("misses_audit.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def ceiling() -> Ceiling:
    """What the reading implies for Success@10 on the test split."""
    labels = [miss["label"] for miss in misses()]
    told = scipy.stats.binomtest(labels.count("identifiable"), len(labels))
    low, high = map(float, told.proportion_ci(method="wilson"))
    of_all, of_low, of_high = ((FOUND + (QUERIES - FOUND) * share) / QUERIES for share in (told.statistic, low, high))
    return Ceiling(len(labels), told.statistic, (low, high), of_all, (of_low, of_high))


def reading() -> str:
    """The ceiling in one sentence."""
    c = ceiling()
    low, high = c.ceiling_interval
    return (
        f"of {c.misses_read} misses of the base, read one by one, {c.identifiable:.0%} can be told from all else: a "
        f"perfect retriever would answer {c.ceiling:.1%} of the test queries in its top 10 ({low:.1%} to {high:.1%})"
    )
