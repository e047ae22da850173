"""Runs and judgments -> rows of results, and two runs -> a comparison measure by measure."""

from __future__ import annotations

from collections.abc import Iterable

from strop.measures import MEASURES, evaluate
from strop.nouns import Qrels
from strop.results import Row
from strop.runs import Run


def rows(
    run: Run,
    qrels: Qrels,
    *,
    study: str,
    preset: str,
    system: str,
    seed: int,
    collection: str,
    split: str,
    step: int = -1,
    measures: Iterable[str] = MEASURES,
    relevance_level: int = 1,
) -> list[Row]:
    """One row for each measure and judged query; `item` is the query id.

    Raises InputError as `measures.measure` does.
    """
    return [
        Row(study, preset, system, seed, collection, split, step, query_id, name, value)
        for name, values in evaluate(run, qrels, measures, relevance_level).items()
        for query_id, value in values.items()
    ]
