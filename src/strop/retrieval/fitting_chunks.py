"""Chunks that fit the memory: where it runs out smaller ones, to the same result."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch

from strop.models.memory import out_of_memory
from strop.models.tokens import Ints, cut
from strop.records.errors import InputError, InputWarning

T = TypeVar("T")

#: Padded tokens per chunk. Small enough for a CPU's caches (`strop bench encode`), large enough to keep a GPU busy.
#: Less once memory has run out.
BUDGET = {"cpu": 2048, "cuda": 65536, "mps": 16384}


def in_chunks(lengths: Ints, device: torch.device, read: Callable[[Ints], T]) -> Iterator[tuple[Ints, T]]:
    """Chunks of positions, the longest texts first, and what `read` gives for each; every position is in one.

    Where memory runs out the budget is halved until the rest fits, for the process, with one warning. Raises InputError
    where a single text does not fit.
    """
    kind = device.type if device.type in BUDGET else "cpu"
    budget = first = BUDGET[kind]
    waiting = deque(cut(lengths, budget))
    while waiting:
        chunk = waiting[0]
        held = len(chunk) * int(lengths[chunk].max())
        made = _unless_out_of_memory(read, chunk)
        if made is None:
            if len(chunk) == 1:
                remedy = "Stop what else uses the memory, set max_length lower, or take a smaller model"
                raise InputError(f"out of memory at one text of {held:,} tokens", remedy=remedy)
            budget = min(budget, held) // 2
            rest = np.concatenate(list(waiting))
            waiting = deque(rest[part] for part in cut(lengths[rest], budget))
            continue
        if budget < BUDGET[kind]:
            BUDGET[kind] = budget
            problem = f"out of memory at chunks of {first:,} tokens: {budget:,} from here on"
            warnings.warn(problem, InputWarning, stacklevel=2)
        waiting.popleft()
        yield chunk, made


def _unless_out_of_memory(read: Callable[[Ints], T], chunk: Ints) -> T | None:
    """None where memory ran out; what was allocated is free by then, as the error that held it is gone."""
    try:
        return read(chunk)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return None
