"""Kumar et al.'s printed figures and settings: what adds up, what does not, and what each demonstration says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from strop.records.documents import Document
from strop.studies.lion_vs_adamw import arithmetic, effects, published, scripts
from strop.studies.lion_vs_adamw.published import MEASURES, Row, find, rows
from strop.studies.updates import implied_batches
from strop.study.open_questions import Evidence

from .demonstrations import as_if, reads_well, row_of

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("one_thread")
DEMONSTRATIONS: dict[str, Callable[[Any], Evidence]] = {
    "O1": arithmetic.memory_not_use,
    "O2": effects.own_passages,
    "O3": arithmetic.grade_one,
    "O4": arithmetic.main_table_and_evaluation,
    "O5": effects.unequal_rates,
    "O6": scripts.scheduler_of_another,
    "O7": scripts.cut_cosine,
    "O8": scripts.batches,
    "O9": scripts.curves_of_other_runs,
    "O10": arithmetic.best_of_eighteen,
    "O11": arithmetic.cut_not_rounded,
    "O12": arithmetic.missing_references,
    "O13": effects.size_not_length,
    "O14": scripts.split_by_rows,
}


def shown(point: str) -> Evidence:
    return DEMONSTRATIONS[point](None)


def cells(evidence: Evidence, name: str) -> tuple[str, ...]:
    return tuple(row_of(evidence, name).values())


def with_rows(monkeypatch: pytest.MonkeyPatch, change: Callable[[Row], Row]) -> None:
    """The tables as if other figures had been printed."""
    as_if(monkeypatch, (published, arithmetic, effects), change)


@pytest.mark.parametrize("point", DEMONSTRATIONS)
def test_every_question_is_borne_out_with_figures_and_a_table(point: str) -> None:
    evidence = shown(point)
    assert evidence.verdict == "shown"
    assert reads_well(evidence)


def written(**values: float) -> Callable[[Row], Row]:
    return lambda row: replace(row, written={**row.written, **values})


def in_batches_of_64(row: Row) -> Row:
    return replace(row, run=f"checkpoint-{row.epoch * 31_094}")


FIGURES: dict[str, Callable[[Row], Row]] = {
    "O2": written(mrr10=0.35),
    "O3": lambda row: replace(row, more={**row.more, "P@1000": 0.05}),
    "O4": lambda row: replace(row, printed=row.written),
    "O8": in_batches_of_64,
    "O9": lambda row: replace(row, run=f"checkpoint-{row.epoch * 28_000 // 3}"),
    "O11": lambda row: replace(row, printed={**row.printed, "mrr10": round(row.written["mrr10"], 4)}),
    "O12": written(ndcg10=0.75),
}
#: A bit less for Lion: half a percent of the card, and half a moment.
SPARED = {"MiniLM": published.Memory(30.0, 29.9, 0.33), "GTE": published.Memory(70.0, 68.0, 2.86)}
CONSTANTS: dict[str, tuple[object, str, Any]] = {
    "O1": (arithmetic, "memory", lambda: SPARED),
    "O5": (effects, "RECORDED", dict.fromkeys(effects.RECORDED, 2e-5)),
    "O6": (scripts, "reported_and_run", lambda *_: (2e-5, 2e-5)),
    "O7": (scripts, "REAL", scripts.HORIZON),
    "O13": (effects, "SIZES", {"MiniLM": 400e6, "GTE": 305e6, "ModernBERT": 149e6}),
    "O14": (scripts, "HELD_OUT", scripts.PAIRS // 2),
}


@pytest.mark.parametrize("point", FIGURES)
def test_other_printed_figures_turn_the_verdict(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with_rows(monkeypatch, FIGURES[point])
    evidence = shown(point)
    assert evidence.verdict == "not shown"
    assert reads_well(evidence)


@pytest.mark.parametrize("point", CONSTANTS)
def test_another_setting_turns_the_verdict(point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, value = CONSTANTS[point]
    monkeypatch.setattr(module, name, value)
    evidence = shown(point)
    assert evidence.verdict == "not shown"
    assert reads_well(evidence)


def test_the_tables_are_part_of_the_package_and_load_as_18_rows() -> None:
    names = {p.name for p in (ROOT / "src/strop/studies/lion_vs_adamw/published").glob("*.csv")}
    assert len(names) == 6, "five of figures, one of choices"
    assert [row.label for row in rows()[:4]] == ["GTE AdamW 1", "GTE AdamW 2", "GTE AdamW 3", "GTE Lion 1"]
    assert len(rows()) == 18
    assert {row.step for row in find("MiniLM", "Lion")} == {None}
    assert [row.step for row in find("GTE", "AdamW")] == [15547, 31094, 46641]
    assert all(0 < row.printed[m] < 1 and 0 < row.written[m] < 1 for row in rows() for m in MEASURES)
    assert rows()[0].more["P@1000"] == 0.0654


def test_the_utilisation_is_memory_and_one_moment_less_explains_a_third_of_it_or_less() -> None:
    """O1. The abstract's 10.33 is 10.32."""
    for model, reduction, moment, points in (
        ("MiniLM", "2.67", "0.12", "0.28"), ("GTE", "10.32", "1.14", "2.56"), ("ModernBERT", "3.49", "0.56", "1.25"),
    ):  # fmt: skip
        row = cells(shown("O1"), model)
        assert (row[3], row[6], row[7]) == (reduction, moment, points)
    assert "0.9, 7.5, 2.7 points were observed" in shown("O1").sentence


def test_a_random_order_of_ten_passages_has_the_mean_of_its_reciprocal_ranks() -> None:
    """O2."""
    rng = np.random.default_rng(1)
    for candidates in (4, 10, 50):
        ranks = rng.integers(1, candidates + 1, 200_000)
        simulated = np.where(ranks <= 10, 1 / ranks, 0).mean()
        assert effects.random_order(candidates) == pytest.approx(simulated, abs=3e-3)
    assert effects.random_order(10) == pytest.approx(0.2929, abs=1e-4)


def test_more_was_retrieved_and_relevant_than_there_is_at_grade_two() -> None:
    """O3."""
    assert "2,812 relevant" in shown("O3").sentence
    assert "2,501 in all" in shown("O3").sentence
    qrels = {"a": {"x": 0, "y": 1, "z": 3}, "b": {"x": 2, "v": 1}}
    bench = SimpleNamespace(own=SimpleNamespace(whole=SimpleNamespace(name="small", split="dl", qrels=qrels)))
    evidence = arithmetic.grade_one(bench)
    assert cells(evidence, "small/dl")[1:] == ("4", "2")
    assert "small/dl here has 4 at grade 1 or more and 2 at grade 2 or more" in evidence.sentence


def test_42_cells_differ_and_the_evaluation_fits_the_appendix_where_the_main_table_does_not() -> None:
    """O4."""
    evidence = shown("O4")
    assert evidence.sentence.startswith("42 of the main table's 108 cells")
    assert "falls from 0.6970 to 0.6571" in evidence.sentence
    assert "18 of 18 rows as evaluated and in 16 as printed" in evidence.sentence
    assert cells(evidence, "GTE Lion")[1:] == ("3", "3", "0", "3", "3", "3")
    assert cells(evidence, "MiniLM AdamW")[1:] == ("0", "0", "0", "3", "3", "3")
    assert cells(evidence, "ModernBERT Lion")[1:] == ("0",) * 6


def test_a_step_of_lion_is_the_rate_and_one_of_adamw_what_its_moments_of_noise_give() -> None:
    """O5. Of white noise the first moment keeps (1 - b) / (1 + b) of the variance, the second nearly all."""
    assert effects.step_length(effects.Lion, 40, 200) == pytest.approx(1.0)
    assert effects.step_length(effects.AdamW) == pytest.approx((0.1 / 1.9) ** 0.5, rel=0.05)
    assert [cells(shown("O5"), m)[4] for m in published.MODELS] == ["1.0", "1.0", "0.1"]


def test_a_rate_bound_to_another_optimiser_is_told_and_never_run() -> None:
    """O6."""
    reported, ran, bound, ours = (row[1] for row in shown("O6").tables[0].rows)
    assert float(reported) < 1e-12
    assert float(ran) == 2e-5
    assert bound == reported, "one that is bound to what steps"
    assert 0 < float(ours) < 1e-8


def test_the_cosine_was_counted_for_the_printed_batch_and_ends_at_three_quarters() -> None:
    """O7."""
    evidence = shown("O7")
    assert "ends at 75.2 % of its peak" in evidence.sentence
    assert "1.59e-05 of 2e-5" in evidence.sentence
    assert cells(evidence, "31,092")[1:] == ("0.752", "0.000")


def test_the_checkpoints_numbers_leave_one_batch_each() -> None:
    """O8."""
    every = {b: (-(-scripts.TRAINED // b), scripts.TRAINED // b) for b in range(1, 2_000)}
    for updates, batch, rest in ((3_887, 512, "kept"), (15_547, 128, "kept"), (10_364, 192, "left out")):
        assert implied_batches(updates, scripts.TRAINED) == [(batch, rest)]
        assert [b for b, counts in every.items() if updates in counts] == [batch]
    assert "MiniLM Lion and GTE Lion are three runs called final" in shown("O8").sentence
    assert cells(shown("O8"), "ModernBERT Lion")[1:] == ("10,364", "192", "left out")


def test_no_plotted_curve_but_one_model_s_can_be_of_the_scored_run() -> None:
    """O9."""
    sentence = shown("O9").sentence
    assert "MiniLM's scored checkpoint is its last at 11,661" in sentence
    assert "GTE's is at 46,641" in sentence


def test_the_first_place_of_eighteen_is_within_luck() -> None:
    """O10. The expected maximum of 18 standard normals is 1.820, and of the next one 1.350."""
    luck, gap, spread, _ = arithmetic._equal_systems(1.0, 0.0, 18)
    scale = 43**0.5
    assert luck * scale == pytest.approx(1.820, abs=0.03)
    assert gap * scale == pytest.approx(1.820 - 1.350, abs=0.03)
    assert spread * scale == pytest.approx(2 * 1.820, abs=0.05)
    assert "leads the second by 0.0001 nDCG@10 on 43 queries" in shown("O10").sentence


def test_a_lead_that_43_queries_can_tell_is_no_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    """O10."""
    best = max(rows(), key=lambda row: row.written["ndcg10"])
    with_rows(monkeypatch, lambda r: replace(r, written={**r.written, "ndcg10": 0.8}) if r == best else r)
    assert shown("O10").verdict == "not shown"


def test_the_tie_is_of_one_figure_rounded_and_one_cut() -> None:
    """O11."""
    evidence = shown("O11")
    assert "0.598758 and 0.598884, which round to 0.5988 and 0.5989" in evidence.sentence
    assert "14 of 18 printed MRR@10 are rounded; 4, all of ModernBERT" in evidence.sentence
    assert len(evidence.tables[0].rows) == 5


def test_three_public_models_of_the_smallest_size_are_above_all_rows() -> None:
    """O12."""
    assert shown("O12").sentence.startswith("3 public cross-encoders")
    assert cells(shown("O12"), "ce/ms-marco-MiniLM-L4-v2")[1:3] == ("0.7304", "18")
    assert cells(shown("O12"), "ce/ms-marco-MiniLM-L2-v2")[2] == "12"


def test_lengths_are_of_the_collection_here_where_there_is_one() -> None:
    """O13."""
    assert "4.5 and 9.2 times" in shown("O13").sentence
    documents = {str(n): Document(str(n), "w " * n) for n in (10, 20, 500)}
    bench = SimpleNamespace(own=SimpleNamespace(whole=SimpleNamespace(name="small", documents=documents)))
    assert "small here has 20 words in the median" in effects.size_not_length(bench).sentence


def test_nearly_every_row_held_out_by_chance_has_its_query_in_training() -> None:
    """O14. The closed form against draws from a small split, and the draw of the full size."""
    rng = np.random.default_rng(2)
    alone = []
    for _ in range(4_000):
        out = rng.choice(24, 12, replace=False)
        alone.append(np.mean([all(sibling in out for sibling in range(i - i % 4, i - i % 4 + 4)) for i in out]))
    assert scripts.left_out_together(4, 24, 12) == pytest.approx(np.mean(alone), abs=0.01)
    assert 1 - scripts.left_out_together(2, scripts.PAIRS, scripts.HELD_OUT) == pytest.approx(0.9950, abs=1e-5)
    assert "99.50" in shown("O14").sentence
