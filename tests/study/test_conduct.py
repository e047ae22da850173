import csv
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, replace
from pathlib import Path

import pytest
from small_collection import TEST, small_collection
from small_study import SEEDS, bench, run, small_study

from strop.artifacts.store import Stage, Store
from strop.models.architecture import Untied
from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError
from strop.records.results import read_results
from strop.report.page import page
from strop.retrieval import stages
from strop.study.conduct import MEASURES, conduct
from strop.study.definition import Preset, Study
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence, OpenQuestion
from strop.study.schedule import schedule
from strop.study.systems import Start, System, Tuned
from strop.study.workbench import Workbench
from strop.training import stage as tuning

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return small_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def results(study: Study, store: Store) -> Path:
    return run(study, store, "all")


def without_clock(folder: Path) -> list[tuple[object, ...]]:
    """Every measured value but the speed of training."""
    return sorted(astuple(row) for row in read_results(folder).rows if row.measure != "train/tokens_per_second")


def models(store: Store) -> list[Path]:
    return sorted(store.root.glob("train/*/model/model.safetensors"))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_study_leaves_a_value_for_every_system_seed_measure_and_query(results: Path) -> None:
    found = read_results(results)
    values = {(r.system, r.seed, r.measure, r.item) for r in found.rows if not r.measure.startswith("train/")}
    seeds = {"bm25": SEEDS[:1], "base": SEEDS[:1], "full": SEEDS, "lora": SEEDS}
    assert values == {
        (system, seed, measure, f"q{q}")
        for system, each in seeds.items()
        for seed in each
        for measure in MEASURES
        for q in range(24, 24 + TEST)
    }
    assert {r.collection for r in found.rows} == {"small"}, "the collection's name, not where it lies"
    losses = [r for r in found.rows if r.measure == "train/loss" and r.system == "full" and r.seed == 42]
    assert [r.step for r in losses] == list(range(9)), "3 epochs of 20 training queries in batches of 6"


def test_each_claim_is_judged_on_the_systems_it_names(results: Path) -> None:
    effect, count = read_results(results).claims
    assert effect["claim"]["id"] == "below"
    assert (effect["comparison"]["seeds_a"], effect["comparison"]["seeds_b"]) == (2, 1)
    assert (count["word"], count["ours"]) == ("fails", 4 * (32 + 32) * 2 * 2), "query and value of 2 layers, r = 4"


def test_a_claim_whose_systems_were_not_run_is_not_judged(study: Study, store: Store) -> None:
    untuned = run(study, store, "untuned")
    assert read_results(untuned).claims == ()
    assert "A small study" in page(read_results(untuned))


def test_the_record_says_how_the_numbers_came_to_be(results: Path) -> None:
    record = read_results(results).record
    assert record.collections["small/test"].queries == TEST
    assert record.weights
    assert len(record.weights.sha256) == 64
    assert record.trained["all"]["full"].updates == 9
    assert (record.systems["bm25"].values or {})["type"] == "BM25"
    assert {s.name for s in record.stages} >= {"all/base, seed 42", "all/lora, seed 43: training"}
    assert record.deviations == ("a tiny scale",)


def test_the_exhibits_are_what_they_say(results: Path) -> None:
    exhibits = read_results(results).exhibits
    ranks = {q: about.systems for q, about in exhibits.queries.items()}
    with (results / "rows.csv").open(encoding="utf-8", newline="") as file:
        reciprocal = {
            row["item"]: float(row["value"])
            for row in csv.DictReader(file)
            if row["system"] == "base" and row["measure"] == "RR@100"
        }
    assert reciprocal == pytest.approx({q: 1 / r["base"] if r["base"] else 0.0 for q, r in ranks.items()})
    mined = exhibits.negatives["hard, all"]
    assert sum(n for _, _, n in mined.rank_histogram) == mined.count == 24
    assert mined.reading
    assert "uniform" in mined.reading
    assert [p.system for p in exhibits.parameters] == ["full", "lora"]


def test_no_document_of_another_split_is_ever_trained_on(results: Path, store: Store) -> None:
    mined = [
        line.split()[2]
        for path in (store.root / "search").glob("*/run.trec")
        if "q0 " in (text := path.read_text())
        for line in text.splitlines()
    ]
    assert mined
    assert not set(mined) & {f"d{i}" for i in range(24, 24 + TEST)}


def test_the_report_of_a_study_renders(results: Path) -> None:
    html = page(read_results(results))
    for shown in (
        "A small study",
        "tuning hurts",
        "a tiny scale",
        "analogue" if "analogue" in html else "not resolved",
    ):
        assert shown in html


def test_a_second_run_makes_nothing_and_gives_the_same_folder(
    study: Study, store: Store, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(results)

    def never(*args: object, **values: object) -> None:
        raise AssertionError("a stage was made again")

    made: list[Stage] = []
    build = Store.build

    def watched(self: Store, stage: Stage, *args: object, **values: object) -> object:
        if self.find(stage, self.key(stage, *args[:2])) is None:  # type: ignore[arg-type]
            made.append(stage)
        return build(self, stage, *args, **values)  # type: ignore[arg-type]

    monkeypatch.setattr(Store, "build", watched)
    monkeypatch.setattr(tuning.loop, "train", never)
    monkeypatch.setattr(stages.encode, "encode", never)
    monkeypatch.setattr("strop.study.conduct.rows", never)
    monkeypatch.setattr("strop.study.exhibits.audit", never)
    again = run(study, store, "all")
    assert not made
    assert again == results
    assert contents(again) == before


def test_results_are_made_anew_when_the_study_or_the_package_changes(
    study: Study, store: Store, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stricter = replace(study, claims=(replace(study.claims[0], rule="above"),))
    again = run(stricter, store, "all")
    assert again != results
    assert [c["claim"]["rule"] for c in read_results(again).claims] == ["above"]
    monkeypatch.setattr("strop.study.conduct.package_sha256", lambda: "another")
    assert run(study, store, "all") not in (results, again)


def test_results_that_were_not_finished_are_made_anew(study: Study, store: Store, results: Path) -> None:
    whole = contents(results)
    (results / "record.json").unlink()
    (results / "rows.csv").write_text("", encoding="utf-8")
    assert contents(run(study, store, "all")) == whole


def test_another_seed_makes_only_what_depends_on_it(study: Study, store: Store, results: Path) -> None:
    def made() -> dict[str, int]:
        return {name: len(list((store.root / name).glob("*/record.json"))) for name in ("train", "search", "lexical")}

    before = made()
    third = replace(study.scale("tiny"), seeds=(42, 44), systems=("bm25", "base", "full"))
    run(replace(study, scales=(third,)), store, "all")
    assert made() == {"train": before["train"] + 1, "search": before["search"] + 1, "lexical": before["lexical"]}


KILLED = """
import os, signal, sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from strop.artifacts.store import Store
from strop.training import stage
sys.path.insert(0, sys.argv[1])
from small_study import run, small_study

stage.loop.train = partial(stage.loop.train, checkpoint_seconds=0)

@contextmanager
def killer(what, total):
    done = 0
    def advance(more):
        nonlocal done
        done += more
        if what.startswith("train") and done == 5:
            os.kill(os.getpid(), signal.SIGKILL)
    yield advance

study = small_study(Path(sys.argv[2]))
run(study, Store(sys.argv[3]), "all", progress=killer)
"""


def test_a_study_killed_in_training_goes_on_to_the_same_result(tmp_path: Path, results: Path, store: Store) -> None:
    command = [sys.executable, "-c", KILLED, str(Path(__file__).parents[1]), str(tmp_path), str(tmp_path / "store")]
    killed = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert list((tmp_path / "store").glob("train/*.partial/step-5"))
    advanced: dict[str, list[int]] = {}

    @contextmanager
    def watched(what: str, total: int) -> Iterator[Callable[[int], None]]:
        yield advanced.setdefault(f"{what} ({len(advanced)})", []).append

    study = small_study(tmp_path / "again")
    again = run(study, Store(tmp_path / "store"), "all", progress=watched)
    resumed = next(steps for what, steps in advanced.items() if what.startswith("train"))
    assert resumed == [5, 1, 1, 1, 1], "updates already done are not done again"
    its_store = Store(tmp_path / "store")
    made = models(its_store)
    assert len(made) == 4
    assert all((store.root / p.relative_to(its_store.root)).read_bytes() == p.read_bytes() for p in made)
    assert without_clock(again) == without_clock(results)


def test_a_folder_of_results_is_named_for_what_is_in_it(study: Study, store: Store, results: Path) -> None:
    assert results.parent == store.root / "results"
    assert results.name.startswith("small_study-tiny-small-")
    fewer = replace(study, scales=(replace(study.scale("tiny"), systems=("bm25", "base")),))
    assert run(fewer, store, "all") != results


def test_bad_data_is_refused_before_any_model_is_looked_at(study: Study, store: Store, tmp_path: Path) -> None:
    collection = small_collection(tmp_path / "small")
    (collection / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq99\td1\t1\n", encoding="utf-8")
    broken = replace(study, base="/no/such/model")
    with pytest.raises(InputError, match="'q99' is judged but not in"):
        conduct(Workbench(broken, study.scale("tiny"), str(collection), store), "")


def test_a_budget_stops_before_the_training_that_would_pass_it_and_a_later_run_goes_on(
    study: Study, tmp_path: Path, results: Path
) -> None:
    its_store = Store(tmp_path)
    partly = read_results(conduct(bench(study, its_store), "strop study run", budget=0.0))
    assert partly.record.unfinished == ("all: 4 of 4 trainings",)
    assert {(r.preset, r.system) for r in partly.rows} == {("untuned", "bm25"), ("untuned", "base")}
    whole = conduct(bench(study, its_store), "strop study run", ("all",))
    assert read_results(whole).record.unfinished == ()
    assert without_clock(whole) == without_clock(results)


def test_a_point_is_not_demonstrated_while_a_seed_of_what_it_compares_is_missing(study: Study, tmp_path: Path) -> None:
    def never(workbench: Workbench) -> Evidence:
        raise AssertionError("a demonstration would have trained past the budget")

    point = OpenQuestion("T1", "effect", "a doubt", never, needs=(("all", "full"),))
    doubted, its_store = replace(study, questions=(point,)), Store(tmp_path)
    workbench = bench(doubted, its_store)
    preset = study.preset("all")
    for system in ("full", "lora"):
        workbench.ranking(preset, system, SEEDS[0])
    partly = read_results(conduct(workbench, "strop study run", ("all",), budget=0.0))
    assert partly.record.unfinished == ("all: 2 of 4 trainings",)
    assert [p.verdict for p in partly.exhibits.points] == ["not run"]


def test_a_budget_that_allows_nothing_is_said(study: Study, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing is trained yet, and the budget is spent"):
        conduct(bench(study, Store(tmp_path)), "strop study run", ("all",), budget=0.0)


def test_cells_run_seed_by_seed_and_the_untuned_once(study: Study) -> None:
    planned = [(c.preset.name, c.system, c.seed) for c in schedule(study, study.scale("tiny"))]
    assert planned == [
        ("all", "bm25", 42),
        ("all", "base", 42),
        ("all", "full", 42),
        ("all", "lora", 42),
        ("all", "full", 43),
        ("all", "lora", 43),
        ("untuned", "base", 42),
        ("untuned", "bm25", 42),
    ]


def test_without_budget_a_system_mined_by_another_s_model_trains_neither(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = study.preset("all")
    full = preset.system("full")
    assert isinstance(full.how, Tuned)
    mined = System("mined", "mined", replace(full.how, negatives=Mined(RankWindow(2, 20), miner="full")))
    scale = replace(study.scale("tiny"), presets={"all": 1})
    only = replace(preset, systems=(preset.system("base"), mined, full))
    alone = replace(study, presets=(only,), scales=(scale,), claims=())
    workbench = Workbench(alone, scale, scale.collection, Store(tmp_path))

    def never(*args: object, **values: object) -> None:
        raise AssertionError("trained past the budget")

    with monkeypatch.context() as patch:
        patch.setattr(tuning.loop, "train", never)
        with pytest.raises(InputError, match="nothing is trained yet"):
            conduct(workbench, "", budget=0.0)
    conduct(workbench, "")
    assert len(models(workbench.store)) == 2
    monkeypatch.setattr(tuning.loop, "train", never)
    assert read_results(conduct(workbench, "", budget=0.0)).record.unfinished == ()


def test_the_whole_corpus_is_for_the_base_and_bm25_alone(study: Study, tmp_path: Path) -> None:
    systems = (*study.preset("untuned").systems, System("start", "two towers", Start(Untied())))
    scale = replace(study.scale("tiny"), test_queries=None, test_documents=None, presets={"untuned": 1}, thorough=True)
    only = replace(study, presets=(Preset("untuned", systems),), scales=(scale,), claims=())
    rows = read_results(conduct(Workbench(only, scale, scale.collection, Store(tmp_path)), "")).rows

    def values(collection: str) -> dict[tuple[str, str, str], float]:
        return {(r.system, r.measure, r.item): r.value for r in rows if r.collection == collection}

    whole, panel = values("small, whole corpus"), values("small")
    assert {system for system, _, _ in whole} == {"base", "bm25"}
    assert whole == {key: panel[key] for key in whole}, "the panel is the whole here"
