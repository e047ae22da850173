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
    """Shares of test queries, with a 95 % Wilson interval on the share of misses that are identifiable.

    `identifiable` is the share of the misses read whose answer a careful reader can tell from all else; `ceiling` is
    the share of all queries that a perfect retriever would answer: those found, and that part of the missed.
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
    read = misses()
    identifiable = sum(miss["label"] == "identifiable" for miss in read)
    interval = scipy.stats.binomtest(identifiable, len(read)).proportion_ci(method="wilson")
    found = FOUND / QUERIES
    return Ceiling(
        misses_read=len(read),
        identifiable=identifiable / len(read),
        identifiable_interval=(float(interval.low), float(interval.high)),
        ceiling=found + (1 - found) * identifiable / len(read),
        ceiling_interval=(float(found + (1 - found) * interval.low), float(found + (1 - found) * interval.high)),
    )


def reading() -> str:
    """The ceiling in one sentence."""
    c = ceiling()
    low, high = c.ceiling_interval
    return (
        f"of {c.misses_read} misses of the base, read one by one, {c.identifiable:.0%} can be told from all else: a "
        f"perfect retriever would answer {c.ceiling:.1%} of the test queries in its top 10 ({low:.1%} to {high:.1%})"
    )
