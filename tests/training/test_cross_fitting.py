"""Folds that share no relevant document, and a teacher that never scores what it was trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from strop.artifacts.store import Artifact, Store
from strop.models.cross_encoder import FreshHead
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.examples import Examples
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.retriever import ReadsPairs
from strop.retrieval.stages import run_of
from strop.retrieval.task import Task
from strop.training.batches import Batching
from strop.training.cross_fitting import cross_fitted, folds, own_candidates, scores, trainings
from strop.training.optimizers import AdamW
from strop.training.recipes import RERANK_BCE
from strop.training.stage import Training, tuned_model

pytestmark = pytest.mark.usefixtures("one_thread")
WORDS = tiny_models.WORDS
DOCUMENTS = {f"d{i}": f"{WORDS[i]} ban {WORDS[i + 7]}" for i in range(40)}
QUERIES = {f"q{i:02}": WORDS[i] for i in range(12)}


def group(query: str, *relevant: str, negatives: Sequence[str] = ()) -> Group:
    return Group(query, relevant[:1], tuple(negatives), relevant=frozenset(relevant))


def examples(count: int = 12) -> Examples:
    """Queries 0 and 1 have one positive, 1 and 2 another relevant document in common; the rest stand alone."""
    relevant = {f"q{i:02}": (f"d{i}",) for i in range(count)} | {"q01": ("d0", "d2"), "q02": ("d2",)}
    groups = [group(q, *own, negatives=(f"d{20 + i}", "d39")) for i, (q, own) in enumerate(relevant.items())]
    return Examples(tuple(groups), QUERIES, DOCUMENTS)


def training(base: Pretrained, **more: Any) -> Training:
    recipe = replace(RERANK_BCE, updates=6, batching=Batching(4), token_budget=256)
    return Training(base, recipe, examples(), {}, seed=3, **more)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    folder = tmp_path_factory.mktemp("base")
    FreshHead().convert(tiny_models.build(folder), folder / "reranker")
    return resolve(str(folder / "reranker"))


def test_queries_that_share_a_relevant_document_over_any_number_of_steps_are_in_one_fold() -> None:
    chain = [group("a", "1", "2"), group("b", "2", "3"), group("c", "3"), group("c", "4"), group("d", "4")]
    alone = [group(f"e{i}", f"e{i}") for i in range(4)]
    for seed in range(10):
        made = folds([*chain, *alone], 2, seed)
        assert {frozenset("abcd"), frozenset(f"e{i}" for i in range(4))} == set(made)


def test_each_query_is_in_one_fold_and_sizes_are_as_equal_as_the_parts_allow() -> None:
    sizes = (3, 2, 2, 1, 1)
    groups = [group(f"{part}-{i}", f"of {part}") for part, size in enumerate(sizes) for i in range(size)]
    for count, expected in {2: [4, 5], 3: [3, 3, 3], 5: [1, 1, 2, 2, 3]}.items():
        made = folds(groups, count, seed=1)
        assert sorted(map(len, made)) == expected
        assert sorted(q for fold in made for q in fold) == sorted(g.query_id for g in groups)
    many = [group(f"{i}", f"{i}") for i in range(30)]
    assert folds(many, 2, 1) == folds(many[::-1], 2, 1) != folds(many, 2, 2)


def test_queries_that_cannot_be_kept_apart_are_refused_with_the_share_that_hangs_together() -> None:
    joined = [group(f"{i}", "same") for i in range(9)]
    with pytest.raises(InputError, match="90% of the 10 queries are connected by relevant documents"):
        folds([*joined, group("x", "other")], 2, seed=0)
    with pytest.raises(InputError, match=r"fall into 2 parts .* fewer than 3 folds\. Make 2 folds"):
        folds([*joined[:3], group("x", "other")], 3, seed=0)
    with pytest.raises(InputError, match="1 queries cannot make 2 folds"):
        folds(joined[:1], 2, seed=0)
    with pytest.raises(InputError, match="1 folds leave nothing to train on"):
        folds(joined, 1, seed=0)


def test_texts_connect_queries_too() -> None:
    groups = [group("a", "1"), group("b", "2"), group("c", "3"), group("d", "4")]
    queries = {"a": "one", "b": "one", "c": "two", "d": "three"}
    documents = {"1": "x", "2": "y", "3": "z", "4": "y"}
    made = folds(groups, 2, 0, queries, documents)
    assert {"a", "b", "d"} in made, "a and b ask the same, and what answers b answers d"
    assert {"c"} in made


def test_a_fold_s_training_has_the_others_groups_and_texts_alone_for_as_many_epochs(base: Pretrained) -> None:
    whole = replace(training(base, snapshots=2), held_out={"mined": examples(), "one": Examples(
        (group("q09", "d9", negatives=("d39",)), group("new", "d0", negatives=("d38",))),
        QUERIES | {"new": "ban"}, DOCUMENTS,
    )})  # fmt: skip
    fold = frozenset({"q00", "q01", "q02"})
    without, other = trainings(whole, (fold, QUERIES.keys() - fold))
    assert [g.query_id for g in without.examples.groups] == [f"q{i:02}" for i in range(3, 12)]
    assert (without.recipe.updates, other.recipe.updates) == (round(6 * 9 / 12), round(6 * 3 / 12))
    assert replace(without.recipe, updates=6) == whole.recipe
    assert set(without.examples.queries) == {f"q{i:02}" for i in range(3, 12)}
    assert not {"d0", "d2", "d20", "d1"} & set(without.examples.documents)
    assert without.snapshots == 0
    assert {g.query_id for g in without.held_out["mined"].groups} == {f"q{i:02}" for i in range(3, 12)}
    assert [g.query_id for g in without.held_out["one"].groups] == ["q09"], "d0 answers a query of the fold"
    assert set(other.held_out) == {"mined", "one"}
    assert [g.query_id for g in other.held_out["one"].groups] == ["new"]


def test_folds_that_do_not_keep_apart_are_refused(base: Pretrained) -> None:
    whole, odd = training(base), {f"q{i:02}" for i in range(1, 12, 2)}
    with pytest.raises(InputError, match=r"query 'q00' shares the relevant document 'd0' with a query of another fold"):
        trainings(whole, (odd, QUERIES.keys() - odd))
    with pytest.raises(InputError, match=r"6 of 12 queries trained on are in no fold or in several \(first: 'q00'\)"):
        trainings(whole, (odd,))
    with pytest.raises(InputError, match=r"6 of 12 queries trained on are in no fold or in several \(first: 'q01'\)"):
        trainings(whole, (odd, QUERIES.keys()))
    with pytest.raises(InputError, match="a fold holds every query"):
        trainings(whole, (QUERIES.keys(),))
    for parts in (replace(whole, until=2), replace(whole, earlier=whole)):
        with pytest.raises(InputError, match="a training in parts cannot be cross-fitted"):
            trainings(parts, (odd, QUERIES.keys() - odd))


class Spy:
    """What each model was trained on and which queries it scored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.trained: dict[Path, Examples] = {}
        self.scored: list[tuple[Path, Run, Run]] = []
        train, rerank = Training.__call__, ReadsPairs.rerank

        def trains(job: Training, *args: Any) -> Artifact:
            made = train(job, *args)
            self.trained[tuned_model(made).path] = job.examples
            return made

        def reranks(retriever: ReadsPairs, task: Task, candidates: Run, *args: Any, **more: Any) -> Artifact:
            made = rerank(retriever, task, candidates, *args, **more)
            self.scored.append((retriever.model.path, candidates, run_of(made)))
            return made

        monkeypatch.setattr(Training, "__call__", trains)
        monkeypatch.setattr(ReadsPairs, "rerank", reranks)


def test_no_query_is_scored_by_a_model_trained_on_it_or_on_one_that_shares_a_positive(
    base: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, whole, said = Spy(monkeypatch), training(base), []

    @contextmanager
    def heard(what: str, total: int) -> Iterator[Callable[[int], None]]:
        said.append(what)
        yield lambda done: None

    made = folds(whole.examples.groups, 3, seed=5)
    deep = {f"q{i:02}": ([f"d{j}" for j in range(i, i + 9)], [-float(j) for j in range(9)]) for i in range(12)}
    candidates = Run(deep | {"other": (["d1"], [1.0])})
    args = (whole, candidates, QUERIES | {"other": "ban"}, DOCUMENTS, made, Store(tmp_path))
    run = cross_fitted(*args, heard)

    relevant = {g.query_id: g.relevant for g in whole.examples.groups}
    assert len(spy.trained) == len(spy.scored) == 3
    for model, asked, _ in spy.scored:
        known = {g.query_id for g in spy.trained[model].groups}
        assert known == QUERIES.keys() - asked.keys() == set(spy.trained[model].queries)
        assert not {d for q in asked for d in relevant[q]} & {d for q in known for d in relevant[q]}
    assert list(run) == list(QUERIES), "in the candidates' order, without the query that is in no fold"
    for _, asked, found in spy.scored:
        for query_id in asked:
            assert run[query_id].doc_ids == found[query_id].doc_ids
            assert run[query_id].scores.tolist() == found[query_id].scores.tolist()
            assert set(run[query_id].doc_ids) == set(deep[query_id][0]), "every candidate, however deep"
    assert len({next(iter(found.values())).scores.tolist()[0] for _, _, found in spy.scored}) == 3

    assert [word.split(": ")[0] for word in said] == ["fold 1/3"] * 2 + ["fold 2/3"] * 2 + ["fold 3/3"] * 2
    said.clear()
    again = cross_fitted(*args, heard)
    assert not said, "all of it was made before"
    assert {q: ranking.scores.tolist() for q, ranking in again.items()} == {
        q: ranking.scores.tolist() for q, ranking in run.items()
    }


def test_a_fold_without_candidates_is_not_trained_for_and_candidates_of_others_are_refused(
    base: Pretrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spy, whole = Spy(monkeypatch), training(base)
    fold = frozenset({"q00", "q01", "q02"})
    args = (QUERIES, DOCUMENTS, (fold, QUERIES.keys() - fold), Store(tmp_path))
    run = cross_fitted(whole, Run({"q01": (["d5", "d0"], [1.0, 0.0])}), *args, precision="float32")
    assert set(run) == {"q01"}
    assert len(spy.trained) == 1
    with pytest.raises(InputError, match="no query of the candidates is in a fold"):
        cross_fitted(whole, Run({"q99": (["d5"], [1.0])}), *args)


def test_a_query_s_own_candidates_are_those_of_all_its_groups_once() -> None:
    run = own_candidates(
        [group("a", "1", negatives=("3", "4")), group("a", "2", negatives=("4", "5")), group("b", "1")]
    )
    assert {q: set(ranking.doc_ids) for q, ranking in run.items()} == {"a": {"1", "2", "3", "4", "5"}, "b": {"1"}}


def test_a_teacher_knows_by_heart_what_it_was_trained_on_and_not_what_it_was_kept_from(
    base: Pretrained, tmp_path: Path
) -> None:
    rng, store = np.random.default_rng(0), Store(tmp_path)  # nothing tells a positive from a negative
    count = 24
    queries = {f"q{i}": " ".join(rng.choice(WORDS, 2)) for i in range(count)}
    documents = {f"{kind}{i}": " ".join(rng.choice(WORDS, 3)) for i in range(count) for kind in "pn"}
    groups = tuple(group(f"q{i}", f"p{i}", negatives=(f"n{i}",)) for i in range(count))
    recipe = replace(RERANK_BCE, updates=80, batching=Batching(12), optimizer=AdamW(3e-3), dropout=0.0)
    whole = Training(base, recipe, Examples(groups, queries, documents), {}, seed=0)

    def right(run: Run) -> float:
        return float(np.mean([run[g.query_id].doc_ids[0] == g.positives[0] for g in groups]))

    own = own_candidates(groups)
    assert right(scores(store, tuned_model(whole(store)), own, queries, documents)) > 0.9
    assert right(cross_fitted(whole, own, queries, documents, folds(groups, 2, 0), store)) < 0.75
