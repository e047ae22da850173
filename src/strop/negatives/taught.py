"""A teacher's scores for training groups, taken from a run of any system."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from strop.records.documents import Group
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run


def teach(groups: Sequence[Group], run: Run, *, beyond: bool = False) -> list[Group]:
    """The groups with the run's scores of their positives and negatives; with `beyond`, of all documents that it ranks.

    Scores beyond a group's own candidates count where another group of a batch has the document. Earlier scores are
    replaced. Candidates that the run lacks have no score, with a warning; raises InputError when it has none of them.
    A teacher should not have been trained on these queries: it has memorised their positives.
    """
    taught, lacking, short = [], 0, 0
    for group in groups:
        ranking = run.get(group.query_id)
        scores = {} if ranking is None else dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        own = (*group.positives, *group.negatives)
        missing = sum(d not in scores for d in own)
        lacking, short = lacking + missing, short + (missing > 0)
        taught.append(replace(group, teacher=scores if beyond else {d: scores[d] for d in own if d in scores}))
    candidates = sum(len(g.positives) + len(g.negatives) for g in groups)
    if lacking == candidates:
        raise InputError(
            f"the teacher scores none of the {candidates:,} candidates of {len(groups):,} groups",
            remedy="Give a run over these queries, with the same query and document ids",
        )
    if lacking:
        message = f"the teacher lacks {lacking:,} of {candidates:,} candidates, in {short:,} of {len(groups):,} groups"
        warnings.warn(message, InputWarning, stacklevel=2)
    return taught
