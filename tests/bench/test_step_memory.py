from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch

from strop.bench import process_memory, step_memory
from strop.bench.step_memory import Memory, memory_points, memory_table
from strop.records.errors import InputError

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is told by Linux"),
]
MIB = 2**20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(tmp_path_factory.mktemp("memory"))


def test_the_peak_is_what_was_held_at_once_and_not_before() -> None:
    big = np.ones(150 * MIB, dtype=np.uint8)
    del big

    def work() -> None:
        for _ in range(3):
            np.ones(40 * MIB, dtype=np.uint8)

    assert 38 * MIB < process_memory.resident_increase(work) < 60 * MIB


def test_kept_graphs_grow_with_the_batch_and_recomputed_ones_do_not(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if torch.cuda.is_available():
        pytest.skip("of the processor's memory")
    monkeypatch.setattr(step_memory, "BUDGET", 512)

    def peak(mode: str, batch: int) -> int:
        return step_memory._measure(model, "full", mode, batch, 32).peak

    small, large, chunked, recomputed = (
        peak("plain", 32),
        peak("plain", 256),
        peak("chunked", 256),
        peak("recomputed", 256),
    )
    assert large > 3 * small
    assert chunked > 0.7 * large, "chunks whose graphs are kept save padding, and no memory where there is none"
    assert recomputed < large / 3


def test_every_tuning_is_measured_in_a_process_of_its_own_and_recomputed_on_the_large_batch_too(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_memory, "MODES", ("recomputed",))
    points = memory_points(str(model), batches=(2,), large=4, length=8)
    assert [(p.tuning, p.mode, p.batch) for p in points] == [
        (tuning, "recomputed", batch) for tuning in ("full", "LoRA") for batch in (2, 4)
    ]
    weights = sum(p.numel() for p in tiny_models.dense().module.parameters()) * 4
    assert all(p.peak > (3 if p.tuning == "full" else 1) * weights for p in points), "moments count where they are"


def test_texts_longer_than_the_model_takes_are_refused(model: Path) -> None:
    with pytest.raises(InputError, match="texts of 49 tokens are longer than the model's 48"):
        memory_points(str(model), length=49)


def test_the_table_has_a_row_for_tuning_and_mode_and_a_column_for_each_batch() -> None:
    points = [
        Memory("full", "plain", 32, 1500 * MIB, 1600 * MIB),
        Memory("full", "recomputed", 32, 500 * MIB, 640 * MIB),
        Memory("full", "recomputed", 1024, 510 * MIB, 640 * MIB),
    ]
    assert memory_table(points) == [
        ["MiB at peak", "32 pairs", "1,024 pairs"],
        ["full, plain", "1,500", ""],
        ["full, plain (reserved)", "1,600", ""],
        ["full, recomputed", "500", "510"],
        ["full, recomputed (reserved)", "640", "640"],
    ]
    assert memory_table([Memory("LoRA", "plain", 32, 300 * MIB, None)]) == [
        ["MiB at peak", "32 pairs"],
        ["LoRA, plain", "300"],
    ]
