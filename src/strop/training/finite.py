"""Whether a training still has numbers: loss and gradient at every update, weights and outputs where they are looked at
or kept."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch.nn import Parameter

from strop.models.chunks import Forward
from strop.models.encoder import Model, observing
from strop.records.errors import NonFiniteLossError

_SHOWN, _LONGEST = 8, 80


def check_gradient(folder: Path, step: int, query_ids: Sequence[str], loss: float, norm: float) -> None:
    """Raises NonFiniteLossError, which names the batch's first queries."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        some = ", ".join([*map(_plain, query_ids[:_SHOWN]), *(["…"] if len(query_ids) > _SHOWN else [])])
        raise NonFiniteLossError(
            f"{folder}: update {step}: loss {loss}, gradient norm {norm}; queries {some}. Lower the learning rate, or"
            " look at these texts"
        )


@contextmanager
def stepping(folder: Path, step: int, rate: float) -> Iterator[None]:
    """Raises NonFiniteLossError where the size of a step itself is no float32, which torch refuses."""
    try:
        yield
    except RuntimeError as error:
        if "overflow" not in str(error):
            raise
        problem = f"update {step}: a step at the learning rate {rate:g} overflows"
        raise NonFiniteLossError(f"{folder}: {problem}. Lower the learning rate") from None


def check_weights(folder: Path, step: int, parameters: Sequence[Parameter], rate: float) -> None:
    """Raises NonFiniteLossError also for weights whose squares overflow: no layer's norm could be computed."""
    norm = float(torch.nn.utils.get_total_norm([p.detach() for p in parameters]))
    if not math.isfinite(norm):
        problem = f"update {step}: the weights' norm is {norm} after a step at the learning rate {rate:g}"
        raise NonFiniteLossError(f"{folder}: {problem}. Lower the learning rate, or the decay")


def check_outputs(folder: Path, step: int, model: Model, forward: Forward) -> None:
    """Of the longest and the shortest text of a batch. Raises NonFiniteLossError."""
    with observing(model):
        at = {int(np.argmax(forward.lengths)), int(np.argmin(forward.lengths))}
        outputs = [forward.represent(np.array([text])).vectors for text in sorted(at)]
    if not all(bool(each.isfinite().all()) for each in outputs):
        problem = f"update {step}: the model's outputs are no numbers any more"
        raise NonFiniteLossError(f"{folder}: {problem}. Lower the learning rate")


def _plain(text: str) -> str:
    """On one line, whatever it holds: what does not print is escaped, and the rest of a long text left out."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else shown[: _LONGEST - 1] + "…"
