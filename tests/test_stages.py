from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from small_collection import small_collection

from strop import stages, tuning
from strop.artifacts import Store
from strop.collection.door import load
from strop.lexical import BM25
from strop.models.dense import Dense
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.from_run import RankWindow
from strop.negatives.group_files import Examples
from strop.negatives.positives import positive_groups
from strop.nouns import Collection, NonFiniteLossError
from strop.train import Recipe

pytestmark = pytest.mark.usefixtures("one_thread")
RECIPE = replace(tiny_models.RECIPE, updates=4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Pretrained:
    return resolve(str(tiny_models.build(tmp_path_factory.mktemp("model"))))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    return load(small_collection(tmp_path_factory.mktemp("data") / "small"), "train")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def texts(data: Collection) -> tuple[dict[str, str], dict[str, str]]:
    return {q.id: q.text for q in data.queries.values()}, {d.id: d.contents for d in data.documents.values()}


def examples(data: Collection, store: Store, model: Pretrained) -> Examples:
    queries, documents = texts(data)
    run = stages.run_of(stages.search_dense(store, model, queries, documents, 30))
    return Examples.of(RankWindow(2, 20)(positive_groups(data), run, seed=0), data)


def test_vectors_are_those_of_sentence_transformers_by_id(store: Store, model: Pretrained, data: Collection) -> None:
    _, documents = texts(data)
    found = stages.Vectors.load(stages.encode_texts(store, model, documents, "document"))
    theirs = Dense.load(model.path).model.encode(list(documents.values()), show_progress_bar=False)
    assert found.ids == tuple(documents)
    np.testing.assert_allclose(found.matrix, theirs, atol=1e-6)


def test_an_artifact_is_named_by_content_and_not_by_place(
    store: Store, model: Pretrained, data: Collection, tmp_path: Path
) -> None:
    queries, documents = texts(data)
    moved = resolve(str(tiny_models.build(tmp_path / "elsewhere")))
    assert moved.path != model.path
    first = stages.search_dense(store, model, queries, documents, 10)
    assert stages.search_dense(store, moved, queries, documents, 10).key == first.key
    different = [
        stages.search_dense(store, model, queries, documents, 11),
        stages.search_dense(store, model, queries, documents, 10, {"q0": "d0"}),
        stages.search_dense(store, model, queries, documents | {"d0": "another text"}, 10),
        stages.search_dense(store, model, dict(list(queries.items())[1:]), documents, 10),
        stages.search_dense(store, resolve(str(tiny_models.build(tmp_path / "b", seed=1))), queries, documents, 10),
    ]
    assert len({first.key, *(a.key for a in different)}) == 6


def test_an_excluded_document_is_not_retrieved(store: Store, model: Pretrained, data: Collection) -> None:
    queries, documents = texts(data)
    for found in (
        stages.search_dense(store, model, queries, documents, 60, {"q0": "d0"}),
        stages.search_lexical(store, BM25(), queries, documents, 60, {"q0": "d0"}),
    ):
        run = stages.run_of(found)
        assert "d0" not in run["q0"].doc_ids
        assert "d0" in {d for q, ranking in run.items() if q != "q0" for d in ranking.doc_ids}


def test_other_bm25_parameters_are_another_artifact(store: Store, data: Collection) -> None:
    queries, documents = texts(data)
    keys = {stages.search_lexical(store, bm25, queries, documents, 9).key for bm25 in (BM25(), BM25(k1=1.2), BM25())}
    assert len(keys) == 2


def test_a_tuned_model_is_recorded_and_differs_by_recipe_and_seed(
    store: Store, model: Pretrained, data: Collection
) -> None:
    chosen = examples(data, store, model)
    held_out = replace(chosen, groups=chosen.groups[:4])
    first = tuning.tune(store, model, RECIPE, chosen, held_out, 1)
    assert {p.name for p in first.path.iterdir()} == {"model", "log.json", "record.json"}
    assert first.record["groups"] == 24
    assert first.record["ledger"]["trainable"] == first.record["ledger"]["total"]
    assert first.record["values"]["recipe"]["loss"] == {"type": "Triplet", "margin": 5.0}

    def key(recipe: Recipe, seed: int, given: Examples) -> str:
        return store.key(tuning.TRAIN, {"recipe": recipe, "seed": seed}, dict(first.record["inputs"]))

    assert key(RECIPE, 1, chosen) == first.key
    assert key(RECIPE, 2, chosen) != first.key
    assert key(replace(RECIPE, clip=2.0), 1, chosen) != first.key
    assert tuning.tuned_model(first).identity != model.identity


def test_examples_give_one_key_whatever_the_order_of_their_sets(
    store: Store, model: Pretrained, data: Collection
) -> None:
    chosen = examples(data, store, model)
    group = replace(chosen.groups[0], relevant=frozenset(["d2", "d1", "d10"]))
    same = replace(chosen.groups[0], relevant=frozenset(["d10", "d2", "d1"]))
    plain = tuning.asdict_examples(replace(chosen, groups=(group,)))
    assert plain == tuning.asdict_examples(replace(chosen, groups=(same,)))
    assert plain["groups"][0]["relevant"] == ["d1", "d10", "d2"]


def test_a_loss_that_is_no_number_leaves_no_artifact(store: Store, model: Pretrained, data: Collection) -> None:
    wild = replace(RECIPE, optimizer=replace(RECIPE.optimizer, learning_rate=1e30), clip=float("inf"))
    with pytest.raises(NonFiniteLossError, match=r"update \d: .* queries q\d+"):
        tuning.tune(store, model, wild, examples(data, store, model), None, 1)
    assert not list((store.root / "train").glob("*/record.json"))


def test_progress_counts_every_text_once(store: Store, model: Pretrained, data: Collection) -> None:
    from collections.abc import Callable, Iterator
    from contextlib import contextmanager

    counted: dict[str, list[int]] = {}

    @contextmanager
    def watched(what: str, total: int) -> Iterator[Callable[[int], None]]:
        counted[what] = [total, 0]

        def advance(done: int) -> None:
            counted[what][1] += done

        yield advance

    queries, documents = texts(data)
    stages.search_dense(store, model, queries, documents, 5, progress=watched)
    stages.search_lexical(store, BM25(), queries, documents, 5, progress=watched)
    assert set(counted) == {
        "encode 60 documents",
        "encode 24 queries",
        "search 60 documents",
        "BM25 over 60 documents",
    }
    assert all(total == done for total, done in counted.values()), counted
