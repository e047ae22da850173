"""One step shared by several processes: who represents what, everyone's representations, the sum of gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import Parameter

from strop.models.scoring import Representation
from strop.models.tokens import Ints


@dataclass(frozen=True, slots=True, eq=False)
class Ranks:
    """The processes of `torch.distributed`'s default group; `parameters` are what trains, the same in all.

    Summing what each process' own texts add to a gradient of the whole batch's loss gives one device's gradient. The
    mean of losses over a process' own queries does not: the others' queries then never reach its documents.
    """

    parameters: tuple[Parameter, ...]

    @property
    def rank(self) -> int:
        return distributed.get_rank()

    def shares(self, chunks: Sequence[Ints]) -> list[Sequence[Ints]]:
        """Each process' chunks, in turns; none for some where there are fewer chunks than processes."""
        count = distributed.get_world_size()
        return [chunks[rank::count] for rank in range(count)]

    def gathered(self, own: Sequence[Representation]) -> list[Representation]:
        """What every process gives, by rank: its own with its graph, the others' without."""
        mine = Representation.join(own) if own else None
        forms: list[Any] = [None] * distributed.get_world_size()
        form = (mine.vectors.shape, mine.vectors.dtype, mine.mask is not None) if mine else None
        distributed.all_gather_object(forms, form)
        everyone = []
        for rank, (shape, dtype, masked) in ((rank, form) for rank, form in enumerate(forms) if form):
            sent = mine if rank == self.rank else None
            vectors = self._sent(rank, sent.vectors if sent else None, shape, dtype)
            # As bytes: not every backend sends truth values.
            mask = self._sent(rank, sent.mask if sent else None, shape[:2], torch.uint8).bool() if masked else None
            everyone.append(sent or Representation(vectors, mask))
        return everyone

    def _sent(self, rank: int, tensor: Tensor | None, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """A tensor that `rank` has, in every process."""
        if tensor is None:
            sent = torch.empty(tuple(shape), dtype=dtype, device=self.parameters[0].device)
        else:
            sent = tensor.detach().to(dtype).contiguous()
        distributed.broadcast(sent, src=rank)
        return sent

    @contextmanager
    def summing(self) -> Iterator[None]:
        """What the block adds to gradients is summed over the processes, and added to what was there before.

        A parameter that no process gives a gradient, like an unused pooler, keeps none: an optimiser would take zeros
        for a gradient, and decay its weights.
        """
        before = [parameter.grad for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = None
        yield
        reached_here = torch.tensor([parameter.grad is not None for parameter in self.parameters]).int()
        reached_here = reached_here.to(self.parameters[0].device)
        distributed.all_reduce(reached_here, distributed.ReduceOp.MAX)
        for parameter, old, reached in zip(self.parameters, before, reached_here.tolist(), strict=True):
            if reached:
                parameter.grad = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
                distributed.all_reduce(parameter.grad)
                parameter.grad += 0 if old is None else old
            else:
                parameter.grad = old
