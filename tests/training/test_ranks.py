"""Two processes share one step: both end with the gradients of one process, dropout and all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import dense, sentences
from torch import Tensor, distributed, multiprocessing
from torch.nn.functional import cross_entropy, normalize

from strop.models.encoder import represent_rows
from strop.models.scoring import Representation
from strop.models.tokens import Ints, cut, pad
from strop.training import step as chunks
from strop.training.ranks import Ranks

QUERIES = 5
TEXTS = sentences(3 * QUERIES, seed=4)
LENGTHS = dense(dropout=0.0).tokenize(TEXTS, "document").lengths
#: An odd number of chunks; one chunk, so that a process has none.
CUTS = {"chunks": cut(LENGTHS, 60), "one chunk": [np.arange(len(TEXTS))]}

Outcome = tuple[float, dict[str, Tensor]]


def step(cuts: list[Ints], many: bool, dropout: float, recompute: bool, shared: bool, before: float = 0.0) -> Outcome:
    """Loss and gradients of one step; `many` for a vector a token, `before` what every gradient was."""
    encoder = dense(dropout=dropout)
    encoder.module.train()
    tokens = encoder.tokenize(TEXTS, "document")
    rows = [tokens.row(i) for i in range(len(tokens))]

    def represent(positions: Ints) -> Representation:
        if not many:
            return represent_rows(encoder, rows, positions, "document")
        ids, mask = pad([rows[i] for i in positions], encoder.pad_id)
        seen: Any = encoder.transformer({"input_ids": ids, "attention_mask": mask})
        return Representation(seen["token_embeddings"], mask.bool())

    parameters = tuple(encoder.module.parameters())
    if before:
        for parameter in parameters:
            parameter.grad = torch.full_like(parameter, before)
    torch.manual_seed(7)
    loss = chunks.gradient(
        represent, cuts, maxsim if many else cosine, recompute, Ranks(parameters) if shared else None
    )
    return loss, {n: p.grad for n, p in encoder.module.named_parameters() if p.grad is not None}


def cosine(texts: Representation) -> Tensor:
    unit = normalize(texts.vectors, dim=-1)
    return cross_entropy(20 * unit[:QUERIES] @ unit[QUERIES:].T, torch.arange(QUERIES))


def maxsim(texts: Representation) -> Tensor:
    """The sum over a query's tokens of the best cosine with a document's."""
    assert texts.mask is not None
    unit, mask = normalize(texts.vectors, dim=-1), texts.mask
    pairs = torch.einsum("qid,kjd->qkij", unit[:QUERIES], unit[QUERIES:])
    best = pairs.masked_fill(~mask[None, QUERIES:, None], -2).amax(3)
    scores = (best * mask[:QUERIES, None]).sum(2)
    return cross_entropy(scores, torch.arange(QUERIES))


CASES: dict[str, Callable[[bool], Outcome]] = {
    f"{what}, {'recomputed' if recompute else 'kept'}, {name}": (
        lambda shared, cuts=cuts, many=many, recompute=recompute: step(cuts, many, 0.0, recompute, shared)
    )
    for what, many in (("a vector a text", False), ("a vector a token", True))
    for recompute in (False, True)
    for name, cuts in CUTS.items()
} | {
    "added to what was there": lambda shared: step(CUTS["chunks"], False, 0.0, False, shared, before=0.5),
}
#: Only among shared steps can random numbers be the same.
WITH_DROPOUT: dict[str, Callable[[], Outcome]] = {
    "dropout, kept": lambda: step(CUTS["chunks"], False, 0.1, False, True),
    "dropout, recomputed": lambda: step(CUTS["chunks"], False, 0.1, True, True),
}


def work(rank: int, count: int, folder: str) -> None:
    dense(dropout=0.0), dense(dropout=0.1)  # built before they meet: transformers saves in the first process only
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet{count}", rank=rank, world_size=count)
    try:
        found = {name: case(True) for name, case in CASES.items()} | {name: c() for name, c in WITH_DROPOUT.items()}
        torch.save((found, torch.get_rng_state()), f"{folder}/{count}-{rank}.pt")
    finally:
        distributed.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], tuple[dict[str, Outcome], Tensor]]:
    """What each process of two, and the only one of one, ended with."""
    folder = tmp_path_factory.mktemp("ranks")
    multiprocessing.spawn(work, (2, str(folder)), nprocs=2)
    work(0, 1, str(folder))
    return {(c, r): torch.load(folder / f"{c}-{r}.pt") for c, r in ((2, 0), (2, 1), (1, 0))}


@pytest.mark.parametrize("name", CASES)
def test_each_process_ends_with_the_loss_and_gradients_of_one_that_does_it_all(name: str, shared: Any) -> None:
    expected, wanted = CASES[name](False)
    assert sum(float(g.norm()) ** 2 for g in wanted.values()) > 0.01
    for rank in (0, 1):
        loss, found = shared[2, rank][0][name]
        assert loss == pytest.approx(expected, rel=1e-6)
        assert found.keys() == wanted.keys(), "a parameter that nothing reaches keeps no gradient"
        for n, gradient in found.items():
            torch.testing.assert_close(gradient, wanted[n], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", WITH_DROPOUT)
def test_with_dropout_the_outcome_does_not_depend_on_how_many_share(name: str, shared: Any) -> None:
    (expected, wanted), (without, _) = shared[1, 0][0][name], shared[1, 0][0]["a vector a text, kept, chunks"]
    assert expected != without, "and dropout was on"
    for rank in (0, 1):
        loss, found = shared[2, rank][0][name]
        assert loss == pytest.approx(expected, rel=1e-6)
        for n, gradient in found.items():
            torch.testing.assert_close(gradient, wanted[n], rtol=1e-4, atol=1e-6)


def test_all_processes_end_with_equal_gradients_and_one_random_state(shared: Any) -> None:
    (first, state), (second, other) = shared[2, 0], shared[2, 1]
    assert torch.equal(state, other)
    for name, (_, gradients) in first.items():
        assert all(torch.equal(g, second[name][1][n]) for n, g in gradients.items()), name


def test_the_cases_are_those_meant() -> None:
    assert not [n for n in step(CUTS["chunks"], False, 0.0, False, False)[1] if "pooler" in n]
    assert len(CUTS["chunks"]) % 2 == 1
    assert len({int(LENGTHS[positions].max()) for positions in CUTS["chunks"]}) > 2
