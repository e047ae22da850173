"""The thesis' questions of arithmetic and of scripts (T9, T12, T15, T17, T20 to T22), each with both verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from strop.records.documents import Collection, Document, Query
from strop.studies.updates import updates
from strop.studies.when_finetuning_fails import defects
from strop.study.definition import find


def bench(source: str = "", own: Any = None) -> Any:
    """A workbench on these data."""
    return SimpleNamespace(source=source, own=own)


def collection(
    split: str, qrels: Mapping[str, Mapping[str, int]], reserved: frozenset[str] = frozenset()
) -> Collection:
    documents = {f"d{i}": Document(f"d{i}", "text") for i in range(1, 5)}
    queries = {q: Query(q, f"What is {q} ?") for q in qrels}
    return Collection("c", split, documents, queries, qrels, "", reserved)


def test_a_column_written_under_another_name_cannot_be_selected() -> None:
    shown = defects.missing_column(bench())
    assert shown.verdict == "shown"
    assert "query_id and column_id" in shown.sentence
    assert "'passage_id'" in shown.sentence


def test_a_column_that_was_written_can_be_selected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "WRITTEN", ("query_id", "passage_id"))
    assert defects.missing_column(bench()).verdict == "not shown"


def test_logged_steps_are_those_of_larger_batches_than_printed() -> None:
    assert updates(800_000, 3, 1024) == 2_346 == 3 * 782
    assert updates(402_400, 5, 1024) == 1_965
    assert 0.8 * 1_000_000 == 800_000
    assert 0.8 * 503_000 == 402_400
    shown = defects.batch_and_warmup(bench())
    assert shown.verdict == "shown"
    assert "4 of 4" in shown.sentence
    assert "18,750, 18,750, 15,720 and 9,432" in shown.sentence


def test_steps_of_the_printed_batch_would_speak_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    printed = {name: (triples, epochs, updates(triples, epochs, 128), 128) for name, (triples, epochs, *_) in
               defects.RUNS.items()}  # fmt: skip
    monkeypatch.setattr(defects, "RUNS", printed)
    assert defects.batch_and_warmup(bench()).verdict == "not shown"


def test_printed_judgments_are_judged_queries() -> None:
    whole = collection("test", {"q1": {"d1": 1, "d2": 0}, "q2": {"d2": 1}})
    shown = defects.queries_or_judgments(bench(own=SimpleNamespace(whole=whole)))
    assert shown.tables[0].rows[-1] == ("c/test, here", "2", "3")
    assert shown.verdict == "shown"
    assert "the number of judged queries of MS MARCO dev, and of judgments of no split" in shown.sentence
    assert "59,273 judgments (1.07 per query)" in shown.sentence
    judgments = dict.fromkeys(map(str, range(defects.PRINTED_JUDGMENTS)), 1)
    many = SimpleNamespace(whole=collection("test", {"q1": judgments}))
    assert defects.queries_or_judgments(bench(own=many)).verdict == "not shown", "a split has as many"


def test_overlap_counts_equal_queries_and_known_positives() -> None:
    train = collection("train", {"q1": {"d1": 1, "d2": 1, "d3": 0}, "q3": {"d4": 1}}, frozenset({"d4"}))
    test = collection("test", {"q2": {"d2": 1}, "Q1": {"d3": 1}, "q4": {"d4": 2}})
    assert defects.overlap(train, test) == (1, 3, 1, 3), "d3 is no positive there, d4 is reserved"


@pytest.mark.parametrize(
    ("own_documents", "query", "verdict"),
    [(4, "Q1", "not shown"), (4, "q4", "shown"), (8_841_823, "Q1", "not resolved")],
)
def test_shared_queries_speak_of_pre_training_on_the_paper_s_own_collection_alone(
    own_documents: int, query: str, verdict: str
) -> None:
    train, test = collection("train", {"q1": {"d1": 1}}), collection("test", {query: {"d2": 1}})
    study = SimpleNamespace(own_documents=own_documents)
    shared = SimpleNamespace(train=train, test=test, whole=test)
    evidence = defects.seen_before(SimpleNamespace(study=study, own=shared))  # type: ignore[arg-type]
    assert evidence.verdict == verdict
    assert f"has {int(query == 'Q1')} of the 1 test queries" in evidence.sentence


def test_four_tuned_models_of_the_published_table_are_of_one_architecture() -> None:
    study = find("when_finetuning_fails")
    shown = defects.one_architecture(SimpleNamespace(study=study))  # type: ignore[arg-type]
    assert shown.verdict == "shown"
    assert "5 rows: the untouched base and 4 fine-tuned models, 4 of them below it" in shown.sentence
    five = replace(study, published={**study.published, "fifth": {"RR@10": 0.1}})
    assert defects.one_architecture(SimpleNamespace(study=five)).verdict == "not shown"  # type: ignore[arg-type]


def test_quoting_is_judged_by_the_collection_s_own_file_and_not_by_five_lines_made_to_lose(tmp_path: Path) -> None:
    made_up = defects.merged_rows(bench(source=str(tmp_path)))
    assert made_up.verdict == "not resolved"
    assert made_up.tables[0].rows[0][1:] == ("5", "3", "2", "0"), "three lines became one"
    (tmp_path / "collection.tsv").write_text('1\ta "word" in the middle\n', encoding="utf-8")
    kept = defects.merged_rows(bench(source=str(tmp_path)))
    assert "0 of 1 rows of collection.tsv" in kept.sentence
    assert kept.verdict == "not shown"
    (tmp_path / "collection.tsv").write_text('1\t"opened\n2\tand lost"\n', encoding="utf-8")
    lost = defects.merged_rows(bench(source=str(tmp_path)))
    assert "1 of 2 rows of collection.tsv" in lost.sentence
    assert lost.verdict == "shown"


def test_folders_of_one_name_share_a_cache_entry_and_contents_do_not() -> None:
    shown = defects.cache_names(bench())
    assert shown.verdict == "shown"
    one, other = shown.tables[0].rows
    assert one[1] == other[1]
    assert one[2] != other[2]
    assert "so that the second would be given the first one's" in shown.sentence


def test_folders_of_unlike_names_share_no_cache_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defects, "CACHED", ("a/random", "b/hard"))
    evidence = defects.cache_names(bench())
    assert evidence.verdict == "not shown"
    assert "share 2 cache entries (hard_chunk_0, random_chunk_0); keyed" in evidence.sentence
