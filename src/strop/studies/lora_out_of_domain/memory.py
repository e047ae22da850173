"""L14: what a step takes in memory, with full tuning and LoRA, at growing batches."""

from __future__ import annotations

from strop.bench.step_memory import memory_points, memory_table
from strop.study.open_questions import Evidence, Grid
from strop.study.workbench import Workbench

BATCHES = (16, 32, 64)
LARGE = 256


def peak_memory(bench: Workbench) -> Evidence:
    """The recipe rests on LoRA freeing memory for larger batches, and no memory was measured."""
    points = memory_points(bench.study.base, BATCHES, LARGE, progress=bench.progress)
    peak = {(p.tuning, p.mode, p.batch): p.peak for p in points}
    full, lora = peak["full", "plain", BATCHES[0]], peak["LoRA", "plain", BATCHES[-1]]
    recomputed = peak["LoRA", "recomputed", LARGE]
    header, *rows = memory_table(points)
    return Evidence.shown_if(
        lora > full,
        f"Full tuning of a batch of {BATCHES[0]} takes {_mib(full)}, LoRA of {BATCHES[-1]} takes {_mib(lora)} "
        f"({lora / full:.2f} times) and LoRA of {LARGE} with recomputation {_mib(recomputed)}: the batch's graphs, not "
        "the optimiser's moments, are what memory goes to, and recomputation is what frees it.",
        Grid.of("Peak memory of one update", header, rows),
    )


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
