"""Mining: negatives of every kind, each against a ranking made by hand from the miner's own vectors."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from sentence_transformers import SentenceTransformer
from small_study import small_study

from strop.artifacts.progress import silent
from strop.artifacts.store import Artifact, Store
from strop.losses.contrastive import InfoNCE
from strop.models.architecture import Untied
from strop.models.pretrained import Pretrained
from strop.models.scoring import Cosine
from strop.negatives.filters import PositiveRelative
from strop.negatives.from_run import RankWindow
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.retrieval.lexical import BM25
from strop.study.definition import Preset
from strop.study.mining import refreshed
from strop.study.negative_policies import Cleaned, Mined, Negatives, Provided, SelfMined, Taught, Union, helpers
from strop.study.systems import Start, System, Tuned
from strop.study.workbench import Others, Workbench
from strop.training import stage
from strop.training.batches import Batching
from strop.training.recipes import Recipe
from strop.training.stage import Training, tuned_model

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE: Recipe = replace(
    tiny_models.RECIPE, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(4, in_batch=True), max_length=32
)
TOP = RankWindow(1, 5, count=2)
BY_BM25, BY_MODEL = Mined(TOP, BM25()), Mined(TOP, "miner")
KINDS: dict[str, Tuned] = {
    "mined": Tuned(RECIPE, 1, BY_MODEL),
    "union": Tuned(RECIPE, 1, Union((BY_BM25, BY_MODEL))),
    "quota": Tuned(RECIPE, 1, Union((BY_BM25, BY_MODEL), counts=(2, 1))),
    "self": Tuned(RECIPE, 2, SelfMined(TOP), start=Start(Untied())),
    "twice": Tuned(RECIPE, 2, SelfMined(TOP, refreshes=2)),
    "short": Tuned(RECIPE, 1, start=Start(layers=1)),
}
PRESET = Preset(
    "mining",
    (
        System("base", "base", None),
        System("miner", "miner", Tuned(RECIPE, 2)),
        *(System(name, name, how) for name, how in KINDS.items()),
    ),
)


def workbench(folder: Path, store: Path, progress: Any = silent) -> Workbench:
    study = small_study(folder)
    scale = replace(study.scale("tiny"), presets={"mining": 1})
    study = replace(study, presets=(PRESET,), scales=(scale,), claims=())
    return Workbench(study, scale, scale.collection, Store(store), progress)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    folder = tmp_path_factory.mktemp("mining")
    return workbench(folder / "study", folder / "store")


def ranked(bench: Workbench, model: Pretrained) -> dict[str, list[str]]:
    """Every training query's documents by the cosine of the vectors that sentence-transformers gives."""
    plain = SentenceTransformer(str(model.path), device="cpu")
    documents, queries = dict(bench.own.train_documents), bench.own.train_queries
    scores = cosines(plain.encode_query(list(queries.values())), plain.encode_document(list(documents.values())))
    ids = np.array(list(documents))
    return {q: ids[np.argsort(-row)].tolist() for q, row in zip(queries, scores, strict=True)}


def cosines(asked: Any, found: Any) -> Any:
    a, b = (m.astype(np.float64) / np.linalg.norm(m.astype(np.float64), axis=1, keepdims=True) for m in (asked, found))
    return a @ b.T


def are_of(groups: tuple[Group, ...], ranking: dict[str, list[str]]) -> bool:
    """Whether each negative is where its group says it is in this ranking."""
    return all(
        ranking[g.query_id][int(source.removeprefix("rank ")) - 1] == d
        for g in groups
        for d, source in zip(g.negatives, g.sources, strict=True)
    )


def test_negatives_mined_by_another_system_are_of_its_ranking_and_never_a_known_positive(bench: Workbench) -> None:
    groups = bench.trainings.training(PRESET, KINDS["mined"], 42, Others(bench, PRESET)).examples.groups
    ranking = ranked(bench, bench.model(PRESET, "miner", 42))
    assert len(groups) == 20
    assert are_of(groups, ranking)
    assert not are_of(groups, ranked(bench, bench.base)), "else the miner could be the base"
    assert all(len(set(g.negatives) - g.relevant) == 2 for g in groups)
    assert any(set(ranking[g.query_id][:5]) & g.relevant for g in groups), "else nothing had to be left out"


def test_a_union_doubles_the_rows_and_an_epoch_sees_each_of_them_once(bench: Workbench) -> None:
    groups = bench.trainings.training(PRESET, KINDS["union"], 42, Others(bench, PRESET)).examples.groups
    by_query: dict[str, list[Group]] = {}
    for group in groups:
        by_query.setdefault(group.query_id, []).append(group)
    lexical, dense = (
        {g.query_id: g for g in bench.data.mining.rows(p, Others(bench, PRESET))} for p in (BY_BM25, BY_MODEL)
    )
    assert by_query == {q: [lexical[q], dense[q]] for q in by_query}
    assert len(groups) == 2 * 20
    assert bench.job(PRESET, "union", 42).recipe.updates == 40 // 4
    batching = Batching(2, in_batch=True)
    batches = [batching.batch(groups, 42, step) for step in range(batching.per_epoch(len(groups)))]
    assert Counter(q for batch in batches for q in batch.query_ids) == dict.fromkeys(by_query, 2)
    documents = Counter(d for g in groups for d in g.negatives)
    assert set(documents) <= {d for batch in batches for d in batch.doc_ids}


def test_with_counts_a_union_is_one_row_a_query_with_so_many_of_each(bench: Workbench) -> None:
    groups = bench.trainings.training(PRESET, KINDS["quota"], 42, Others(bench, PRESET)).examples.groups
    lexical, dense = (
        {g.query_id: g for g in bench.data.mining.rows(p, Others(bench, PRESET))} for p in (BY_BM25, BY_MODEL)
    )
    assert len({g.query_id for g in groups}) == len(groups) == 20
    for group in groups:
        first = lexical[group.query_id].negatives
        assert group.negatives == (*first, *[d for d in dense[group.query_id].negatives if d not in first][:1])


def test_of_a_window_the_first_negatives_that_are_not_flagged_are_kept(bench: Workbench) -> None:
    share, window = 0.4, RankWindow(1, 20, count=8)
    cleaned = bench.data.mining.rows(Cleaned(Mined(window, BM25()), PositiveRelative(share, ("dense", "bm25")), keep=2))
    mined = {g.query_id: g for g in bench.data.mining.rows(Mined(window, BM25()))}
    documents, queries = dict(bench.own.train_documents), bench.own.train_queries
    plain = SentenceTransformer(str(bench.base.path), device="cpu")
    dense = cosines(plain.encode(list(queries.values())), plain.encode(list(documents.values())))
    row, column = ({key: i for i, key in enumerate(keys)} for keys in (queries, documents))
    lexical = bench.data.mining.run(Mined(RankWindow(1, 1000), BM25()))
    flagged = 0
    for group in cleaned:
        (positive,), q = group.positives, group.query_id
        bm25 = dict(zip(lexical[q].doc_ids, lexical[q].scores, strict=True))
        good = [
            d
            for d in mined[q].negatives
            if dense[row[q], column[d]] < share * dense[row[q], column[positive]]
            or bm25.get(d, -np.inf) < share * bm25[positive]
        ]
        flagged += len(mined[q].negatives) - len(good)
        assert group.negatives == tuple(good[:2])
    assert len(cleaned) > 5
    assert flagged > 0, "else nothing is cleaned"


@pytest.fixture(scope="module")
def trained(bench: Workbench) -> Artifact:
    return bench.training(PRESET, "self", 42)


def test_self_mined_negatives_are_the_start_s_and_then_the_trained_model_s(bench: Workbench, trained: Artifact) -> None:
    job = bench.job(PRESET, "self", 42)
    assert job.earlier
    start, half_way = bench.trainings.initial(Start(Untied()), 42), tuned_model(job.earlier(bench.store))
    base_s, start_s, half_way_s = (ranked(bench, model) for model in (bench.base, start, half_way))
    assert are_of(job.earlier.examples.groups, start_s)
    assert not are_of(job.earlier.examples.groups, base_s)
    assert are_of(job.examples.groups, half_way_s)
    assert not are_of(job.examples.groups, start_s), "training has moved the ranking"
    assert [g.query_id for g in job.examples.groups] == [g.query_id for g in job.earlier.examples.groups]


def test_the_learning_rates_of_a_parted_training_are_those_of_the_whole_schedule(
    bench: Workbench, trained: Artifact
) -> None:
    job = bench.job(PRESET, "self", 42)
    assert (job.earlier and job.earlier.until, job.recipe.updates) == (5, 2 * 5)
    log = read_log(trained)
    rates = [(step, value) for step, measure, value in log if measure == "learning_rate"]
    whole = job.recipe
    assert rates == [(s, whole.optimizer.learning_rate * whole.schedule.factor(s, 10)) for s in range(10)]
    first = read_log(job.earlier(bench.store))  # type: ignore[misc]
    assert [e for e in log if e[0] < 5] == first


def read_log(artifact: Artifact) -> list[tuple[int, str, float]]:
    return [tuple(entry) for entry in json.loads((artifact.path / "log.json").read_text(encoding="utf-8"))]


def test_parted_without_other_negatives_a_training_gives_the_same_weights(bench: Workbench) -> None:
    """One optimiser: its moments and step counts go on, or the second part's first update would differ."""
    whole = bench.job(PRESET, "miner", 42)
    parted = replace(whole, earlier=replace(whole, until=3))
    assert weights(parted(bench.store)) == weights(whole(bench.store))
    assert weights(replace(whole, until=3)(bench.store)) != weights(whole(bench.store))


def weights(artifact: Artifact) -> bytes:
    return b"".join(p.read_bytes() for p in sorted((artifact.path / "model").rglob("model.safetensors")))


class Killed(Exception):
    pass


def test_killed_in_its_second_part_a_training_goes_on_to_the_same_weights(
    bench: Workbench, trained: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage.loop, "train", partial(stage.loop.train, checkpoint_seconds=0))
    advanced: list[list[int]] = []

    @contextmanager
    def progress(what: str, total: int, kill: bool = True) -> Iterator[Callable[[int], None]]:
        steps: list[int] = []
        if what.startswith("train"):
            advanced.append(steps)

        def advance(more: int) -> None:
            steps.append(more)
            if kill and len(advanced) == 2 and what.startswith("train") and sum(steps) == 7:
                raise Killed

        yield advance

    with pytest.raises(Killed):
        workbench(tmp_path / "study", tmp_path / "store", progress).training(PRESET, "self", 42)
    assert advanced == [[0, 1, 1, 1, 1, 1], [5, 1, 1]]
    advanced.clear()
    again = workbench(tmp_path / "again", tmp_path / "store", partial(progress, kill=False))
    found = again.training(PRESET, "self", 42)
    assert advanced == [[7, 1, 1, 1]], "neither the first part nor what was done of the second is done again"
    assert weights(found) == weights(trained)


def test_whether_a_system_is_done_is_answered_without_training(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = workbench(tmp_path / "study", tmp_path / "store")

    def never(*args: object, **values: object) -> None:
        raise AssertionError("asking trains")

    with monkeypatch.context() as patch:
        patch.setattr(stage.loop, "train", never)
        assert not any(is_done(fresh, name) for name in ("miner", *KINDS))
    whole = fresh.trainings.training(PRESET, KINDS["twice"], 42, Others(fresh, PRESET))
    first = replace(whole, until=round(whole.recipe.updates / 3))
    first(fresh.store)
    with monkeypatch.context() as patch:
        patch.setattr(stage.loop, "train", never)
        assert not is_done(fresh, "twice"), "its second part is not there, nor is its third"
    for name in KINDS:
        bench.training(PRESET, name, 42)
    monkeypatch.setattr(stage.loop, "train", never)
    assert all(is_done(bench, name) for name in ("miner", *KINDS))


def test_parts_are_as_many_as_refreshes_and_evenly_spread(bench: Workbench) -> None:
    policy = SelfMined(TOP, refreshes=2)
    whole = bench.trainings.training(PRESET, KINDS["twice"], 42, Others(bench, PRESET))
    last = refreshed(whole, policy, bench.data.mining)
    parts: list[Training] = [last]
    while parts[0].earlier:
        parts.insert(0, parts[0].earlier)
    assert [part.until for part in parts] == [3, 7, None], "of 10 updates"
    other = replace(whole, seed=1)
    assert not bench.store.holds(lambda: refreshed(other, policy, bench.data.mining)(bench.store))
    assert refreshed(whole, None, bench.data.mining) is whole
    with pytest.raises(InputError, match="2 updates cannot be cut in 3 parts"):
        refreshed(replace(whole, recipe=replace(whole.recipe, updates=2)), policy, bench.data.mining)


@pytest.mark.parametrize(
    ("policy", "names"),
    [
        (None, set()),
        (Mined(TOP), set()),
        (BY_BM25, set()),
        (Provided(BY_MODEL), {"miner"}),
        (Union((BY_MODEL, BY_BM25, Mined(TOP, "other"))), {"miner", "other"}),
        (Cleaned(BY_MODEL, PositiveRelative()), {"miner"}),
        (Cleaned(BY_MODEL, PositiveRelative(), teacher="reranker"), {"miner", "reranker"}),
        (Taught(BY_BM25, "reranker"), {"reranker"}),
        (SelfMined(TOP), set()),
    ],
)
def test_the_helpers_of_a_policy_are_the_systems_it_names(policy: Negatives | None, names: set[str]) -> None:
    assert helpers(policy) == names


def test_a_watched_kind_cannot_be_mined_by_a_system_that_it_would_have_to_wait_for(bench: Workbench) -> None:
    with pytest.raises(ValueError, match="negatives mined by 'miner' belong to a preset's system"):
        bench.data.with_negatives(BY_MODEL)


def is_done(bench: Workbench, name: str) -> bool:
    return bench.store.holds(lambda: bench.training(PRESET, name, 42))
