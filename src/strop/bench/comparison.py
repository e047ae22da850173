"""What a benchmark says: ratios against named peers, the floor beneath them, and the machine they hold for."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from statistics import median
from typing import Any

import torch

from strop.bench.interleaved import Times

#: Of the versions that decide the figures.
PACKAGES = ("strop", "torch", "transformers", "sentence-transformers", "peft")


@dataclass(frozen=True, slots=True)
class Row:
    """One ratio: the peer's seconds over strop's, round by round; or why there is none. `agreement` says in words how
    far the results of both differ."""

    benchmark: str
    peer: str
    seconds: tuple[float, ...] = ()
    peer_seconds: tuple[float, ...] = ()
    agreement: str = ""
    missing: str = ""

    @property
    def ratios(self) -> list[float]:
        return [theirs / ours for ours, theirs in zip(self.seconds, self.peer_seconds, strict=True)]


@dataclass(frozen=True, slots=True)
class Report:
    """Rows, and lines below them: the floors. `versions` are those of peers that live in environments of their own."""

    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A benchmark whose inputs are there: about how many seconds it will take, and how to run it."""

    seconds: float
    run: Callable[[], Report]


def compared(benchmark: str, times: Mapping[str, Times], ours: str, peer: str, agreement: str = "") -> Row:
    """The row of two sides that took turns."""
    if times[peer].missing:
        return Row(benchmark, peer, missing=times[peer].missing)
    return Row(benchmark, peer, times[ours].seconds, times[peer].seconds, agreement)


def rows_table(rows: Sequence[Row]) -> list[list[str]]:
    """Rows, header first: medians in seconds, and the median, least and largest paired ratio."""
    table = [["benchmark", "strop", "peer", "peer takes", "ratio [min, max]", "results"]]
    for row in rows:
        if row.missing:
            table.append([row.benchmark, "", row.peer, "", "", f"not measured: {row.missing}"])
            continue
        ratios = row.ratios
        spread = f"{median(ratios):.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]"
        ours, theirs = (f"{median(seconds):.2f} s" for seconds in (row.seconds, row.peer_seconds))
        table.append([row.benchmark, ours, row.peer, theirs, spread, row.agreement])
    return table


def plain(reports: Sequence[Report]) -> dict[str, Any]:
    """The reports as JSON has them: seconds are medians; `rounds` has those of each."""
    return {
        "machine": machine(),
        "rows": [_plain_row(row) for report in reports for row in report.rows],
        "notes": [note for report in reports for note in report.notes],
    }


def machine() -> dict[str, Any]:
    """Versions, the processor and what it can do, and the threads of a matrix product."""
    return {
        "versions": {name: version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "processor": processor_features(),
        "threads": torch.get_num_threads(),
    }


def processor_features() -> dict[str, bool]:
    """What decides the speed of products: vector widths, and products in bfloat16."""
    cpu: Any = torch.cpu
    return {
        "avx2": cpu._is_avx2_supported(),
        "avx512": cpu._is_avx512_supported(),
        "avx512_bf16": cpu._is_avx512_bf16_supported(),
        "amx": cpu._is_amx_tile_supported(),
    }


def _plain_row(row: Row) -> dict[str, Any]:
    known: dict[str, Any] = {"benchmark": row.benchmark, "peer": row.peer}
    if row.missing:
        return known | {"not_measured": row.missing}
    ratios = row.ratios
    return known | {
        "strop_seconds": median(row.seconds),
        "peer_seconds": median(row.peer_seconds),
        "ratio": median(ratios),
        "min": min(ratios),
        "max": max(ratios),
        "results": row.agreement,
        "rounds": [list(pair) for pair in zip(row.seconds, row.peer_seconds, strict=True)],
    }
