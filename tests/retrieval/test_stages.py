import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from small_collection import small_collection

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.collection.door import load
from strop.models.dense import Dense
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained, resolve
from strop.models.tokens import Tokens
from strop.monitoring.logbook import TRAIN
from strop.negatives.examples import Examples
from strop.negatives.from_run import RankWindow
from strop.negatives.positives import positive_groups
from strop.records.documents import Collection
from strop.records.errors import InputError, NonFiniteLossError
from strop.retrieval import encode as encode_file
from strop.retrieval import stages
from strop.retrieval.by_vectors import VectorPerText
from strop.retrieval.lexical import BM25
from strop.retrieval.retriever import retriever, retriever_of
from strop.retrieval.task import Task, texts_key
from strop.training import stage
from strop.training.recipes import Recipe

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
    run = stages.run_of(retriever_of(model).search(Task(store, queries, documents), 30))
    return Examples.of(RankWindow(2, 20)(positive_groups(data), run, seed=0), data)


def test_vectors_are_those_of_sentence_transformers_by_id(store: Store, model: Pretrained, data: Collection) -> None:
    _, documents = texts(data)
    found = stages.Vectors.load(stages.encode_texts(store, model, documents, "document"))
    theirs = Dense.load(model.path).model.encode(list(documents.values()), show_progress_bar=False)
    assert found.ids == tuple(documents)
    np.testing.assert_allclose(found.matrix, theirs, atol=1e-6)


def test_shards_change_neither_the_vectors_nor_the_run_and_are_read_as_one(
    store: Store, model: Pretrained, data: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queries, documents = texts(data)
    whole = stages.Vectors.load(stages.encode_texts(store, model, documents, "document"))
    run = stages.run_of(retriever_of(model).search(Task(store, queries, documents), 30))
    monkeypatch.setattr(stages, "SHARD", 13)
    other = Store(tmp_path / "sharded")
    artifact = stages.encode_texts(other, model, documents, "document")
    parts = stages.Vectors.load(artifact)
    assert len(list((other.root / "encode").glob("*/vectors.npy"))) == 5  # 60 documents: 13, 13, 13, 13, 8
    assert not (artifact.path / "vectors.npy").exists()
    assert parts.ids == whole.ids
    np.testing.assert_allclose(parts.matrix[:], whole.matrix, atol=1e-6)
    assert artifact.record["texts"] == 60
    sharded = stages.run_of(retriever_of(model).search(Task(other, queries, documents), 30))
    assert {q: ranking.doc_ids for q, ranking in sharded.items()} == {q: r.doc_ids for q, r in run.items()}


def test_a_run_killed_while_encoding_goes_on_at_the_shard_it_was_in(
    store: Store, model: Pretrained, data: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, documents = texts(data)
    monkeypatch.setattr(stages, "SHARD", 13)
    encoded: list[int] = []
    real = encode_file.encode

    def killed(
        encoder: Dense,
        tokens: Tokens,
        role: Role,
        out: encode_file.Vectors,
        progress: Callable[[int], None],
        *rest: Any,
    ) -> None:
        encoded.append(len(tokens))
        if len(encoded) == 3:
            raise KeyboardInterrupt
        real(encoder, tokens, role, out, progress, *rest)

    monkeypatch.setattr(stages.encode, "encode", killed)
    with pytest.raises(KeyboardInterrupt):
        stages.encode_texts(store, model, documents, "document")
    counted, watched = counting()
    stages.encode_texts(store, model, documents, "document", watched)
    assert encoded == [13, 13, 13, 13, 13, 8]  # the third was begun twice, the first two once
    assert counted == {"encode 60 documents": [60, 60]}


def test_texts_in_another_order_are_encoded_for_themselves(
    store: Store, model: Pretrained, data: Collection, tmp_path: Path
) -> None:
    """Their tokens too: a second model that took those of the first order would give texts each other's vectors."""
    _, documents = texts(data)
    second = resolve(str(tiny_models.build(tmp_path / "second", seed=1)))
    expected = stages.Vectors.load(stages.encode_texts(store, second, documents, "document"))
    other = Store(tmp_path / "other")
    stages.encode_texts(other, model, dict(reversed(documents.items())), "document")
    found = stages.Vectors.load(stages.encode_texts(other, second, documents, "document"))
    assert found.ids == expected.ids
    np.testing.assert_allclose(found.matrix, expected.matrix, atol=1e-6)


def test_a_key_tells_every_change_of_texts_and_never_mistakes_where_one_ends() -> None:
    different = [
        {},
        {"": ""},
        {"a": "bc"},
        {"ab": "c"},
        {"a": "b", "c": ""},
        {"a": "", "b": "c"},
        {"b": "c", "a": ""},
        {"a": "\ud800"},
        {"a": "\ud801"},
    ]
    assert len({texts_key(t) for t in different}) == len(different)
    assert texts_key({"a": "b", "c": "d"}) == texts_key(Lazy({"a": "b", "c": "d"}))


def test_texts_may_be_a_lazy_mapping(store: Store, model: Pretrained, data: Collection, tmp_path: Path) -> None:
    queries, documents = texts(data)
    for find in (
        lambda store, given: retriever_of(model).search(Task(store, queries, given), 9),
        lambda store, given: retriever("bm25").search(Task(store, queries, given), 9),
    ):
        first, second = find(store, documents), find(Store(tmp_path / "lazy"), Lazy(documents))
        assert first.key == second.key
        assert (first.path / "run.trec").read_bytes() == (second.path / "run.trec").read_bytes()


class Lazy(Mapping[str, str]):
    """Gives one text at a time, as a memory-mapped collection does."""

    def __init__(self, texts: dict[str, str]) -> None:
        self._texts = texts

    def __getitem__(self, text_id: str) -> str:
        return self._texts[text_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)


def test_an_artifact_is_named_by_content_and_not_by_place(
    store: Store, model: Pretrained, data: Collection, tmp_path: Path
) -> None:
    queries, documents = texts(data)
    moved = resolve(str(tiny_models.build(tmp_path / "elsewhere")))
    assert moved.path != model.path
    first = retriever_of(model).search(Task(store, queries, documents), 10)
    assert retriever_of(moved).search(Task(store, queries, documents), 10).key == first.key
    different = [
        retriever_of(model).search(Task(store, queries, documents), 11),
        retriever_of(model).search(Task(store, queries, documents, {"q0": "d0"}), 10),
        retriever_of(model).search(Task(store, queries, documents | {"d0": "another text"}), 10),
        retriever_of(model).search(Task(store, dict(list(queries.items())[1:]), documents), 10),
        retriever(str(tiny_models.build(tmp_path / "b", seed=1))).search(Task(store, queries, documents), 10),
    ]
    assert len({first.key, *(a.key for a in different)}) == 6


@pytest.mark.usefixtures("bfloat16")
def test_precision_is_in_the_keys_of_vectors_and_runs_unless_it_is_float32(
    store: Store, model: Pretrained, data: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stages, "SHARD", 13)
    exact, coarse = Task.of(data, store), Task.of(data, store, precision="bfloat16")
    retrieving = retriever_of(model)
    first, second = retrieving.search(exact, 5), retrieving.search(coarse, 5)
    assert first.record["values"] == {"depth": 5, "exclude": {}}, "as it always was"
    assert second.record["values"] == {"depth": 5, "exclude": {}, "precision": "bfloat16"}
    made = [json.loads(path.read_text())["values"] for path in sorted(store.root.glob("encode/*/record.json"))]
    sides = [
        side for side, parts in (("query", 3), ("document", 6)) for _ in range(parts)
    ]  # shards, and what joins them
    assert sorted(v for v in made if isinstance(v, str)) == sorted(sides)
    assert sorted(v["role"] for v in made if isinstance(v, dict)) == sorted(sides)
    scores = [stages.run_of(found)["q0"].scores[0] for found in (first, second)]
    assert 1e-5 < abs(scores[0] - scores[1]) < 0.1
    run = stages.run_of(first)
    reranked = [retrieving.rerank(task, run, 5) for task in (exact, coarse)]
    assert [found.record["values"].get("precision") for found in reranked] == [None, "bfloat16"]
    with pytest.raises(InputError, match="precision is 'float8'"):
        replace(exact, precision="float8")


@pytest.mark.parametrize("similarity", ["cosine", "dot"])
def test_the_first_dimensions_are_searched_in_the_vectors_that_are_there(
    similarity: str, store: Store, data: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_models.build(tmp_path, unit=similarity == "cosine", similarity=similarity)
    model, task = resolve(str(folder)), Task.of(data, store)
    whole = VectorPerText(model).search(task, 5)
    queries, documents = (stages.Vectors.load(stages.encode_side(task, model, r)) for r in ("query", "document"))
    short = VectorPerText(model, 8)
    with monkeypatch.context() as patch:
        patch.setattr(stages.encode, "encode", None)  # nothing is encoded again
        found = short.search(task, 5)
    assert whole.record["values"] == {"depth": 5, "exclude": {}}
    assert found.record["values"] == {"depth": 5, "exclude": {}, "dims": 8}
    rows, index = (side.matrix[:, :8].astype(np.float64) for side in (queries, documents))
    if similarity == "cosine":
        rows, index = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in (rows, index))
    run = stages.run_of(found)
    for query_id, scores in zip(queries.ids, rows @ index.T, strict=True):
        best = np.argsort(-scores)[:5]
        assert run[query_id].doc_ids == tuple(documents.ids[i] for i in best)
        np.testing.assert_allclose(run[query_id].scores, scores[best], rtol=1e-5)
    reordered = stages.run_of(short.rerank(task, stages.run_of(whole), 5))
    place = {doc_id: i for i, doc_id in enumerate(documents.ids)}
    q0 = dict(zip(documents.ids, (rows @ index.T)[queries.ids.index("q0")], strict=True))
    assert reordered["q0"].doc_ids == tuple(sorted(reordered["q0"].doc_ids, key=lambda d: -q0[d]))
    np.testing.assert_allclose(short.represent(task, "document", ["d3"]).vectors[0], index[place["d3"]], rtol=1e-5)
    for dims in (0, 33):
        with pytest.raises(InputError, match=f"no first {dims} dimensions"):
            VectorPerText(model, dims).search(task, 5)


def test_a_model_folder_overwritten_meanwhile_is_read_anew(
    store: Store, model: Pretrained, data: Collection, tmp_path: Path
) -> None:
    """Artifacts are named by content: the old weights' vectors under the new weights' name would never be noticed."""
    _, documents = texts(data)
    tiny_models.build(tmp_path / "overwritten")
    stages.encode_texts(store, resolve(str(tmp_path / "overwritten/model")), documents, "document")
    shutil.rmtree(tmp_path / "overwritten")
    other = resolve(str(tiny_models.build(tmp_path / "overwritten", seed=1)))
    found = stages.Vectors.load(stages.encode_texts(store, other, documents, "document"))
    expected = Dense.load(other.path).model.encode(list(documents.values()), show_progress_bar=False)
    np.testing.assert_allclose(found.matrix, expected, atol=1e-6)


def test_an_excluded_document_is_not_retrieved(store: Store, model: Pretrained, data: Collection) -> None:
    queries, documents = texts(data)
    for found in (
        retriever_of(model).search(Task(store, queries, documents, {"q0": "d0"}), 60),
        retriever("bm25").search(Task(store, queries, documents, {"q0": "d0"}), 60),
    ):
        run = stages.run_of(found)
        assert "d0" not in run["q0"].doc_ids
        assert "d0" in {d for q, ranking in run.items() if q != "q0" for d in ranking.doc_ids}


def test_other_bm25_parameters_are_another_artifact(store: Store, data: Collection) -> None:
    queries, documents = texts(data)
    keys = {
        retriever_of(bm25).search(Task(store, queries, documents), 9).key for bm25 in (BM25(), BM25(k1=1.2), BM25())
    }
    assert len(keys) == 2


def test_a_tuned_model_is_recorded_and_differs_by_recipe_and_seed(
    store: Store, model: Pretrained, data: Collection
) -> None:
    chosen = examples(data, store, model)
    held_out = replace(chosen, groups=chosen.groups[:4])
    first = stage.Training(model, RECIPE, chosen, {"held_out": held_out}, 1)(store)
    assert {p.name for p in first.path.iterdir()} == {"model", "log.json", "rows.csv", "run.json", "record.json"}
    assert first.record["groups"] == 24
    assert first.record["ledger"]["trainable"] == first.record["ledger"]["total"]
    assert first.record["values"]["recipe"]["loss"] == {"type": "Triplet", "margin": 5.0}

    def key(recipe: Recipe, seed: int, given: Examples) -> str:
        return store.key(TRAIN, {"recipe": recipe, "seed": seed}, dict(first.record["inputs"]))

    assert key(RECIPE, 1, chosen) == first.key
    assert key(RECIPE, 2, chosen) != first.key
    assert key(replace(RECIPE, clip=2.0), 1, chosen) != first.key
    assert stage.tuned_model(first).identity != model.identity


def test_examples_give_one_key_whatever_the_order_of_their_sets(
    store: Store, model: Pretrained, data: Collection
) -> None:
    chosen = examples(data, store, model)
    group = replace(chosen.groups[0], relevant=frozenset(["d2", "d1", "d10"]))
    same = replace(chosen.groups[0], relevant=frozenset(["d10", "d2", "d1"]))
    plain = stage.asdict_examples(replace(chosen, groups=(group,)))
    assert plain == stage.asdict_examples(replace(chosen, groups=(same,)))
    assert plain["groups"][0]["relevant"] == ["d1", "d10", "d2"]


def test_a_loss_that_is_no_number_leaves_no_artifact(store: Store, model: Pretrained, data: Collection) -> None:
    wild = replace(RECIPE, optimizer=replace(RECIPE.optimizer, learning_rate=1e30), clip=float("inf"))
    with pytest.raises(NonFiniteLossError, match=r"update \d: .* queries q\d+"):
        stage.Training(model, wild, examples(data, store, model), {}, 1)(store)
    assert not list((store.root / "train").glob("*/record.json"))


def counting() -> tuple[dict[str, list[int]], Progress]:
    """What progress was told: [total, sum of what was done]."""
    counted: dict[str, list[int]] = {}

    @contextmanager
    def watched(what: str, total: int) -> Iterator[Callable[[int], None]]:
        counted[what] = [total, 0]

        def advance(done: int) -> None:
            counted[what][1] += done

        yield advance

    return counted, watched


@pytest.mark.parametrize("shard", [13, 200])
def test_progress_counts_every_text_once(
    store: Store, model: Pretrained, data: Collection, monkeypatch: pytest.MonkeyPatch, shard: int
) -> None:
    counted, watched = counting()
    queries, documents = texts(data)
    monkeypatch.setattr(stages, "SHARD", shard)
    retriever_of(model).search(Task(store, queries, documents, progress=watched), 5)
    retriever("bm25").search(Task(store, queries, documents, progress=watched), 5)
    assert set(counted) == {
        "encode 60 documents",
        "encode 24 queries",
        "search 60 documents",
        "BM25 over 60 documents",
    }
    assert all(total == done for total, done in counted.values()), counted
