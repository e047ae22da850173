"""Losses that learn from a teacher's scores, over a score matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from strop.losses.protocol import score_spread, wide
from strop.records.errors import InputError


def _check(**temperatures: float) -> None:
    for name, value in temperatures.items():
        if not 0 < value < float("inf"):
            raise InputError(f"{name} is {value}", remedy="Give a number above 0, like 0.05")


def known_scores(scores: Tensor, targets: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Scores of student and teacher, 0 where not known, and where they are known: three matrices `(Q', K)`.

    Known is what the teacher scored and the mask does not hold; queries with fewer than two known candidates are left
    out. Raises ValueError when no query remains.
    """
    known = ~(targets.isnan() | mask)
    rows = known.sum(1) >= 2
    if not rows.any():
        raise ValueError("a teacher's scores are needed: no query of this batch has two candidates it scored")
    student, known = wide(scores)[rows], known[rows]
    return student.masked_fill(~known, 0.0), targets[rows].to(student.dtype).masked_fill(~known, 0.0), known


def distillation_diagnostics(scores: Tensor, targets: Tensor, mask: Tensor) -> dict[str, float]:
    """Diagnostics of every loss that learns from a teacher; queries with fewer than two known candidates are left out.

    `taught_candidates`: the mean number of candidates per query that the teacher scored. `pair_agreement`: the share of
    pairs of a query's candidates that student and teacher order alike, a tie of either counting half, in [0, 1] and 0.5
    at chance: (1 + Kendall's tau-a) / 2, a mean over queries. `score_spread`; `teacher_spread`, the same of the
    teacher's scores.
    """
    student, teacher, known = known_scores(scores, targets, mask)
    agreed = [_agreement(s[k], t[k]) for s, t, k in zip(student, teacher, known, strict=True)]
    return {
        "taught_candidates": float(known.sum(1).float().mean()),
        "pair_agreement": float(torch.stack(agreed).mean()),
        "score_spread": score_spread(student, known, ~known),
        "teacher_spread": score_spread(teacher, known, ~known),
    }


def _agreement(student: Tensor, teacher: Tensor) -> Tensor:
    """(1 + Kendall's tau-a) / 2 of two score vectors of the same n >= 2 candidates."""
    n = len(student)
    orders = [(scores.unsqueeze(0) - scores.unsqueeze(1)).sign() for scores in (student, teacher)]
    return (1 + (orders[0] * orders[1]).sum() / (n * (n - 1))) / 2


@dataclass(frozen=True, slots=True)
class MarginMSE:
    """mean over queries of the mean over pairs of known candidates of ((s_i - s_j) / temperature - (t_i - t_j))^2.

    With one negative per query this is the source's loss and sentence-transformers' MarginMSELoss, of a positive and a
    negative. With more, every pair counts, two negatives too: their order is what hard negatives leave open, and a
    teacher needs no positive. The margin of dot products can reach the teacher's (temperature 1, the source's). That of
    cosines lies in [-2, 2], while those of a teacher's logits often exceed 10: without a temperature such a student
    could only push its scores apart. Raises InputError unless temperature > 0; a call raises ValueError when no query
    has two known candidates. Source: Hofstätter et al. 2020 (arXiv 2010.02666), equation 6.
    """

    temperature: float = 1.0
    taught: ClassVar[bool] = True
    diagnostics = staticmethod(distillation_diagnostics)

    def __post_init__(self) -> None:
        _check(temperature=self.temperature)

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        student, teacher, known = known_scores(scores, targets, mask)
        counts = known.sum(1)
        residuals = (student / self.temperature - teacher).masked_fill(~known, 0.0)
        means = residuals.sum(1, keepdim=True) / counts.unsqueeze(1)
        squares = (residuals - means).square().masked_fill(~known, 0.0).sum(1)
        return (2 * squares / (counts - 1)).mean()  # the mean squared difference of two is twice the variance

    def chance(self, candidates: int) -> float | None:
        """None: at equal scores the loss is the mean square of the teacher's margins."""
        return None


@dataclass(frozen=True, slots=True)
class KLDivergence:
    """mean over queries of KL(softmax(t / teacher_temperature) || softmax(s / temperature)) over known candidates.

    In nats, 0 where both distributions agree. sentence-transformers' DistillKLDivLoss is this times temperature^2.
    Raises InputError unless both temperatures > 0; a call raises ValueError when no query has two known candidates.
    Source: Lin et al. 2020 (arXiv 2010.11386).
    """

    temperature: float = 1.0
    teacher_temperature: float = 1.0
    taught: ClassVar[bool] = True
    diagnostics = staticmethod(distillation_diagnostics)

    def __post_init__(self) -> None:
        _check(temperature=self.temperature, teacher_temperature=self.teacher_temperature)

    def __call__(self, scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
        student, teacher, known = known_scores(scores, targets, mask)
        ours = (student / self.temperature).masked_fill(~known, float("-inf")).log_softmax(1)
        theirs = (teacher / self.teacher_temperature).masked_fill(~known, float("-inf")).log_softmax(1)
        gaps = (theirs - ours).masked_fill(~known, 0.0)
        return (theirs.exp() * gaps).sum(1).mean()

    def chance(self, candidates: int) -> float | None:
        """None: at equal scores the loss is log K minus the entropy of the teacher's distribution."""
        return None
