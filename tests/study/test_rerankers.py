"""A study of rerankers, end to end on a small collection: candidates, pipelines, epochs, a teacher, stand-ins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models
from small_collection import small_collection
from small_study import small_study

from strop.artifacts.store import Store
from strop.collection import door
from strop.losses.distillation import KLDivergence
from strop.losses.pointwise import BinaryCrossEntropy
from strop.models.cross_encoder import FreshHead
from strop.models.random_weights import RandomWeights
from strop.models.scoring import Cosine, Joint
from strop.negatives.filters import TeacherBound
from strop.negatives.from_run import RankWindow
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.results import read_results
from strop.records.runs import Run, write_run
from strop.retrieval import stages
from strop.retrieval.fuse import ReciprocalRank
from strop.retrieval.lexical import BM25
from strop.retrieval.rankings import read_candidates
from strop.study.claims import Claim
from strop.study.conduct import conduct
from strop.study.definition import Preset, Study
from strop.study.negative_policies import Cleaned, Mined, Taught
from strop.study.schedule import schedule
from strop.study.systems import Fused, Rates, Reranked, Start, System, Tuned, WithPositive
from strop.study.workbench import Others, Workbench
from strop.training import cross_fitting
from strop.training.batches import Batching
from strop.training.optimizers import AdamW

pytestmark = pytest.mark.usefixtures("one_thread")
MINED = Mined(RankWindow(2, 20, count=2), BM25())
DEPTH = 6


def preset() -> Preset:
    recipe = replace(
        tiny_models.RECIPE, batching=Batching(4), scoring=Joint(), loss=BinaryCrossEntropy(), max_length=32
    )
    rates = Rates((1e-4, 1e-2), on="one", decays=(0.0, 1.0))
    one = Tuned(recipe, 2, MINED, rates=rates, start=Start(FreshHead()))
    taught = replace(recipe, scoring=Cosine(), loss=KLDivergence(0.05))
    rejecting = Cleaned(replace(MINED, window=RankWindow(2, 20, count=4)), TeacherBound(9.0), 1, teacher="one")
    return Preset(
        "all",
        (
            System("bm25", "BM25", BM25()),
            System("base", "base", None),
            System("one", "reranker", one),
            System("early", "after an epoch", replace(one, after=1)),
            System("late", "after both", replace(one, after=2)),
            System("both", "fused", Fused(("bm25", "base"), ReciprocalRank())),
            System("chain", "fused, then base, then reranker", Reranked("middle", "one", 3)),
            System("middle", "fused, then base", Reranked("both", "base", DEPTH)),
            System("own", "own passages", WithPositive("bm25", 3)),
            System("taught", "taught", Tuned(taught, 1, Taught(MINED, "one"))),
            System("cleaned", "cleaned", Tuned(replace(recipe, scoring=Cosine()), 1, rejecting)),
            System("stood_in", "stood in", replace(one, rates=None, start=Start(FreshHead(), base="org/away"))),
        ),
        watched=(("BM25", MINED),),
        candidates="bm25",
    )


def claim(place: str) -> Claim:
    return Claim(
        id=place, paper="a paper", table="1", kind="effect", statement="", rule="above", system="one", against="bm25",
        collection=place, measure="nDCG@10",
    )  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("rerankers")
    small = small_study(folder)
    small_collection(folder / "other", seed=8)
    scale = replace(
        small.scale("tiny"), presets={"all": 2}, rerank_depth=DEPTH, stand_ins={"org/away": RandomWeights("gte")}
    )
    return replace(
        small, presets=(preset(),), scales=(scale,), claims=(claim("small"),), published={}, published_loss={}
    )


@pytest.fixture(scope="module")
def given(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Candidates of every query of the other collection, four each."""
    folder = Path(study.scale("tiny").collection).parent / "other"
    other = door.load(str(folder), "test", folder)
    ids = sorted(other.documents)
    ranked = {q: (tuple(ids[i : i + 4]), [4.0, 3.0, 2.0, 1.0]) for i, q in enumerate(other.queries)}
    path = tmp_path_factory.mktemp("given") / "given.trec"
    write_run(Run(ranked), path, "others")
    return path


@pytest.fixture(scope="module")
def bench(study: Study, given: Path, tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    scale = study.scale("tiny")
    other = str(Path(scale.collection).parent / "other")
    store = Store(tmp_path_factory.mktemp("store"))
    return Workbench(study, scale, scale.collection, store, others=(other,), candidates=(str(given),))


def ranked(bench: Workbench, system: str, collection: Collection | None = None, seed: int = 42) -> Run:
    return stages.run_of(bench.ranking(bench.study.presets[0], system, seed, collection))


def orders(run: Run) -> Mapping[str, tuple[str, ...]]:
    return {q: tuple(of.doc_ids) for q, of in run.items()}


def test_a_reranker_gives_the_first_candidates_a_new_order_and_leaves_the_others_below(bench: Workbench) -> None:
    first, second = orders(ranked(bench, "bm25")), orders(ranked(bench, "one"))
    assert first.keys() == second.keys()
    assert any(first[q][:DEPTH] != second[q][:DEPTH] for q in first)
    for query_id, ids in first.items():
        assert sorted(second[query_id][:DEPTH]) == sorted(ids[:DEPTH])
        assert second[query_id][DEPTH:] == ids[DEPTH:]


def test_stages_follow_each_other_by_name(bench: Workbench) -> None:
    fused, middle, last = (orders(ranked(bench, name)) for name in ("both", "middle", "chain"))
    assert any(len(ids) > len(orders(ranked(bench, "bm25"))[q]) for q, ids in fused.items())
    for query_id in fused:
        assert sorted(middle[query_id][:DEPTH]) == sorted(fused[query_id][:DEPTH])
        assert sorted(last[query_id][:3]) == sorted(middle[query_id][:3])
        assert last[query_id][3:] == middle[query_id][3:]


def test_own_passages_are_a_positive_and_the_first_that_are_not_relevant(bench: Workbench) -> None:
    qrels = bench.own.test.qrels
    for query_id, ids in orders(ranked(bench, "own")).items():
        relevant = [d for d in ids if qrels[query_id].get(d, 0) > 0]
        found = [d for d in orders(ranked(bench, "bm25"))[query_id] if qrels[query_id].get(d, 0) <= 0][:3]
        assert len(relevant) == 1
        assert [d for d in ids if d not in relevant] == found


def test_given_candidates_are_all_that_is_ranked_and_their_documents_all_that_is_read(
    bench: Workbench, given: Path
) -> None:
    other = bench.panels["other"]
    handed = orders(read_candidates([str(given)]))
    ranked_ones = {d for ids in handed.values() for d in ids}
    extra = set(other.documents) - ranked_ones
    assert ranked_ones <= set(other.documents)
    assert len(extra) <= len(other.queries), "a positive of each query, for the own passages"
    assert extra <= {d for judged in other.qrels.values() for d in judged}
    assert orders(ranked(bench, "bm25", other)) == handed
    own = orders(ranked(bench, "own", other))
    assert all(sum(other.qrels[q].get(d, 0) > 0 for d in ids) == 1 for q, ids in own.items())
    for system in ("base", "one"):
        mine = orders(ranked(bench, system, other))
        assert {q: sorted(ids) for q, ids in mine.items()} == {q: sorted(ids) for q, ids in handed.items()}
        assert mine != handed


def test_candidates_of_no_collection_are_refused_and_of_a_part_of_its_queries_said(
    bench: Workbench, given: Path, tmp_path: Path
) -> None:
    study, scale = bench.study, bench.scale
    alone = Workbench(study, scale, scale.collection, bench.store, candidates=(str(given),))
    with pytest.raises(InputError, match="are in no collection that is tested on"):
        dict(alone.panels)
    whole = read_candidates([str(given)])
    some = tmp_path / "some.trec"
    write_run(Run({q: whole[q] for q in list(whole)[:2]}), some, "others")
    partly = Workbench(study, scale, scale.collection, bench.store, others=bench.others, candidates=(str(some),))
    assert partly.panels["other"].warnings == ("6 of 8 judged queries have no candidates and score 0",)
    with pytest.raises(InputError, match="is in another file too"):
        read_candidates([str(given), str(some)])


def test_weights_after_each_epoch_are_of_one_training(bench: Workbench) -> None:
    preset = bench.study.presets[0]
    assert bench.training(preset, "early", 42).key == bench.training(preset, "late", 42).key
    early, late, last = (bench.model(preset, name, 42).identity for name in ("early", "late", "one"))
    assert early != late
    assert late == last, "the last epoch's are those of the whole training"


def test_rates_and_decays_are_one_grid_and_the_best_on_held_out_queries_is_taken(bench: Workbench) -> None:
    preset = bench.study.presets[0]
    how = preset.system("one").how
    assert isinstance(how, Tuned)
    assert how.rates
    values = bench.held_out_values(preset, how.rates)
    assert {(s.learning_rate, s.weight_decay) for s in values} == {(r, d) for r in (1e-4, 1e-2) for d in (0.0, 1.0)}
    chosen = bench.setting(preset, how.rates)
    assert values[chosen] == max(values.values())
    assert bench.job(preset, "one", 43).recipe.optimizer == chosen
    assert isinstance(chosen, AdamW)


def test_a_teacher_s_scores_are_of_models_that_were_not_trained_on_the_query(bench: Workbench) -> None:
    preset = bench.study.presets[0]
    how = preset.system("taught").how
    assert isinstance(how, Tuned)
    groups = bench.trainings.training(preset, how, 42, Others(bench, preset)).examples.groups
    assert all(group.teacher.keys() == {*group.positives, *group.negatives} for group in groups)
    trained = [
        {g.query_id for g in fold.examples.groups}
        for fold in cross_fitting.trainings(bench.job(preset, "one", 42), bench.data.folds)
    ]
    assert not trained[0] & trained[1]
    assert trained[0] | trained[1] == {
        g.query_id
        for g in bench.trainings.training(preset, _tuned(preset, "one"), 42, Others(bench, preset)).examples.groups
    }
    kept = bench.trainings.training(preset, _tuned(preset, "cleaned"), 42, Others(bench, preset)).examples.groups
    assert {len(group.negatives) for group in kept} == {1}


def test_nothing_is_ready_before_its_rankings_are_made_and_asking_makes_nothing(study: Study, tmp_path: Path) -> None:
    fresh = Workbench(study, study.scale("tiny"), study.scale("tiny").collection, Store(tmp_path / "store"))
    preset = study.presets[0]
    assert not any(fresh.is_ready(preset, s.name, 42) for s in preset.systems)
    assert not (tmp_path / "store").exists()
    fresh.ranking(preset, "middle", 42)
    ready = {s.name for s in preset.systems if fresh.is_ready(preset, s.name, 42)}
    assert ready == {"bm25", "base", "both", "middle"}


def test_a_study_of_rerankers_has_rows_of_all_but_the_stand_ins(bench: Workbench) -> None:
    done = read_results(conduct(bench, "strop study run"))
    shown: dict[tuple[str, str], set[int]] = {}
    for row in done.rows:
        if row.measure == "nDCG@10":
            shown.setdefault((row.system, row.collection), set()).add(row.seed)
    names = {s.name for s in bench.study.presets[0].systems}
    assert {name for name, _ in shown} == names - {"stood_in"}
    assert shown["chain", "other"] == {42, 43}
    assert shown["middle", "small"] == {42}
    assert done.record.systems["stood_in"].random_weights
    assert "early" not in done.record.trained["all"], "it is no training of its own"
    reranking = done.exhibits.reranking
    assert reranking
    assert {row.system for row in reranking.rows if row.random} == {"stood_in"}
    own = [(c.system, c.against) for c in reranking.comparisons if c.collection == "small"]
    assert own == [("one", "bm25"), ("chain", "middle"), ("chain", "one"), ("middle", "both"), ("middle", "base")]
    assert [c["claim"]["id"] for c in done.claims] == ["small"]
    planned = schedule(bench.study, bench.scale)
    seeded = {n for n in names if bench.study.presets[0].trained(n)} - {"stood_in"}
    assert len(planned) == len(names) + len(seeded), "what is random says no more at a second seed"


def _tuned(preset: Preset, name: str) -> Tuned:
    how = preset.system(name).how
    assert isinstance(how, Tuned)
    return how


def test_presets_that_cannot_be_run_are_refused() -> None:
    reranker = preset().system("one")
    bm25 = System("bm25", "BM25", BM25())
    with pytest.raises(ValueError, match="no system finds the candidates"):
        Preset("p", (bm25, reranker))
    with pytest.raises(ValueError, match="no system is the part 'dense'"):
        Preset("p", (bm25, System("x", "x", Fused(("bm25", "dense"), ReciprocalRank()))))
    with pytest.raises(ValueError, match="made of each other"):
        Preset("p", (System("a", "a", Reranked("b", "b", 3)), System("b", "b", Reranked("a", "a", 3))))
    with pytest.raises(ValueError, match="'bm25' has no model to rerank by"):
        Preset("p", (bm25, System("x", "x", Reranked("bm25", "bm25", 3))))
    unmined = replace(_tuned(preset(), "one"), rates=None, negatives=Taught(MINED, "x"))
    with pytest.raises(ValueError, match="made of each other"):
        Preset("p", (bm25, System("x", "x", unmined)), candidates="bm25")
    with pytest.raises(ValueError, match="after 3 of 2 epochs"):
        replace(_tuned(preset(), "one"), after=3)
