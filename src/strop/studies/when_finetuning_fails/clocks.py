"""Is LoRA twice as slow? The paper's clocks taken apart: adapter, merging, chunk count and noise (T2, T3, T4)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from strop.artifacts.progress import Progress, silent
from strop.bench.latency import DEPTH, STAGES, Condition, Exact, Stage, Timings, measure, ratio, repeat_ratios
from strop.models.adapters import MERGE_TOLERANCE, LoRA
from strop.models.dense import Dense
from strop.retrieval.encode import Vectors, encode
from strop.studies.figures import figures
from strop.studies.when_finetuning_fails.ranking_loop import Chunked
from strop.study.open_questions import Evidence, Grid

#: Chunks of the paper's 8,841,823 passages: 200,000 each for full models, 100,000 for LoRA.
FULL_CHUNKS, LORA_CHUNKS = 45, 89

BASE = f"base, {FULL_CHUNKS} chunks"
BASE_MORE = f"base, {LORA_CHUNKS} chunks"
UNMERGED = f"LoRA unmerged, {FULL_CHUNKS} chunks"
UNMERGED_MORE = f"LoRA unmerged, {LORA_CHUNKS} chunks"
MERGED = f"LoRA merged, {FULL_CHUNKS} chunks"
AGAIN = f"base, {FULL_CHUNKS} chunks, again"
EXACT = "base, strop's own search"

_PUBLISHED = Path(__file__).parent / "published" / "thesis_inference_time.csv"


def clocks(
    base: str | Path, queries: list[str], vectors: Vectors, repeats: int, progress: Progress = silent
) -> Timings:
    """The base and the base with an adapter, each by 45 and by 89 chunks; the adapter merged; the base once more.

    `base` is the encoder's folder, `vectors` `(N, D)` are passages it has encoded. They are repeated until each of
    89 chunks holds 200, as in the paper's setting: what the loop costs does not depend on their values. Nor does it
    on those of the adapter, which is untrained.
    """
    plain, unmerged, merged = Dense.load(base), adapted(base), adapted(base)
    merge(merged)
    conditions = {
        BASE: Condition(plain, Chunked(FULL_CHUNKS)),
        UNMERGED: Condition(unmerged, Chunked(FULL_CHUNKS)),
        BASE_MORE: Condition(plain, Chunked(LORA_CHUNKS)),
        MERGED: Condition(merged, Chunked(FULL_CHUNKS)),
        AGAIN: Condition(plain, Chunked(FULL_CHUNKS)),
        UNMERGED_MORE: Condition(unmerged, Chunked(LORA_CHUNKS)),
        EXACT: Condition(plain, Exact()),
    }
    enough = np.resize(vectors, (max(len(vectors), LORA_CHUNKS * DEPTH), vectors.shape[1]))
    with progress(f"time {len(conditions)} conditions in turns", len(queries) * len(conditions) * repeats) as advance:
        return measure(conditions, queries, enough, repeats, progress=advance)


def adapted(base: str | Path) -> Dense:
    """The base with the paper's adapter, unmerged: rank 16 on query and value, small random weights in place of zeros.

    A fresh adapter adds exactly nothing (its second factor is zero), and merging nothing would prove nothing.
    """
    encoder = Dense.load(base)
    LoRA().prepare(encoder, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in encoder.module.named_parameters():
            if "lora_B" in name:
                weights.copy_(torch.randn(weights.shape, generator=generator) * 0.02)
    return encoder


def merge(encoder: Dense) -> None:
    """Write the adapter into the weights, in place."""
    inner: Any = encoder.transformer.model
    encoder.transformer.model = inner.merge_and_unload()


def merging_gap(base: str | Path, texts: list[str]) -> float:
    """The largest difference of a coordinate of the texts' unit vectors, merged against unmerged."""
    encoder = adapted(base)
    before = _vectors(encoder, texts)
    merge(encoder)
    return float(np.abs(_vectors(encoder, texts) - before).max())


def published_runs() -> dict[str, tuple[float, ...]]:
    """The paper's three runs of each model, in seconds. Source: arXiv 2506.18535, the runs behind table 5.2."""
    return {model: (row["run1_s"], row["run2_s"], row["run3_s"]) for model, row in figures(_PUBLISHED).items()}


def chunks_not_adapter(timings: Timings) -> Evidence:
    """T2. Shown where more chunks alone cost more than an unmerged adapter alone, and than noise, intervals apart."""
    chunks, adapter, both = (ratio(timings, c, BASE) for c in (BASE_MORE, UNMERGED, UNMERGED_MORE))
    random, hard = (f"{_published_ratios()[model]:.2f}" for model in ("lora_random", "lora_hard"))
    blank = ("–",) * (len(STAGES) - 1)
    table = _ratios(
        timings,
        (f"{LORA_CHUNKS} chunks / {FULL_CHUNKS}, base", BASE_MORE, BASE),
        (f"{LORA_CHUNKS} chunks / {FULL_CHUNKS}, LoRA unmerged", UNMERGED_MORE, UNMERGED),
        (f"LoRA unmerged / base, {FULL_CHUNKS} chunks", UNMERGED, BASE),
        (f"LoRA unmerged / base, {LORA_CHUNKS} chunks", UNMERGED_MORE, BASE_MORE),
        (f"LoRA unmerged, {LORA_CHUNKS} / base, {FULL_CHUNKS}", UNMERGED_MORE, BASE),
        (f"base, {FULL_CHUNKS} chunks / the same again", AGAIN, BASE),
    )
    printed = (("paper: LoRA random / base", *blank, random), ("paper: LoRA hard / base", *blank, hard))
    return Evidence(
        "shown" if chunks.low > max(adapter.high, _noise(timings)) else "not resolved",
        f"With the base untouched, {LORA_CHUNKS} chunks instead of {FULL_CHUNKS} take {chunks} times as long; an "
        f"unmerged adapter, chunks equal, {adapter} times; both together, which is what was compared, {both} times "
        f"(the paper: {random} and {hard}).",
        (replace(table, rows=(*table.rows, *printed)),),
    )


def merging_is_free(timings: Timings, gap: float) -> Evidence:
    """T3. Shown where merging leaves the outputs within 1e-5 and saves encoding time beyond noise."""
    unmerged, merged, saved = (
        ratio(timings, a, b, "encode") for a, b in ((UNMERGED, BASE), (MERGED, BASE), (UNMERGED, MERGED))
    )
    cheaper = saved.low > _noise(timings, "encode")
    table = _ratios(
        timings,
        ("LoRA unmerged / base", UNMERGED, BASE),
        ("LoRA merged / base", MERGED, BASE),
        ("LoRA unmerged / merged", UNMERGED, MERGED),
        ("base / the same again", AGAIN, BASE),
    )
    return Evidence(
        "shown" if gap <= MERGE_TOLERANCE and cheaper else "not resolved",
        f"Encoding takes {unmerged} times the base's seconds with the adapter beside the weights and {merged} times "
        f"with it merged; the vectors differ by at most {gap:.0e}.",
        (table,),
    )


def noise_exceeds_effects(timings: Timings) -> Evidence:
    """T4. Shown where the paper's own runs of one model lie further apart than the means of models of one architecture.

    Our control, one condition timed twice in turns, stands beside it: what remains of noise when it is kept down.
    """
    theirs = _published_ratios()
    reported = {model: theirs[model] for model in ("full_random", "full_hard")}
    apart = {model: max(runs) / min(runs) for model, runs in published_runs().items() if model in ("base", *reported)}
    control, single = ratio(timings, AGAIN, BASE), repeat_ratios(timings, AGAIN, BASE)
    farthest = max(single, key=lambda r: abs(np.log(r)))
    return Evidence.shown_if(
        apart["base"] > max(reported.values()),
        f"The paper's three runs of the base differ by {_percent(apart['base'])} and those of the model on hard "
        f"negatives by {_percent(apart['full_hard'])}, more than the {_percent(reported['full_random'])} and "
        f"{_percent(reported['full_hard'])} reported between identical architectures. Here one condition timed twice, "
        f"in turns, came to {control} times itself, in a single repeat to {farthest:.2f}.",
        Grid.of(
            "Repeats of one condition",
            ("comparison", "ratio"),
            (
                *((f"paper: {model}, slowest / fastest of 3 runs", f"{r:.2f}") for model, r in apart.items()),
                *((f"paper: {model} / base, means", r) for model, r in reported.items()),
                (f"ours: {AGAIN} / before, all repeats", str(control)),
                *((f"ours: repeat {i} alone", r) for i, r in enumerate(single, 1)),
            ),
        ),
    )


def _noise(timings: Timings, stage: Stage = "total") -> float:
    """The farthest from 1 that the interval of one condition against itself reaches, as a ratio of 1 or more."""
    control = ratio(timings, AGAIN, BASE, stage)
    return max(control.high, 1 / control.low)


def _published_ratios() -> dict[str, float]:
    means = {model: float(np.mean(seconds)) for model, seconds in published_runs().items()}
    return {model: mean / means["base"] for model, mean in means.items()}


def _ratios(timings: Timings, *compared: tuple[str, str, str]) -> Grid:
    """(label, condition, the one it is compared with) each."""
    rows = ((label, *(str(ratio(timings, a, b, stage)) for stage in STAGES)) for label, a, b in compared)
    return Grid.of("How many times the seconds", ("comparison", *STAGES), rows)


def _percent(of_ratio: float) -> str:
    return f"{100 * (of_ratio - 1):.1f} %"


def _vectors(encoder: Dense, texts: list[str]) -> Vectors:
    tokens = encoder.tokenize(texts, "query")
    return encode(encoder, tokens, "document", np.empty((len(tokens), encoder.dimension), dtype=np.float32))
