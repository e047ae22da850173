"""What an optimiser costs a training: bytes it keeps, peak memory, how busy the GPU is, time of an update, tokens/s."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median
from typing import get_args

import torch
from torch.optim.optimizer import register_optimizer_step_post_hook

from strop.artifacts.progress import Progress
from strop.bench import process_memory
from strop.bench.examples import examples_of
from strop.bench.fresh_processes import in_fresh_processes
from strop.bench.process_memory import reuse_freed
from strop.models.cross_encoder import FreshHead
from strop.models.loading import load_any
from strop.models.pretrained import resolve
from strop.models.random_weights import RandomWeights
from strop.negatives.examples import Examples
from strop.records import formats
from strop.records.errors import InputError
from strop.retrieval.retriever import retriever_of
from strop.training import loop
from strop.training.loop import Logged
from strop.training.optimizers import Optimizer, held_bytes
from strop.training.recipes import Recipe
from strop.training.stage import texts_of

#: Updates that are not timed: the first allocates what all later ones use.
WARM = 1
#: Seconds between two readings of the GPU; its driver averages over a sixth of a second to one.
EVERY = 0.05


@dataclass(frozen=True, slots=True)
class Cost:
    """The bytes and seconds of one training. The peaks cover all of it, the rest leaves out the first `WARM` updates.

    `counted` is the optimiser's state as computed from the parameters with a gradient, `held` as measured. `allocated`
    and `reserved` are torch's peaks on the GPU (None without one), `resident` the process's peak in main memory,
    libraries included (None outside Linux). `busy` samples the share of time in which any kernel ran on the GPU,
    however much of it that filled: none without a GPU, the package nvidia-ml-py, or a driver that reports it. `updates`
    has the seconds of each; `tokens` is the median of tokens per second.
    """

    counted: int
    held: int
    allocated: int | None
    reserved: int | None
    resident: int | None
    busy: tuple[float, ...]
    updates: tuple[float, ...]
    tokens: float


def cost(work: Callable[[Callable[[int], None]], Sequence[Logged]], optimizer: Optimizer) -> Cost:
    """What `work` costs: it trains with `optimizer` by `loop.train`, passes on its `progress`, and returns its log.

    Anything large that the process did before counts in the peaks. Raises ValueError when there are no updates but the
    first `WARM`.
    """
    stepped: list[torch.optim.Optimizer] = []
    ticks: list[float] = []
    on_gpu = torch.cuda.is_available()

    def progress(done: int) -> None:
        if on_gpu:
            torch.cuda.synchronize()
        ticks.append(time.perf_counter())

    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    hook = register_optimizer_step_post_hook(lambda optimizer, *_: stepped.append(optimizer))
    try:
        with _sampled(_utilisation()) as samples:
            log = work(progress)
    finally:
        hook.remove()
    updates = tuple(b - a for a, b in pairwise(ticks))[WARM:]
    if not updates:
        raise ValueError(f"of {len(ticks) - 1} updates the first {WARM} is not timed")
    rates = [entry.value for entry in log if entry.measure == "tokens_per_second"]
    weights = [p for group in stepped[-1].param_groups for p in group["params"] if p.grad is not None]
    return Cost(
        counted=optimizer.state_bytes(weights),
        held=held_bytes(stepped[-1]),
        allocated=torch.cuda.max_memory_allocated() if on_gpu else None,
        reserved=torch.cuda.max_memory_reserved() if on_gpu else None,
        resident=process_memory.resident("VmHWM") if process_memory.STATUS.exists() else None,
        busy=tuple(share for moment, share in samples if moment >= ticks[WARM]),
        updates=updates,
        tokens=median(rates[WARM:]),
    )


def with_each_optimizer(recipe: Recipe) -> dict[str, Recipe]:
    """The recipe with AdamW and with Lion: its own as it is, the other at the same learning rate and weight decay."""
    own = recipe.optimizer
    others = [kind(own.learning_rate, weight_decay=own.weight_decay) for kind in get_args(Optimizer)]
    return {
        type(other).__name__: recipe if isinstance(own, type(other)) else replace(recipe, optimizer=other)
        for other in others
    }


def cost_table(costs: Mapping[str, Sequence[Cost]]) -> list[list[str]]:
    """Rows, header first: one column per optimiser, medians over its repeats, the time with its least and most.

    With two, a last column shows what share of the first one's figure the second saves.
    """
    rows = [["", *costs, *(["saved"] if len(costs) == 2 else [])]]
    for label, of, scale, decimals in _FIGURES:
        columns = [[value / scale for c in repeats if (value := of(c)) is not None] for repeats in costs.values()]
        medians = [median(column) if column else None for column in columns]
        rows.append([label, *(formats.fixed(value, decimals) for value in medians)])
        if label == "update, ms":
            for i, column in enumerate(columns, start=1):
                rows[-1][i] += f" [{formats.fixed(min(column), decimals)}, {formats.fixed(max(column), decimals)}]"
        if len(costs) == 2:
            a, b = medians
            rows[-1].append(formats.signed_percent((a - b) / a) if a and b is not None else formats.DASH)
    return rows


_MIB = float(2**20)
#: Label, figure of a cost (None: not measured), divisor, and decimals.
_FIGURES: tuple[tuple[str, Callable[[Cost], float | None], float, int], ...] = (
    ("state counted, MiB", lambda c: c.counted, _MIB, 1),
    ("state held, MiB", lambda c: c.held, _MIB, 1),
    ("peak allocated, MiB", lambda c: c.allocated, _MIB, 0),
    ("peak reserved, MiB", lambda c: c.reserved, _MIB, 0),
    ("peak resident, MiB", lambda c: c.resident, _MIB, 0),
    ("GPU busy, mean %", lambda c: fmean(c.busy) if c.busy else None, 0.01, 1),
    ("GPU busy, median %", lambda c: median(c.busy) if c.busy else None, 0.01, 1),
    ("GPU idle, % of looks", lambda c: c.busy.count(0) / len(c.busy) if c.busy else None, 0.01, 1),
    ("update, ms", lambda c: median(c.updates), 0.001, 0),
    ("tokens/s", lambda c: c.tokens, 1, 0),
)


def _utilisation() -> Callable[[], float] | None:
    """A function that reads the GPU's share of busy time; None where none can."""
    if not torch.cuda.is_available():
        return None
    try:
        torch.cuda.utilization()
    except Exception:  # no nvidia-ml-py, no driver, or a slice of a GPU: each an error of its own kind
        return None
    return lambda: torch.cuda.utilization() / 100


@contextmanager
def _sampled(read: Callable[[], float] | None) -> Iterator[list[tuple[float, float]]]:
    """(moment, share) of every reading while the block runs, by a thread of its own."""
    samples: list[tuple[float, float]] = []
    done = threading.Event()

    def look() -> None:
        while read and not done.wait(EVERY):
            samples.append((time.perf_counter(), read()))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()


#: Updates that are timed for each optimiser, repeat by repeat.
TIMED = 5


def efficiencies(
    recipe: Recipe, model: str, on: str, repeats: int, progress: Progress, weights: RandomWeights | None = None
) -> list[list[str]]:
    """Rows of a table, header first: what the recipe costs with AdamW and with Lion (`Cost`).

    In turns, each time in a process of its own, on a collection's training queries with uniform negatives. For a recipe
    that scores pairs, a model without a head gets a fresh one first; or random `weights` are measured, and the model
    gives the tokenizer. Raises InputError when there are fewer queries than a batch, the recipe learns from a teacher,
    or the model is not of the kind that it scores.
    """
    if recipe.loss.taught:
        raise InputError("the recipe learns from a teacher's scores", remedy="Measure one that does not")
    if weights is not None and not recipe.reads_pairs:
        raise InputError("random weights are of cross-encoders", remedy="Take a rerank-… recipe, or leave --as out")
    base = resolve(model)
    folder = base.path
    with tempfile.TemporaryDirectory() as place:
        fresh = FreshHead() if recipe.reads_pairs and retriever_of(base).has_geometry else None
        if architecture := weights or fresh:
            folder = Path(place) / "model"
            architecture.convert(base.path, folder)
        load_any(folder).check(recipe.scoring, recipe.batching.in_batch)
        updates = WARM + TIMED
        examples = examples_of(recipe.batching.size * updates, on)
        if len(examples.groups) < recipe.batching.size:
            raise InputError(f"{on} has {len(examples.groups)} training queries", remedy="Set a smaller batching.size")
        recipes = with_each_optimizer(replace(recipe, updates=updates, selection=None))
        calls = [(folder, each, examples) for _ in range(repeats) for each in recipes.values()]
        with progress(f"{updates} updates with each optimiser", len(calls)) as advance:
            costs = in_fresh_processes(_cost, calls, advance)
    return cost_table({name: costs[i :: len(recipes)] for i, name in enumerate(recipes)})


def _cost(folder: Path, recipe: Recipe, examples: Examples) -> Cost:
    reuse_freed()  # as every training does
    encoder = load_any(folder, recipe.max_length)
    queries, documents = texts_of(encoder, examples)

    def work(progress: Callable[[int], None]) -> list[Logged]:
        with tempfile.TemporaryDirectory() as place:
            return loop.train(
                encoder, recipe, examples.groups, queries, documents, 0, Path(place), progress=progress,
                checkpoint_seconds=float("inf"),
            )  # fmt: skip

    return cost(work, recipe.optimizer)
