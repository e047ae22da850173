"""A teacher's scores for training groups: whatever system made the run."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

from strop.records.documents import Group
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run


def teach(groups: Sequence[Group], run: Run, *, beyond: bool = False) -> list[Group]:
    """The groups with the run's scores of their positives and negatives; `beyond`, of all that it ranks for the query.

    What is beyond a group's own candidates counts where another group of a batch brings it. Scores given before are
    replaced. Warns of candidates that the run lacks, which stay without; raises InputError when it scores none at all.
    A teacher should not have been trained on these queries: it knows their positives by heart.
    """
    taught, lacking, short = [], 0, 0
    for group in groups:
        ranking = run.get(group.query_id)
        scores = {} if ranking is None else dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        own = (*group.positives, *group.negatives)
        found = {d: scores[d] for d in own if d in scores}
        missing = sum(d not in scores for d in own)
        lacking, short = lacking + missing, short + (missing > 0)
        taught.append(replace(group, teacher=scores if beyond else found))
    candidates = sum(len(g.positives) + len(g.negatives) for g in groups)
    if lacking == candidates:
        raise InputError(
            f"the teacher scores none of the {candidates:,} candidates of {len(groups):,} groups",
            remedy="Give a run over these queries, whose query and document ids are theirs",
        )
    if lacking:
        said = f"the teacher lacks {lacking:,} of {candidates:,} candidates, in {short:,} of {len(groups):,} groups"
        warnings.warn(said, InputWarning, stacklevel=2)
    return taught
