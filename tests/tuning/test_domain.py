"""The data of a tuning: splits that are there or cut, dev answers kept from training, leaks, and guards dealt out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from learnable_collection import learnable_collection

from strop.collection.generated import generated
from strop.records.documents import Document
from strop.records.errors import InputError
from strop.tuning import domain, guards
from strop.tuning.domain import Domain
from strop.tuning.pools import relevant


def read(folder: Path) -> Domain:
    return domain.read(str(folder), folder / "cache", 1, 120, lambda documents: generated(documents, 1, 1000))


def collection(folder: Path, qrels: Mapping[str, Mapping[str, Sequence[str]]], texts: Mapping[str, str]) -> Path:
    """Splits -> queries -> relevant documents; a query's text is its id unless `texts` has another."""
    (folder / "qrels").mkdir(parents=True)
    documents = sorted({d for of in qrels.values() for judged in of.values() for d in judged} | {"other"})
    lines = [{"_id": d, "text": f"document {d} says this and that"} for d in documents]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    queries = [{"_id": q, "text": texts.get(q, f"about {q}")} for of in qrels.values() for q in of]
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries), encoding="utf-8")
    for split, of in qrels.items():
        rows = "".join(f"{q}\t{d}\t1\n" for q, judged in of.items() for d in judged)
        (folder / "qrels" / f"{split}.tsv").write_text(f"query-id\tcorpus-id\tscore\n{rows}", encoding="utf-8")
    return folder


def test_the_splits_of_a_collection_are_taken_as_they_are(tmp_path: Path) -> None:
    own = read(learnable_collection(tmp_path / "own"))
    assert (own.queries, len(own.dev.queries), len(own.test.queries)) == (160, 40, 100)  # type: ignore[union-attr]
    assert not own.generated
    assert [split.split for split in own.splits] == ["dev", "test", "train"]


def test_splits_that_are_missing_are_cut_from_training_queries_and_share_no_answer(tmp_path: Path) -> None:
    own = read(learnable_collection(tmp_path / "own", splits={"train": 200}))
    assert own.test is not None
    sizes = own.queries, len(own.dev.queries), len(own.test.queries)
    assert sum(sizes) <= 200
    assert min(sizes) >= 25
    test_answers = {d for judged in own.test.qrels.values() for d in judged}
    dev_answers = {d for judged in own.dev.qrels.values() for d in judged}
    assert not own.answers & (test_answers | dev_answers)
    assert not test_answers & dev_answers
    assert sum("cut off" in line for line in own.findings) == 2


def test_dev_answers_are_kept_from_training_as_far_as_the_pairs_allow(tmp_path: Path) -> None:
    """Every dev answer is a training answer too; a fifth of the pairs may be given up, the cheapest queries' first."""
    train = {f"t{i}": [f"d{i}"] for i in range(20)} | {f"u{i}": ["popular"] for i in range(20)}
    dev = {"v1": ["d1"], "v2": ["d2"], "v3": ["popular"]}
    own = read(collection(tmp_path / "own", {"train": train, "dev": dev, "test": {"w": ["d9"]}}, {}))
    assert own.closed == {"d1", "d2"}
    assert own.answers & {"d1", "d2", "popular"} == {"popular"}
    known, new = own.populations(own.dev)
    assert (known, new) == ({"v3"}, {"v1", "v2"})


def test_a_training_query_that_is_asked_in_the_test_is_left_out(tmp_path: Path) -> None:
    train = {f"t{i}": [f"d{i}"] for i in range(10)}
    splits = {"train": train, "dev": {"v": ["e1"]}, "test": {"w": ["e2"]}}
    own = read(collection(tmp_path / "own", splits, {"t3": "The SAME  words", "w": "the same words"}))
    assert "t3" not in {g.query_id for g in own.examples.groups}
    assert any("word for word" in line for line in own.warnings)


def test_every_query_s_best_answer_comes_before_any_second_one(tmp_path: Path) -> None:
    folder = collection(
        tmp_path / "own",
        {"train": {f"t{i}": [f"a{i}", f"b{i}"] for i in range(6)}, "dev": {"v": ["e1"]}, "test": {"w": ["e2"]}},
        {},
    )
    qrels = folder / "qrels/train.tsv"
    qrels.write_text(qrels.read_text(encoding="utf-8").replace("\tb2\t1", "\tb2\t2"), encoding="utf-8")
    positives = [g.positives[0] for g in read(folder).examples.groups]
    assert positives[:6] == ["a0", "a1", "b2", "a3", "a4", "a5"]
    assert set(positives[6:]) == {"b0", "b1", "a2", "b3", "b4", "b5"}


def test_a_collection_with_test_queries_only_trains_on_queries_made_of_its_documents(tmp_path: Path) -> None:
    folder = learnable_collection(tmp_path / "own", splits={"test": 40})
    lines = [json.loads(line) for line in (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    titled = [{**line, "title": f"heading {i} of it", "text": f"{line['text']} " * 3} for i, line in enumerate(lines)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in titled), encoding="utf-8")
    own = read(folder)
    assert own.generated
    assert own.test is not None
    assert len(own.test.queries) == 40
    assert all("heading" not in text for text in own.examples.documents.values()), "the query is taken out of its text"
    assert not own.answers & {d for judged in own.dev.qrels.values() for d in judged}


@pytest.mark.parametrize("splits", [{"train": 2}, {"train": 1, "dev": 1, "test": 1}])
def test_too_little_to_train_on_is_one_clear_answer(tmp_path: Path, splits: dict[str, int]) -> None:
    with pytest.raises(InputError, match=r"training pairs and .* dev queries are left"):
        read(learnable_collection(tmp_path / "own", splits=splits))


def test_documents_that_give_no_query_are_one_clear_answer(tmp_path: Path) -> None:
    (tmp_path / "corpus.jsonl").write_text(
        '{"_id": "a", "text": "one"}\n{"_id": "b", "text": "two"}\n', encoding="utf-8"
    )
    with pytest.raises(InputError, match="training pairs"):
        read(tmp_path)


def test_a_guard_s_single_split_is_dealt_out_and_no_query_is_on_both_sides(tmp_path: Path) -> None:
    guard = guards.read(str(learnable_collection(tmp_path / "g", splits={"test": 90})), tmp_path, 1, 100)
    assert not guard.choose.queries.keys() & guard.certify.queries.keys()
    assert len(guard.choose.queries) + len(guard.certify.queries) == 90
    assert 55 <= len(guard.certify.queries) <= 65
    assert len(guard.certify.documents) == 90, "certified on the whole corpus"


def test_a_guard_s_dev_split_chooses_and_its_whole_test_split_certifies(tmp_path: Path) -> None:
    guard = guards.read(str(learnable_collection(tmp_path / "g")), tmp_path, 1, 90)
    assert len(guard.certify.queries) == 100
    assert len(guard.choose.queries) == 30, "no more than a third of the pool's documents"
    assert all(relevant(judged) <= guard.choose.documents.keys() for judged in guard.choose.qrels.values())


def test_a_collection_cannot_guard_itself(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot guard itself"):
        guards.read_all(["here"], "here", tmp_path, 1, 90)


def test_documents_only_is_said(tmp_path: Path) -> None:
    documents = [Document(f"d{i}", f"word{i} " * 30, title=f"the topic {i}") for i in range(40)]
    lines = [{"_id": d.id, "title": d.title, "text": d.text} for d in documents]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    own = read(tmp_path)
    assert own.test is None
    assert any("never certify" in line for line in own.findings)
