"""Encode: texts -> the vectors an index holds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch

from strop.models.encoder import Encoder
from strop.tokens import Tokens, cut, pad

Vectors = npt.NDArray[np.float32]

#: Padded tokens a chunk. Small enough for a CPU's caches (`strop bench encode`), large enough to keep a GPU busy.
BUDGET = {"cpu": 2048, "cuda": 65536, "mps": 16384}


def encode(encoder: Encoder, tokens: Tokens, out: Vectors, progress: Callable[[int], None] | None = None) -> Vectors:
    """Fill `out`, float32 `(len(tokens), D)` (a memory map if large), with searchable vectors, and return it.

    Sorted by length and cut by token budget. A text's vector depends on its chunk only by float rounding, about
    1e-7. `progress` is told how many texts were done.
    """
    encoder.module.eval()
    device = next(encoder.module.parameters()).device
    with torch.inference_mode():
        for chunk in cut(tokens.lengths, BUDGET.get(device.type, BUDGET["cpu"])):
            ids, mask = pad([tokens.row(i) for i in chunk], encoder.pad_id)
            out[chunk] = encoder.searchable(encoder.represent(ids, mask)).vectors.float().cpu().numpy()
            if progress:
                progress(len(chunk))
    return out
