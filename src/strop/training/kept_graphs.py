"""Kept graphs: what the graphs of an update would hold until its loss is known, and whether there is room for them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from strop.models.chunks import Forward
from strop.models.tokens import Ints
from strop.records.errors import InputWarning
from strop.training.step import replaying

#: Graphs may take this share of what is free when the training begins: gradients, moments and others need some too.
SHARE = 0.5
#: What stands in memory for each byte that a graph holds: between tensors that stay, the heap has holes of those that
#: did not. 1.46 measured with glibc: LoRA of MiniLM on 32 triplets of 256 tokens (8.4 GB for 5.8).
HEAP = 1.5


@dataclass(slots=True, eq=False)
class KeptGraphs:
    """Says for each update whether its chunks should be represented twice, because all their graphs at once would take
    more than `room` bytes; the first time with a warning.

    What a graph holds is counted on single texts, forward and without a trace: the longest seen so far, and the
    shortest beside it. It grows with a text's length, and with its square where attention is not fused. Nothing else
    of a training depends on the answer: graphs made again are the graphs that were kept (`step.gradient`).
    """

    room: int
    _longest: int = field(init=False, default=0)
    _per_slot: tuple[float, float] = field(init=False, default=(0.0, 0.0))
    _warned: bool = field(init=False, default=False)

    def exceed(self, forward: Forward, pieces: Sequence[Ints]) -> bool:
        needed = HEAP * self.bytes_of(forward, pieces)
        if needed > self.room:
            self.warn(
                f"the graphs of a batch would take about {needed / 1e9:,.2g} GB, and the share of free memory that is "
                f"theirs is {max(0, self.room) / 1e9:,.2g} GB"
            )
        return needed > self.room

    def give_up(self) -> None:
        """From now on every update's graphs are too many: memory ran out."""
        self.room = -1
        self.warn("out of memory with the graphs of a whole batch")

    def bytes_of(self, forward: Forward, pieces: Sequence[Ints]) -> int:
        """An estimate for the whole batch, padding included. No graph or random number of the caller's is touched."""
        lengths = forward.lengths
        if not len(lengths):
            return 0
        if int(lengths.max()) > self._longest:
            self._measure(forward)
        once, again = self._per_slot
        sizes = [(len(piece), int(lengths[piece].max())) for piece in pieces]
        return round(sum(count * length * (once + again * length) for count, length in sizes))

    def _measure(self, forward: Forward) -> None:
        """Bytes per slot of a text of L tokens are a + b L; two texts give a and b, one only their sum."""
        lengths = forward.lengths
        at = [int(np.argmax(lengths)), int(np.argmin(lengths))]
        (long, of_long), (short, of_short) = ((int(lengths[i]), _bytes_of_text(forward, i)) for i in at)
        per_slot = of_long / long
        again = max(0.0, (per_slot - of_short / max(1, short)) / (long - short)) if long > short else 0.0
        self._longest, self._per_slot = long, (per_slot - again * long, again)

    def warn(self, problem: str) -> None:
        if not self._warned:
            self._warned = True
            each = "each chunk is represented twice instead, which takes longer and trains the same"
            warnings.warn(f"{problem}: {each} (recompute=false keeps graphs)", InputWarning, stacklevel=2)


def _bytes_of_text(forward: Forward, text: int) -> int:
    """What one more such text adds to a chunk's graph: the chunk's weights, cast or not, stand in it once."""
    return _graph_bytes(forward, [text, text]) - _graph_bytes(forward, [text])


def _graph_bytes(forward: Forward, texts: Sequence[int]) -> int:
    """Of all tensors that a chunk's graph holds, each storage once."""
    held: dict[int, int] = {}

    def count(tensor: Tensor) -> Tensor:
        if tensor.layout == torch.strided:
            storage = tensor.untyped_storage()
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with replaying(), saved_tensors_hooks(count, lambda tensor: tensor):
        forward.represent(np.array(texts))
    torch.clear_autocast_cache()  # weights that were cast for this graph are no part of another
    return sum(held.values())
