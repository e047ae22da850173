"""A training whose chunks do not fit the memory, with chunks half as large."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

from strop.artifacts.store import Artifact
from strop.models.memory import out_of_memory
from strop.records.errors import InputError, InputWarning
from strop.training.stage import Training

#: Below this many tokens a chunk is not halved any further.
LEAST_BUDGET = 256


def within_memory(training: Training, make: Callable[[Training], Artifact]) -> tuple[Artifact, Training]:
    """What `make` gives, and for which training. Where memory runs out though no chunk's graph is kept, its chunks are
    halved, with a warning: another training, as dropout draws by chunk, and so an artifact of its own.

    Raises InputError where the chunks are small already."""
    while True:
        try:
            return make(training), training
        except (RuntimeError, MemoryError) as error:
            budget = training.recipe.token_budget
            if not out_of_memory(error):
                raise
        if budget // 2 < LEAST_BUDGET:
            remedy = "Stop what else uses the memory, set max_length lower, or take LoRA or a smaller model"
            raise InputError(f"out of memory at chunks of {budget:,} tokens", remedy=remedy)
        problem = f"out of memory at chunks of {budget:,} tokens: {budget // 2:,} from here on"
        warnings.warn(problem, InputWarning, stacklevel=2)
        training = replace(training, recipe=replace(training.recipe, token_budget=budget // 2))
