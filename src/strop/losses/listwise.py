"""Losses over the order of a query's whole list.

Two are not here because others equal them: ListNet's top-one loss (Cao et al. 2007) is, with one positive, InfoNCE at
temperature 1, and with a teacher's scores KLDivergence plus the teacher's entropy, which has no gradient; RankNet with
positives and negatives is PairwiseSoftmax.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn.functional import softplus

from strop.losses.distillation import distillation_diagnostics, known_scores


@dataclass(frozen=True, slots=True)
class RankNet:
    """mean over all pairs of a query's candidates with unequal teacher's scores of log(1 + exp(s_lower - s_higher)).

    Only the teacher's order counts, not its margins, so that grades serve as well as logits. Never 0, since a margin
    can always grow. In sentence-transformers it is RankNetLoss times log 2. Raises ValueError when no query has two
    candidates of unequal known scores. Source: Burges et al. 2005, equations 3 and 4, for target probabilities of 0
    and 1.
    """

    taught: ClassVar[bool] = True
    diagnostics = staticmethod(distillation_diagnostics)

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        student, teacher, known = known_scores(scores, targets, mask)
        above = (teacher.unsqueeze(2) > teacher.unsqueeze(1)) & known.unsqueeze(2) & known.unsqueeze(1)
        if not above.any():
            problem = "it scored no two candidates of a query of this batch unequally"
            raise ValueError(f"a teacher's order is needed: {problem}")
        return softplus((student.unsqueeze(1) - student.unsqueeze(2))[above]).mean()

    def chance(self, candidates: int) -> float | None:
        """log 2, however many candidates there are."""
        return math.log(2)
