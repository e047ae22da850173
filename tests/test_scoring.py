from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from strop.scoring import Cosine, Dot, Euclidean, Representation, Scoring

Pair = Callable[[list[float], list[float]], float]


def dot(q: list[float], d: list[float]) -> float:
    return math.fsum(a * b for a, b in zip(q, d, strict=True))


def unit(v: list[float]) -> list[float]:
    return [x / math.sqrt(dot(v, v)) for x in v]


def distance(q: list[float], d: list[float]) -> float:
    return math.sqrt(math.fsum((a - b) ** 2 for a, b in zip(q, d, strict=True)))


NAIVE: dict[str, tuple[Scoring, Pair]] = {
    "dot": (Dot(), dot),
    "cosine": (Cosine(), lambda q, d: dot(unit(q), unit(d))),
    "Euclidean": (Euclidean(), lambda q, d: -distance(q, d)),
    "squared": (Euclidean(squared=True), lambda q, d: -(distance(q, d) ** 2)),
    "normalized": (Euclidean(normalized=True), lambda q, d: -distance(unit(q), unit(d))),
    "both": (Euclidean(squared=True, normalized=True), lambda q, d: -(distance(unit(q), unit(d)) ** 2)),
}


@pytest.mark.parametrize("name", NAIVE)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-5)])
def test_scores_equal_a_naive_loop_over_pairs(name: str, dtype: torch.dtype, tolerance: float) -> None:
    scoring, pair = NAIVE[name]
    generator = torch.Generator().manual_seed(3)
    queries = 3 * torch.randn(5, 7, dtype=dtype, generator=generator)
    documents = 3 * torch.randn(9, 7, dtype=dtype, generator=generator)
    documents[4] = queries[2]
    expected = [[pair(q, d) for d in documents.tolist()] for q in queries.tolist()]
    scores = scoring(Representation(queries), Representation(documents))
    torch.testing.assert_close(scores, torch.tensor(expected, dtype=dtype), rtol=tolerance, atol=tolerance)


def test_close_vectors_far_from_the_origin_keep_their_distance() -> None:
    query = torch.full((1, 64), 100.0)
    document = query.clone()
    document[0, 0] += 0.01
    score = Euclidean()(Representation(query), Representation(document.expand(64, -1)))
    assert score[0, 0].item() == pytest.approx(-float(document[0, 0] - 100.0), rel=1e-5)
    shortcut = torch.cdist(query, document.expand(64, -1), compute_mode="use_mm_for_euclid_dist")
    assert abs(float(shortcut[0, 0]) - 0.01) > 1e-3  # the shortcut would be wrong here


@pytest.mark.parametrize("squared", [False, True])
@pytest.mark.parametrize("normalized", [False, True])
def test_the_euclidean_gradient_is_finite_at_distance_zero(squared: bool, normalized: bool) -> None:
    vectors = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    Euclidean(squared, normalized)(Representation(vectors), Representation(vectors)).sum().backward()
    assert vectors.grad is not None
    assert torch.isfinite(vectors.grad).all()
    assert vectors.grad.abs().max() > 0  # the other pairs still pull


def test_a_zero_vector_has_cosine_zero_and_a_finite_gradient() -> None:
    query = torch.zeros(1, 4, requires_grad=True)
    score = Cosine()(Representation(query), Representation(torch.ones(2, 4)))
    score.sum().backward()
    assert score.tolist() == [[0.0, 0.0]]
    assert query.grad is not None
    assert torch.isfinite(query.grad).all()
