"""One training step cut by token budget: the loss of the whole batch, the memory and padding of small pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from strop.tokens import Ints, cut

#: Positions of texts -> their vectors `(n, D)`, with a graph where gradients are on.
Represent = Callable[[Ints], Tensor]


def gradient(represent: Represent, chunks: Sequence[Ints], loss_of: Callable[[Tensor], Tensor]) -> float:
    """Add the gradient of `loss_of(vectors)` to the parameters behind `represent`, and return the loss.

    `chunks` hold every position once (`tokens.cut`); `loss_of` gets the vectors `(N, D)` back in position order. The
    loss and its gradient are those of one undivided batch: each chunk's graph is kept until the loss is known,
    then freed chunk by chunk. Dropout, where on, draws each text's own mask, but which numbers it draws depends on
    the cut: equal in distribution, equal bit by bit only for an equal cut.
    """
    parts = [represent(positions) for positions in chunks]
    joined = torch.cat([part.detach() for part in parts]).requires_grad_()
    loss = loss_of(joined[_inverse(chunks)])
    loss.backward()  # type: ignore[no-untyped-call]
    assert joined.grad is not None
    for part, upstream in zip(parts, torch.split(joined.grad, [len(c) for c in chunks]), strict=True):
        part.backward(upstream)  # type: ignore[no-untyped-call]
    return float(loss.detach())


def vectors(represent: Represent, lengths: Ints, budget: int) -> Tensor:
    """The vectors `(N, D)` of all texts in position order, without a graph."""
    chunks = cut(lengths, budget)
    with torch.inference_mode():
        return torch.cat([represent(positions) for positions in chunks])[_inverse(chunks)]


def _inverse(chunks: Sequence[Ints]) -> Tensor:
    return torch.from_numpy(np.argsort(np.concatenate(chunks)))
