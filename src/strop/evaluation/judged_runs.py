"""Runs beside judgments: rows of results, and two runs compared measure by measure."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from strop.evaluation.comparison import Comparison, compare_together
from strop.evaluation.measures import MEASURES, evaluate, per_query
from strop.records.documents import Qrels
from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.runs import Run, read_run

if TYPE_CHECKING:
    from strop.records.results import Row


@dataclass(frozen=True, slots=True)
class MeasureComparison:
    """Two runs under one measure, corrected over the measures shown together."""

    measure: str
    comparison: Comparison

    @property
    def holm_p(self) -> float:
        return self.comparison.p_corrected


def rows(run: Run, qrels: Qrels, of: Row, measures: Iterable[str] = MEASURES) -> list[Row]:
    """The row `of` a run for each measure and judged query: `item` is the query id.

    Raises InputError as `measures.measure` does, and for GMAP, which is no mean of rows.
    """
    return [
        replace(of, item=query_id, measure=name, value=value)
        for name, values in evaluate(run, qrels, per_query(measures)).items()
        for query_id, value in values.items()
    ]


def compare_runs(
    run: Run, against: Run, qrels: Qrels, measures: Iterable[str] = MEASURES, relevance_level: int = 1
) -> list[MeasureComparison]:
    """`run` against `against`, measure by measure, over every judged query; differences are run - against.

    Raises InputError as `measures.measure` does, for GMAP, and when no query is judged.
    """
    names = per_query(measures)
    if not any(qrels.values()):
        raise InputError("no query is judged", remedy="Give qrels with at least one judgment")
    ours, theirs = (evaluate(each, qrels, names, relevance_level) for each in (run, against))
    compared = compare_together([(ours[name], theirs[name]) for name in names])
    return [MeasureComparison(*each) for each in zip(names, compared, strict=True)]


def read_judged_run(path: str | Path, judged: Qrels) -> Run:
    """The TREC run at `path`. Warns of judged queries that it lacks, and when none of its documents is judged.

    Raises InputError as `read_run` does, and when it shares no query with the judgments.
    """
    run = read_run(path)
    common = [query_id for query_id in judged if query_id in run]
    if not common:
        raise InputError(
            f"none of its {len(run):,} queries (first: {excerpt(next(iter(run)))}) is among the {len(judged):,} judged "
            f"(first: {excerpt(next(iter(judged)))})",
            where=str(path),
            remedy="Give the qrels that belong to the run",
        )
    if len(common) < len(judged):
        absent = f"{len(judged) - len(common):,} of {len(judged):,} judged queries are not in the run and score 0"
        warnings.warn(f"{path}: {absent}", InputWarning, stacklevel=3)
    if not any(judged[q].keys() & set(run[q].doc_ids) for q in common):
        warnings.warn(
            f"{path}: not one retrieved document is judged; are the ids the same?", InputWarning, stacklevel=3
        )
    return run
