"""One training step cut by token budget: the loss of the whole batch, the memory and padding of small pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from strop.models.chunks import Represent, in_order
from strop.models.scoring import Representation
from strop.models.tokens import Ints
from strop.training.ranks import Ranks


def gradient(
    represent: Represent,
    chunks: Sequence[Ints],
    loss_of: Callable[[Representation], Tensor],
    recompute: bool = False,
    ranks: Ranks | None = None,
) -> float:
    """Add the gradient of `loss_of(all texts)` to the parameters behind `represent`, and return the loss.

    `chunks` hold every position once (`tokens.cut`); `loss_of` gets the N texts back in position order. The loss and
    its gradient are those of one undivided batch: each chunk's graph is kept until the loss is known. What dropout
    draws depends on the cut: equal in distribution, equal bit by bit only for an equal cut.

    With `recompute` no graph is kept: each chunk is represented a second time, under the random state of the first, so
    that memory is one chunk's whatever the batch, with the same outcome (GradCache, Gao et al. 2021, arXiv 2101.06983).

    With `ranks` every process calls with the same chunks and random state, represents its share, and ends with the
    gradient and the loss of the whole batch. What dropout draws then depends on the chunk, and not on how many share.
    """
    if ranks is None:
        return _gradient(represent, chunks, lambda own: loss_of(in_order(own, chunks)), recompute)
    start = int(torch.randint(2**62, ()))

    def seeded(positions: Ints) -> Representation:
        torch.manual_seed(start + int(positions[0]))
        return represent(positions)

    shares, after = ranks.shares(chunks), _random_state()
    everyone = [positions for share in shares for positions in share]
    with ranks.summing():
        loss = _gradient(
            seeded, shares[ranks.rank], lambda own: loss_of(in_order(ranks.gathered(own), everyone)), recompute
        )
    _restore(after)
    return loss


def _gradient(
    represent: Represent,
    chunks: Sequence[Ints],
    loss_of: Callable[[Sequence[Representation]], Tensor],
    recompute: bool,
) -> float:
    """`gradient`, through these chunks alone; `loss_of` gets what each of them came to, as leaves."""
    states, parts = [], []
    with torch.set_grad_enabled(not recompute):
        for positions in chunks:
            states.append(_random_state() if recompute else [])
            parts.append(represent(positions))
    if recompute:
        torch.clear_autocast_cache()  # weights that were cast without a graph would be taken for the second pass
    leaves = [part.vectors.detach().requires_grad_() for part in parts]
    loss = loss_of([Representation(leaf, part.mask) for leaf, part in zip(leaves, parts, strict=True)])
    if leaves:
        loss.backward()  # type: ignore[no-untyped-call]
    after = _random_state() if recompute else []
    for positions, state, part, leaf in zip(chunks, states, parts, leaves, strict=True):
        if recompute:
            _restore(state)
            part = represent(positions)
        if part.vectors.requires_grad:  # not of a tower that is kept as it is
            part.vectors.backward(leaf.grad)  # type: ignore[no-untyped-call]
    _restore(after)
    return float(loss.detach())


@contextmanager
def replaying() -> Iterator[None]:
    """Whatever is drawn inside will be drawn again after it."""
    state = _random_state()
    try:
        yield
    finally:
        _restore(state)


def _random_state() -> list[Tensor]:
    """Of the processor, and of every GPU where one is in use."""
    if torch.backends.mps.is_available():
        return [torch.get_rng_state(), torch.mps.get_rng_state()]
    in_use = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if in_use else [])]


def _restore(state: Sequence[Tensor]) -> None:
    if not state:
        return
    torch.set_rng_state(state[0])
    if torch.backends.mps.is_available():
        torch.mps.set_rng_state(state[1])
    else:
        torch.cuda.set_rng_state_all(state[1:])
