"""Latency: the loop's outcome, what the clocks add up to, and the ratios made of them."""

from pathlib import Path

import numpy as np
import pytest
import tiny_models
from small_collection import TEST, small_collection

from strop.artifacts.progress import silent
from strop.bench.latency import (
    STAGES,
    Condition,
    Exact,
    Timings,
    measure,
    ratio,
    repeat_ratios,
    rows,
)
from strop.bench.model_latency import latency_table, timings_table
from strop.records.errors import InputError
from strop.retrieval.dense_search import search
from strop.retrieval.encode import Vectors
from strop.studies.when_finetuning_fails import clocks as study
from strop.studies.when_finetuning_fails import ranking_loop
from strop.studies.when_finetuning_fails.ranking_loop import Chunked

pytestmark = pytest.mark.usefixtures("one_thread")


def unit_vectors(count: int, dimension: int = 32, seed: int = 0) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    unit: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def constructed(condition: str, factor: float = 1.0, repeats: int = 4, batches: int = 6) -> Timings:
    """Seconds that vary from batch to batch and repeat to repeat, times `factor`."""
    parts = np.random.default_rng(0).uniform(1, 2, (repeats, batches, 3)) * factor
    return {condition: np.concatenate([parts, parts.sum(axis=2, keepdims=True)], axis=2)}


@pytest.mark.parametrize("chunks", [1, 45, 89, 600])
def test_the_loop_finds_what_strop_s_search_finds_whatever_the_number_of_chunks(chunks: int) -> None:
    queries, vectors = unit_vectors(7, seed=1), unit_vectors(500)
    names = [str(i) for i in range(500)]
    oracle = search(queries, names[:7], vectors, names, depth=20)
    found, scoring, ranking = Chunked(chunks, depth=20)(queries, vectors)
    assert [[str(row) for row in ranked] for ranked in found] == [list(oracle[q].doc_ids) for q in names[:7]]
    assert found == Exact(depth=20)(queries, vectors)[0]
    assert scoring > 0
    assert ranking > 0


@pytest.mark.parametrize("chunks", [45, 89])
def test_the_rows_that_are_ranked_are_chunks_times_queries_times_depth(
    chunks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = []

    def noted(row: tuple[int, int, float]) -> float:
        ranked.append(row[:2])
        return row[2]

    monkeypatch.setattr(ranking_loop, "itemgetter", lambda place: noted)
    Chunked(chunks, depth=5)(unit_vectors(7, seed=1), unit_vectors(500))
    assert len(ranked) == len(set(ranked)) == chunks * 7 * 5


def test_a_chunk_smaller_than_the_depth_loses_nothing() -> None:
    queries, vectors = unit_vectors(3, seed=1), unit_vectors(50)
    found, _, _ = Chunked(chunks=10, depth=30)(queries, vectors)
    assert found == [list(np.argsort(-(vectors @ query))[:30]) for query in queries]


def test_the_stages_add_up_to_the_total_and_every_condition_is_timed_in_every_repeat() -> None:
    encoder = tiny_models.dense()
    conditions = {"few": Condition(encoder, Chunked(5, 50)), "many": Condition(encoder, Chunked(50, 50))}
    answered: list[int] = []
    texts = tiny_models.sentences(25)
    timings = measure(conditions, texts, unit_vectors(3000), 3, batch=10, progress=answered.append)
    assert {name: seconds.shape for name, seconds in timings.items()} == {"few": (3, 3, 4), "many": (3, 3, 4)}
    assert answered == [10, 10, 10, 10, 5, 5] * 3
    unseen = []
    for seconds in timings.values():
        parts, totals = seconds[..., :3].sum(axis=2), seconds[..., 3]
        assert (parts <= totals).all()
        unseen.append((1 - parts / totals).min())
    assert min(unseen) < 0.2  # where no other program came between two readings of the clock


def test_all_conditions_answer_a_batch_before_any_sees_the_next_in_an_order_drawn_from_the_seed() -> None:
    def order(seed: int) -> list[str]:
        asked: list[str] = []

        class Noted(Chunked):
            def __call__(self, queries: Vectors, vectors: Vectors) -> tuple[list[list[int]], float, float]:
                asked.append("abc"[self.chunks - 1])
                return [], 1.0, 1.0

        conditions = {"abc"[i]: Condition(encoder, Noted(i + 1)) for i in range(3)}
        measure(conditions, ["bat"] * 6, unit_vectors(3), 4, batch=1, seed=seed)
        return ["".join(asked[i : i + 3]) for i in range(2 * 3, len(asked), 3)]  # after two batches of warm-up each

    encoder = tiny_models.dense()
    turns = order(0)
    assert len(turns) == 4 * 6
    assert all(sorted(turn) == ["a", "b", "c"] for turn in turns)
    assert {turn[0] for turn in turns} == {"a", "b", "c"}
    assert order(0) == turns != order(1)


def test_percentiles_and_queries_a_second_of_a_list_made_by_hand() -> None:
    seconds = tuple(float(i) for i in range(100, 0, -1))
    timings = np.zeros((2, 50, 4))
    timings[..., 3] = seconds[0::2], seconds[1::2]
    table = timings_table({"a": timings, "b": np.full((2, 50, 4), 9e9)}, 505)
    assert table[1][-4:-1] == ["50500", "95050", "99010"]
    assert table[1][-1] == "0.2"  # 1,010 queries in 5,050 s


def test_a_condition_against_its_equal_is_one_and_a_constant_factor_is_found_exactly() -> None:
    timings = {**constructed("a"), **constructed("twice", 2.0), **constructed("a again")}
    same, twice = ratio(timings, "a again", "a"), ratio(timings, "twice", "a", "rank")
    assert (same.value, same.low, same.high) == (1.0, 1.0, 1.0)
    assert (twice.value, twice.low, twice.high) == pytest.approx((2.0, 2.0, 2.0))
    assert str(twice) == "2.00 [2.00, 2.00]"
    assert repeat_ratios(timings, "twice", "a") == pytest.approx([2.0] * 4)
    with pytest.raises(KeyError, match="none"):
        ratio(timings, "none", "a")


def test_the_interval_knows_how_much_repeats_differ() -> None:
    base = constructed("base", repeats=3)
    steady = constructed("steady", 1.2, repeats=3)
    wild = {"wild": base["base"] * np.array([0.8, 1.2, 1.8])[:, None, None]}
    assert ratio({**base, **steady}, "steady", "base").low == pytest.approx(1.2)
    spread = ratio({**base, **wild}, "wild", "base")
    assert spread.value == pytest.approx((0.8 * 1.2 * 1.8) ** (1 / 3))
    assert spread.low < 1 < spread.value < spread.high


def test_rows_hold_the_seconds_of_every_stage_and_repeat() -> None:
    timings = constructed("a", repeats=2)
    made = rows(timings, "study", "preset", 42, "docstrings", "test")
    assert [(r.item, r.measure) for r in made] == [(i, f"clock/{s}/s") for i in "01" for s in STAGES]
    assert made[-1].value == pytest.approx(timings["a"][1, :, 3].sum())
    assert (made[0].system, made[0].step, made[0].split) == ("a", -1, "test")


def test_what_cannot_be_timed_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to time"):
        measure({"a": Condition(tiny_models.dense(), Exact())}, [], unit_vectors(3), 1)


def test_the_benchmark_times_any_model_on_any_collection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    collection = small_collection(tmp_path / "small")
    header, *table = latency_table(str(tiny_models.build(tmp_path)), str(collection), 2, silent)
    assert header[1:] == ["encode s", "score s", "rank s", "total s", "p50 ms", "p95 ms", "p99 ms", "queries/s"]
    assert [row[0] for row in table] == ["strop's search"]
    for row in table:
        total, p50, rate = float(row[4]), float(row[5]), float(row[8])
        assert p50 / 1000 == pytest.approx(total, abs=0.006)  # all the queries are one batch, and figures rounded
        assert p50 / 1000 == pytest.approx(TEST / rate, abs=0.001)


def test_a_merged_adapter_encodes_what_the_unmerged_one_does_and_not_what_the_base_does(tmp_path: Path) -> None:
    folder, texts = tiny_models.build(tmp_path), tiny_models.sentences(20)
    assert 0 < study.merging_gap(folder, texts) < 1e-5
    plain, adapted = tiny_models.Dense.load(folder), study.adapted(folder)
    assert np.abs(study._vectors(plain, texts) - study._vectors(adapted, texts)).max() > 1e-3


def test_the_study_s_clocks_time_seven_conditions_and_every_demonstration_reads_them(tmp_path: Path) -> None:
    folder = tiny_models.build(tmp_path)
    timings = study.clocks(folder, tiny_models.sentences(6), unit_vectors(40), repeats=2)
    assert len(timings) == 7
    assert {len(seconds) for seconds in timings.values()} == {2}
    for made in (
        study.chunks_not_adapter(timings),
        study.merging_is_free(timings, 1e-7),
        study.noise_exceeds_effects(timings),
    ):
        assert made.tables[0].rows
        assert made.sentence.endswith(".")


@pytest.mark.parametrize(("chunks", "adapter", "shown"), [(1.8, 1.1, True), (1.1, 1.8, False), (0.9, 0.5, False)])
def test_t2_is_shown_only_where_chunks_cost_more_than_the_adapter(chunks: float, adapter: float, shown: bool) -> None:
    timings = {**constructed(study.BASE), **constructed(study.AGAIN), **constructed(study.BASE_MORE, chunks)}
    timings |= {**constructed(study.UNMERGED, adapter), **constructed(study.UNMERGED_MORE, chunks * adapter)}
    made = study.chunks_not_adapter(timings)
    assert (made.verdict == "shown") is shown
    table = made.tables[0].rows
    assert table[0][1:] == (f"{chunks:.2f} [{chunks:.2f}, {chunks:.2f}]",) * 4
    assert [row[-1] for row in table[-2:]] == ["1.89", "1.97"]


@pytest.mark.parametrize(("unmerged", "gap", "shown"), [(1.3, 1e-6, True), (1.3, 1e-4, False), (1.0, 1e-6, False)])
def test_t3_is_shown_only_where_merging_saves_time_and_changes_nothing(
    unmerged: float, gap: float, shown: bool
) -> None:
    timings = {**constructed(study.BASE), **constructed(study.AGAIN), **constructed(study.MERGED)}
    made = study.merging_is_free({**timings, **constructed(study.UNMERGED, unmerged)}, gap)
    assert (made.verdict == "shown") is shown


def test_t4_reads_the_published_runs_and_our_own_control() -> None:
    made = study.noise_exceeds_effects({**constructed(study.BASE), **constructed(study.AGAIN)})
    assert made.verdict == "shown"
    assert "differ by 20.1 %" in made.sentence  # 325.27 / 270.72
    assert "more than the 6.9 % and 1.2 %" in made.sentence
    assert "1.00 [1.00, 1.00] times itself" in made.sentence


def test_t4_falls_where_the_printed_runs_of_one_model_lie_nearer_than_the_models(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    near = {"base": (300.0, 301.0, 302.0), "full_random": (320.0,) * 3, "full_hard": (307.0,) * 3}
    runs = {**study.published_runs(), **near}
    monkeypatch.setattr(study, "published_runs", lambda: runs)
    assert study.noise_exceeds_effects({**constructed(study.BASE), **constructed(study.AGAIN)}).verdict == "not shown"
