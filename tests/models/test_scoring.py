from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch

from strop.models import scoring as scoring_file
from strop.models.scoring import Cosine, Dot, Euclidean, Joint, MaxSim, Nested, Representation, Scoring
from strop.records.errors import InputError

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


def token_texts(
    count: int, longest: int, seed: int, dtype: torch.dtype = torch.float64, scale: float = 3.0
) -> Representation:
    """Vectors of 1 to `longest` tokens a text, some of them not counting, and large numbers in the padding."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator)
    vectors = scale * torch.randn(count, longest, 6, dtype=dtype, generator=generator)
    mask = torch.arange(longest) < lengths[:, None]
    vectors[~mask] = 1e4
    mask[:, 1] &= torch.rand(count, generator=generator) < 0.5
    return Representation(vectors, mask)


def counted(representation: Representation) -> list[list[list[float]]]:
    assert representation.mask is not None
    return [v[m].tolist() for v, m in zip(representation.vectors, representation.mask, strict=True)]


def naive_maxsim(queries: Representation, documents: Representation, pair: Pair) -> torch.Tensor:
    return torch.tensor(
        [
            [math.fsum(max(pair(unit(q), unit(d)) for d in document) for q in query) for document in counted(documents)]
            for query in counted(queries)
        ],
        dtype=torch.float64,
    )


LIKENESS: dict[str, tuple[MaxSim, Pair]] = {
    "cosine": (MaxSim(), dot),
    "l2": (MaxSim("l2"), lambda q, d: -math.fsum((a - b) ** 2 for a, b in zip(q, d, strict=True))),
}


@pytest.mark.parametrize("name", LIKENESS)
@pytest.mark.parametrize("held", [1, 200, 2**24])
def test_maxsim_is_a_naive_double_loop_over_tokens_for_every_block_size(
    name: str, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring_file, "_HELD", held)
    scoring, pair = LIKENESS[name]
    queries, documents = token_texts(4, 5, seed=1), token_texts(7, 9, seed=2)
    found = scoring(queries, documents)
    torch.testing.assert_close(found, naive_maxsim(queries, documents, pair), rtol=1e-12, atol=1e-12)
    assert scoring(queries, documents[:0]).shape == (4, 0)


def test_minus_the_squared_distance_orders_documents_as_the_cosine_does() -> None:
    """On unit vectors |q - d|^2 = 2 - 2 q d: for n query tokens l2 = 2 cosine - 2 n, summed after the same maximum."""
    queries, documents = token_texts(4, 5, seed=1), token_texts(7, 9, seed=2)
    assert queries.mask is not None
    cosine, l2 = MaxSim()(queries, documents), MaxSim("l2")(queries, documents)
    torch.testing.assert_close(l2, 2 * cosine - 2 * queries.mask.sum(dim=1, keepdim=True))
    assert torch.equal(l2.argsort(dim=1), cosine.argsort(dim=1))


@pytest.mark.parametrize("similarity", ["cosine", "l2"])
def test_maxsim_s_gradient_is_right_and_never_reaches_the_padding(similarity: str) -> None:
    scoring = MaxSim(similarity)  # type: ignore[arg-type]
    queries, documents = token_texts(3, 4, seed=5, scale=1.0), token_texts(4, 5, seed=6, scale=1.0)
    q, d = queries.vectors.requires_grad_(), documents.vectors.requires_grad_()
    assert queries.mask is not None
    assert documents.mask is not None

    def score(q: torch.Tensor, d: torch.Tensor) -> torch.Tensor:
        return scoring(Representation(q, queries.mask), Representation(d, documents.mask))

    assert torch.autograd.gradcheck(score, (q, d))
    score(q, d).sum().backward()
    assert q.grad is not None
    assert d.grad is not None
    assert torch.isfinite(q.grad).all()
    assert torch.isfinite(d.grad).all()
    assert (q.grad[~queries.mask] == 0).all()
    assert (d.grad[~documents.mask] == 0).all()
    assert q.grad[queries.mask].abs().max() > 0.01


def test_a_document_without_a_token_scores_least_and_spoils_no_gradient() -> None:
    queries, documents = token_texts(3, 4, seed=5), token_texts(4, 5, seed=6)
    assert queries.mask is not None
    assert documents.mask is not None
    documents.mask[2] = False
    documents.vectors.requires_grad_()
    counts = queries.mask.sum(dim=1).double()
    for scoring, least in ((MaxSim(), -counts), (MaxSim("l2"), -4 * counts)):
        scores = scoring(queries, documents)
        torch.testing.assert_close(scores[:, 2], least)
        (grad,) = torch.autograd.grad(scores.sum(), documents.vectors)
        assert torch.isfinite(grad).all()
        assert (grad[2] == 0).all()
        assert grad.abs().max() > 0


def test_maxsim_is_float32_under_autocast_and_of_half_precision_vectors() -> None:
    queries, documents = (
        token_texts(3, 32, seed=5, dtype=torch.float32),
        token_texts(4, 40, seed=6, dtype=torch.float32),
    )
    exact = MaxSim()(queries, documents)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(MaxSim()(queries, documents), exact)
        assert (queries.vectors[0] @ queries.vectors[1].T).dtype == torch.bfloat16
    halves = [Representation(r.vectors.bfloat16(), r.mask) for r in (queries, documents)]
    found = MaxSim()(*halves)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, exact, rtol=0.02, atol=0.05)
    assert not torch.equal(found, found.bfloat16().float())  # finer than a sum in bfloat16 could be


def test_maxsim_refuses_a_vector_a_text() -> None:
    with pytest.raises(InputError, match="MaxSim needs one vector per token"):
        MaxSim()(Representation(torch.ones(2, 3)), Representation(torch.ones(2, 3)))


@pytest.mark.parametrize("whole", [Cosine(), Dot(), Euclidean()])
def test_nested_scores_are_those_of_vectors_cut_short_one_below_the_other(whole: Scoring) -> None:
    generator = torch.Generator().manual_seed(0)
    queries, documents = (torch.randn(n, 8, generator=generator) for n in (3, 5))
    found = Nested((2, 5), whole)(Representation(queries), Representation(documents))
    assert found.shape == (9, 5)
    for row, d in ((0, 8), (3, 2), (6, 5)):
        expected = whole(Representation(queries[:, :d]), Representation(documents[:, :d]))
        torch.testing.assert_close(found[row : row + 3], expected)
    assert not torch.allclose(found[:3], found[3:6], atol=1e-2)


def test_dims_that_cannot_be_are_an_input_error() -> None:
    for dims in ((), (0,), (4, 4), (-1, 2)):
        with pytest.raises(InputError, match="dims are"):
            Nested(dims)
    for whole in (MaxSim(), Joint(), Nested((2,))):
        with pytest.raises(InputError, match="the whole is scored by"):
            Nested((2,), whole)
    vectors = Representation(torch.ones(2, 8))
    for dims in ((8,), (2, 9)):
        with pytest.raises(InputError, match="of vectors of 8"):
            Nested(dims)(vectors, vectors)
