"""Peak memory of one update by its batch: full tuning and LoRA; graphs kept whole, kept in chunks, or recomputed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from strop.artifacts.progress import Progress, silent
from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.process_memory import PEAK_RESET, resident_increase, reuse_freed
from strop.losses.contrastive import InfoNCE
from strop.models.adapters import Full, LoRA, Tuning
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.pretrained import BASE, resolve
from strop.models.scoring import Cosine, Representation
from strop.models.tokens import cut
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.training import step
from strop.training.batches import assemble
from strop.training.optimizers import AdamW, held_bytes

TUNINGS: dict[str, Tuning] = {"full": Full(), "LoRA": LoRA()}
#: One undivided batch; chunks whose graphs are kept; chunks that are encoded twice.
MODES = ("plain", "chunked", "recomputed")
#: Pairs of a query and its document; the last for recomputed graphs alone, whose memory does not grow with the batch.
BATCHES, LARGE = (32, 64, 128), 1024
#: Tokens per text, and padded tokens per chunk (`Recipe.token_budget`).
LENGTH, BUDGET = 16, 2048


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak bytes of one update: weights, gradients, AdamW's moments and everything a step holds.

    On a GPU `peak` is what torch allocated and `reserved` what it took of the device; without one `peak` is the
    process's memory beyond the libraries, and `reserved` is None.
    """

    tuning: str
    mode: str
    batch: int
    peak: int
    reserved: int | None


def memory_points(
    model: str = BASE,
    batches: Sequence[int] = BATCHES,
    large: int = LARGE,
    length: int = LENGTH,
    progress: Progress = silent,
) -> list[Memory]:
    """One update of in-batch InfoNCE, float32, on `batch` pairs of random tokens, each in a process of its own.

    Every tuning in every mode on every batch, and recomputed on `large` as well. Raises InputError where there is
    neither a GPU nor Linux, for a model that is not there, and for one that has no room for `length` tokens.
    """
    if not torch.cuda.is_available() and not PEAK_RESET.exists():
        raise InputError("peak memory can be measured on a GPU or on Linux only", remedy="Measure on one of them")
    folder = resolve(model).path
    longest = Dense.load(folder).max_length
    if length > longest:
        raise InputError(f"texts of {length} tokens are longer than the model's {longest}", remedy="Measure shorter")
    steps = [*product(MODES, batches), *((mode, large) for mode in MODES if mode == "recomputed")]
    calls = [(folder, tuning, mode, batch, length) for tuning in TUNINGS for mode, batch in steps]
    with progress("measure peak memory", len(calls)) as advance:
        return in_fresh_processes(_measure, calls, advance)


def memory_table(points: Sequence[Memory]) -> list[list[str]]:
    """Rows, header first: MiB by tuning and mode (with what was reserved, on a GPU), one column per batch."""
    batches = sorted({point.batch for point in points})
    rows = [["MiB at peak", *(f"{batch:,} pairs" for batch in batches)]]
    for tuning, mode in dict.fromkeys((point.tuning, point.mode) for point in points):
        own = {point.batch: point for point in points if (point.tuning, point.mode) == (tuning, mode)}
        peaks = {batch: point.peak for batch, point in own.items()}
        reserved = {batch: point.reserved for batch, point in own.items() if point.reserved is not None}
        rows += [
            [f"{tuning}, {mode}{what}", *(f"{of[b] / 2**20:,.0f}" if b in of else "" for b in batches)]
            for what, of in (("", peaks), (" (reserved)", reserved))
            if of
        ]
    return rows


def _measure(folder: Path, tuning: str, mode: str, batch: int, length: int) -> Memory:
    """One update after a small first one, which allocates the optimiser's moments."""
    reuse_freed()  # as every training does
    torch.manual_seed(0)
    encoder = Dense.load(folder)
    TUNINGS[tuning].prepare(encoder, seed=0)
    encoder.module.train()
    optimizer = AdamW().build(encoder.module.named_parameters())
    update = partial(_update, encoder, optimizer, mode, length)
    update(2)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        update(batch)
        return Memory(tuning, mode, batch, torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved())
    held = held_bytes(optimizer) + sum(p.nbytes for p in encoder.module.parameters())
    return Memory(tuning, mode, batch, held + resident_increase(partial(update, batch)), None)


def _update(encoder: Dense, optimizer: torch.optim.Optimizer, mode: str, length: int, batch: int) -> None:
    rng = np.random.default_rng(batch)
    vocabulary = int(encoder.transformer.model.config.vocab_size)
    rows = list(rng.integers(1, vocabulary, (2 * batch, length), dtype=np.int32))
    labels = assemble([Group(f"q{i}", (f"d{i}",)) for i in range(batch)], in_batch=True)
    every = np.arange(2 * batch)
    pieces = [every] if mode == "plain" else cut(np.full(len(every), length), BUDGET)

    def loss_of(texts: Representation) -> Tensor:
        scores = Cosine()(texts[:batch], texts[batch:])
        return InfoNCE(0.05)(scores, labels.targets.to(encoder.device), labels.mask.to(encoder.device))

    represent = partial(represent_rows, encoder, rows, role="document")
    step.gradient(represent, pieces, loss_of, recompute=mode == "recomputed")
    optimizer.step()
    optimizer.zero_grad()
