"""Lee et al.'s printed tables and settings: what adds up, what does not, and what each demonstration says of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import BertConfig, BertModel

from strop.models.adapters import LoRA
from strop.studies.lora_out_of_domain import arithmetic, memory, published, scripts
from strop.studies.lora_out_of_domain.published import Row, check_on_load, find
from strop.studies.updates import updates
from strop.study.open_questions import Evidence

from .demonstrations import as_if, reads_well, row_of

ROOT = Path(__file__).parents[2]
DEMONSTRATIONS: dict[str, Callable[[object], Evidence]] = {
    "L1": scripts.rank,
    "L2": scripts.warmup,
    "L3": scripts.unequal_epochs,
    "L4": scripts.weight_decay,
    "L5": scripts.shared_folder,
    "L6": scripts.hidden_negatives,
    "L7": scripts.merging,
    "L8": arithmetic.whole_number_row,
    "L9": arithmetic.size_gains,
    "L10": arithmetic.relative_differences,
    "L11": arithmetic.averages,
    "L12": arithmetic.wins,
    "L13": arithmetic.two_aggregations,
}


def shown(point: str) -> Evidence:
    return DEMONSTRATIONS[point](None)


def with_rows(monkeypatch: pytest.MonkeyPatch, change: Callable[[Row], Row]) -> None:
    """The tables as if other figures had been printed."""
    as_if(monkeypatch, (published, arithmetic), change)
    check_on_load.cache_clear()


@pytest.fixture(autouse=True)
def as_printed() -> Any:
    yield
    check_on_load.cache_clear()


@pytest.mark.parametrize("point", DEMONSTRATIONS)
def test_every_question_but_one_is_borne_out_with_figures_and_a_table(point: str) -> None:
    evidence = shown(point)
    assert evidence.verdict == ("not resolved" if point == "L6" else "shown")
    assert reads_well(evidence)


def table_one(**changes: float) -> Callable[[Row], Row]:
    """Every cell of LoRA's rows with MS MARCO from bert-base better by `cells`, or its average by a factor."""

    def change(row: Row) -> Row:
        if row.tuning == "FT":
            return row
        cells = {name: value + changes.get("cells", 0) for name, value in row.cells.items()}
        return replace(row, cells=cells, average=row.average * changes.get("average", 1))

    return change


def mended(row: Row) -> Row:
    return replace(row, average=round(row.recomputed, 1))


CONSTANTS: dict[str, tuple[object, str, object]] = {
    "L1": (scripts, "PRINTED_SHARE", 0.0024),  # rank 7, rounded
    "L2": (scripts, "WARMUP_STEPS", 15_720),  # ten per cent of MS MARCO's
    "L3": (scripts, "CODED_EPOCHS", 40),
    "L4": (torch.optim, "AdamW", partial(torch.optim.AdamW, weight_decay=0.0)),
    "L5": (scripts, "README", (("FT", "one", "ft"), ("LoRA", "two", "lora"))),
    "L7": (scripts, "MERGE_TOLERANCE", 0.0),
    "L13": (arithmetic, "REDUCTION", {"FT": 15.2, "LoRA": 11.2}),  # averaged rates, as was said
}
FIGURES: dict[str, Callable[[Row], Row]] = {
    "L9": lambda row: replace(row, in_domain=32.2) if (11 in row.tables and "large" in row.base) else row,
    "L10": table_one(average=1.1),
    "L11": mended,
    "L12": table_one(cells=20.0),
}


@pytest.mark.parametrize("point", CONSTANTS)
def test_another_setting_turns_the_verdict(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, value = CONSTANTS[point]
    monkeypatch.setattr(module, name, value)
    assert shown(point).verdict == "not shown"


@pytest.mark.parametrize("point", FIGURES)
def test_other_printed_figures_turn_the_verdict(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(monkeypatch, FIGURES[point])
    assert shown(point).verdict == "not shown"


@pytest.mark.parametrize(("lora", "verdict"), [(700, "shown"), (400, "not shown")])
def test_lora_at_four_times_the_batch_is_held_against_full_tuning_at_one(
    lora: int, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """L14."""
    peaks = {("full", "plain", 16): 500, ("LoRA", "plain", 64): lora, ("LoRA", "recomputed", 256): 300}
    points = [SimpleNamespace(tuning=t, mode=m, batch=b, peak=peak * 2**20) for (t, m, b), peak in peaks.items()]
    monkeypatch.setattr(memory, "memory_points", lambda *_, **__: points)
    monkeypatch.setattr(memory, "memory_table", lambda _: [("setting", "peak"), ("LoRA", "1")])
    bench: Any = SimpleNamespace(study=SimpleNamespace(base=""), progress=None)
    evidence = memory.peak_memory(bench)
    assert evidence.verdict == verdict
    assert f"LoRA of 64 takes {lora} MiB ({lora / 500:.2f} times)" in evidence.sentence


def test_adapter_parameters_are_counted_on_a_real_bert_and_on_its_shape_alike() -> None:
    """L1."""
    with torch.device("meta"):
        bert, shape = BertModel(BertConfig()), scripts.Shape()
    assert sorted(p.shape for p in bert.parameters()) == sorted(p.shape for p in shape.parameters())
    assert scripts.lora_parameters(8, shape) == (294_912, 109_482_240)
    encoder: Any = SimpleNamespace(module=bert, transformers=(SimpleNamespace(model=bert),))
    LoRA(r=7, alpha=32).prepare(encoder, seed=0)
    counted = sum(p.numel() for p in encoder.transformers[0].model.parameters() if p.requires_grad)
    assert counted == 258_048 == 7 * (768 + 768) * 2 * 12
    sentence = shown("L1").sentence
    assert all(figure in sentence for figure in ("258,048", "0.236", "294,912", "0.269", "0.25", "rank 7.4"))


def test_the_fixed_warmup_is_a_share_of_the_updates_that_is_not_printed() -> None:
    """L2."""
    assert (updates(502_939, 40, 128), updates(58_880, 40, 128)) == (157_200, 18_400)
    evidence = shown("L2")
    assert row_of(evidence, "MS MARCO")["share of warm-up"].startswith("0.79")
    assert row_of(evidence, "NQ")["share of warm-up"].startswith("6.72")


def test_one_model_was_configured_for_two_and_a_half_times_the_updates_of_its_rivals() -> None:
    """L3."""
    assert updates(502_939, 100, 128) == 393_000
    assert "2.5 times" in shown("L3").sentence


def test_decay_groups_that_never_reach_the_optimiser_leave_its_default_on() -> None:
    """L4."""
    left, passed, ours = ([row[1], float(row[2])] for row in shown("L4").tables[0].rows)
    assert left == ["0.01", pytest.approx(1 - 2e-4 * 0.01, abs=1e-7)]
    assert passed == ours == ["0", 1.0]


def test_what_decay_takes_over_a_schedule_is_that_of_a_step_by_step_product() -> None:
    """L4."""
    parameter = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
    optimizer = torch.optim.AdamW([parameter], lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 0.1, total_steps=400, pct_start=0.1, anneal_strategy="linear", cycle_momentum=False
    )
    for _ in range(400):
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            schedule.step() if schedule.last_epoch < 399 else None
    assert scripts._kept(0.1, 0.01, 400) == pytest.approx(float(parameter.detach()), rel=1e-3)
    assert math.log(scripts._kept(2e-4, 0.01, 157_200)) == pytest.approx(-0.01 * 2e-4 * 157_200 * 0.502, rel=1e-3)


def test_two_runs_in_one_folder_have_two_keys() -> None:
    """L5."""
    names, keys = ({row[column] for row in shown("L5").tables[0].rows} for column in (2, 3))
    assert (len(names), len(keys)) == (1, 2)
    assert "3 keys" in shown("L5").sentence


def test_a_fallback_adds_a_negative_to_every_query_that_has_no_hard_one() -> None:
    """L6."""
    without, with_one = shown("L6").tables[0].rows
    assert without[1:] == ("0", "128", "127")
    assert with_one[1:] == ("1", "256", "255")


def test_merging_changes_no_output_and_spares_two_products_a_target() -> None:
    """L7."""
    merged, beside = shown("L7").tables[0].rows
    assert float(merged[2]) < 1e-5
    assert int(beside[1]) - int(merged[1]) == 2 * 2 * 12


def test_thirteen_whole_number_differences_are_of_one_pair_of_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """L8."""
    sentence = shown("L8").sentence
    assert "13 of the 13" in sentence
    assert "at most 6" in sentence
    assert "1,274 other pairs of rows 1 is one row printed twice" in sentence
    assert row_of(shown("L8"), "difference")["TR"] == "−10.0"
    other = find(6, "LoRA", base="roberta-large", neg="hard")
    with_rows(
        monkeypatch,
        lambda r: replace(r, cells={n: v + 2 for n, v in other.cells.items()}) if r.base == "bert-small" else r,
    )
    assert shown("L8").verdict == "not shown"


def test_one_gain_of_table_seven_has_another_denominator() -> None:
    """L9."""
    evidence = shown("L9")
    row = row_of(evidence, "FT large in")
    assert (row["printed"], row["over the small model"][:5], row["over the larger one"][:5]) == (
        "11.6",
        "+13.1",
        "+11.6",
    )
    assert "11 of table 7's 12" in evidence.sentence
    assert "+13.8" in evidence.sentence


def test_tables_two_and_three_divide_by_the_new_value_and_two_figures_by_neither() -> None:
    """L10."""
    evidence = shown("L10")
    assert len(evidence.tables[0].rows) == 16
    assert "14 of the 16" in evidence.sentence
    assert "2 fit neither" in evidence.sentence
    odd = row_of(evidence, "table 3 sym_FT in domain")
    assert (odd["printed"], odd["over the new value"][:5], odd["over the old value"][:5]) == ("+15.7", "+15.2", "+17.9")
    assert "4.3 % to 13.7 % is 4.3 % to 13.6 %" in evidence.sentence


def test_two_printed_averages_are_not_their_cells_and_one_of_them_cannot_be_rounding() -> None:
    """L11."""
    sentence = shown("L11").sentence
    assert "49 of 51" in sentence
    assert "average 29.45; the cells' own rounding cannot explain 0.65" in sentence
    assert "average 18.87; the cells' own rounding could explain 0.07" in sentence
    assert "41.0" in sentence


def test_lora_wins_on_most_collections_and_is_resolved_for_one_architecture_alone() -> None:
    """L12."""
    evidence = shown("L12")
    found = [dict(zip(evidence.tables[0].columns, r, strict=True)) for r in evidence.tables[0].rows[:4]]
    assert [row["won"] for row in found] == ["11", "12", "9", "9"]
    assert [row["t"] for row in found] == ["3.50", "4.39", "1.67", "1.86"]
    assert "2 of 4 settings are resolved at 0.05 (asym_none, asym_hard)" in evidence.sentence
    assert "above in 23, resolved in 14" in evidence.sentence


def test_the_printed_reductions_are_ratios_of_means_and_table_four_is_means_of_ratios() -> None:
    """L13."""
    evidence = shown("L13")
    full, lora = (row_of(evidence, f"MS MARCO to NQ, {tuning}") for tuning in ("FT", "LoRA"))
    assert (full["ratio of means"][:5], full["mean of ratios"][:5]) == ("−20.2", "−15.2")
    assert (lora["ratio of means"][:5], lora["mean of ratios"][:5]) == ("−17.4", "−11.2")
    assert "8 of its 8" in evidence.sentence


def test_sentences_follow_the_tables_and_not_a_text(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {point: DEMONSTRATIONS[point](None).sentence for point in ("L9", "L10", "L11", "L12", "L13")}

    def change(row: Row) -> Row:
        lora = row.tuning == "LoRA" and row.train == "NQ"
        return replace(
            row,
            cells={name: value + 9 if lora else 2 * value for name, value in row.cells.items()},
            average=1.3 * row.average,
            in_domain=row.in_domain + (5 if row.base != "bert-small" else 0),
        )

    with_rows(monkeypatch, change)
    for point, sentence in before.items():
        assert shown(point).sentence != sentence, point
