"""Long documents: windows that fit beside the query, and one score of many; by hand, and against single pairs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_candidates import candidates
from tiny_models import sentences
from tiny_rerankers import KINDS, reranker
from torch import Tensor, nn

from strop.artifacts.store import Store
from strop.models.pair_scorer import Ids, Pair, score_pairs
from strop.models.tokens import Tokens
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.rerank import Cost, rerank
from strop.retrieval.retriever import retriever
from strop.retrieval.task import Task
from strop.retrieval.windows import Pooling, Windows


class Digits:
    """A pair scorer by hand: a text is its digits, 0 stands between the two, and a pair scores its document's sum."""

    def __init__(self, max_length: int) -> None:
        self.module = nn.Module()
        self.device = torch.device("cpu")
        self.transformers: tuple[Any, ...] = ()
        self.pad_id, self.max_length, self.untrained = 0, max_length, ()
        self.read: list[str] = []

    def tokenize(self, texts: Sequence[str], role: str) -> Tokens:
        return Tokens.of([[int(digit) for digit in text] for text in texts])

    def pair(self, query: Ids, document: Ids) -> Pair:
        kept = document[: self.max_length - 1 - len(query)]
        ids = np.concatenate([query, np.zeros(1, dtype=np.int32), kept])
        return Pair(ids, np.zeros_like(ids), len(document) - len(kept))

    def score(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        rows = ["".join(map(str, row[kept.bool()].tolist())) for row, kept in zip(ids, mask, strict=True)]
        self.read += rows
        return torch.tensor([float(sum(map(int, row.split("0")[1]))) for row in rows])

    def set_dropout(self, rate: float) -> None: ...
    def mark_trained(self) -> None: ...
    def save(self, folder: str | Path) -> None: ...


RUN = Run({"q": (["long", "short", "below"], [3.0, 2.0, 1.0])})
TEXTS = {"long": "1191111", "short": "33", "below": "9"}


@pytest.mark.parametrize(
    ("windows", "value", "read", "tokens", "cut"),
    [
        (Windows("max"), 12, ["701191", "709111", "701111"], 22, 0),
        (Windows("mean"), (12 + 12 + 4) / 3, ["701191", "709111", "701111"], 22, 0),
        (Windows("first"), 12, ["701191"], 10, 1),
        (Windows("max", stride=1.0), 12, ["701191", "701111"], 16, 0),
        (Windows("max", stride=0.01, max_length=4), 11, ["7011", "7019", "7091", "7011", "7011", "7011"], 28, 0),
        (None, 12, ["701191"], 10, 1),
    ],
)
def test_a_long_document_is_read_in_windows_that_fit_beside_the_query_and_has_one_score(
    windows: Windows | None, value: float, read: list[str], tokens: int, cut: int, tmp_path: Path
) -> None:
    if windows and windows.max_length:
        value = 10  # the best window of two tokens
    scorer = Digits(6)
    found, cost = rerank(candidates(RUN, {"q": "7"}, TEXTS, 2), scorer, tmp_path, windows=windows)
    scores = dict(zip(found["q"].doc_ids, found["q"].scores.tolist(), strict=True))
    assert scores["long"] == pytest.approx(value)
    assert scores["short"] == 6
    assert found["q"].doc_ids[2] == "below"
    assert sorted(row for row in scorer.read if row != "7033") == sorted(read)
    assert (cost.pairs, cost.tokens, cost.cut) == (2, tokens, cut)


def test_every_token_is_in_a_window_and_no_window_is_too_long() -> None:
    rng = np.random.default_rng(5)
    for _ in range(500):
        query, document = (np.arange(n, dtype=np.int32) for n in rng.integers(0, 40, 2))
        room, stride = int(rng.integers(2, 40)), float(rng.uniform(0.01, 1))
        parts, lost = Windows("max", stride)(query, document, room)
        assert all(len(asked) + len(found) <= room for asked, found in parts)
        assert set(np.concatenate([found for _, found in parts]).tolist()) == set(document.tolist())
        assert len({len(found) for _, found in parts}) == 1
        assert lost == any(len(asked) < len(query) for asked, _ in parts)
        if len(parts) > 1:
            size = len(parts[0][1])
            apart = np.diff([int(found[0]) for _, found in parts])
            assert (apart[:-1] == max(1, int(size * stride))).all()
            assert 0 < apart[-1] <= max(1, int(size * stride))


def test_one_score_is_made_of_a_document_s_own_windows() -> None:
    scores, counts = np.array([1, 5, 2, -3, -1], dtype=np.float32), np.array([3, 1, 1])
    assert Windows("max").pooled(scores, counts).tolist() == [5, -3, -1]
    assert Windows("first").pooled(scores, counts).tolist() == [1, -3, -1]
    np.testing.assert_allclose(Windows("mean").pooled(scores, counts), [8 / 3, -3, -1], rtol=1e-6)
    assert Windows().pooled(scores[:0], counts[:0]).tolist() == []


QUERIES = {f"q{i}": text for i, text in enumerate(sentences(3, seed=1, longest=5))}
DOCUMENTS = {f"d{i}": text for i, text in enumerate(sentences(8, seed=2, longest=40))}
REAL = Run({q: (list(DOCUMENTS), np.arange(8.0, 0, -1)) for q in QUERIES})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("pool", ["max", "mean", "first"])
def test_with_a_model_the_score_is_that_of_its_windows_read_one_by_one(
    kind: str, pool: Pooling, tmp_path: Path
) -> None:
    scorer = reranker(kind, max_length=20)
    found, cost = rerank(candidates(REAL, QUERIES, DOCUMENTS, 8), scorer, tmp_path, windows=Windows(pool))
    specials, several = {"bert": 3, "gte": 4, "modernbert": 3}[kind], 0
    for query_id, text in QUERIES.items():
        scores = dict(zip(found[query_id].doc_ids, found[query_id].scores.tolist(), strict=True))
        asked = scorer.tokenize([text], "query").row(0)
        for doc_id, document in DOCUMENTS.items():
            ids = scorer.tokenize([document], "document").row(0)
            parts, _ = Windows(pool)(asked, ids, 20 - specials)
            several += len(parts) > 2
            with torch.inference_mode():
                each = [score_pairs(scorer, [scorer.pair(*part)], np.array([0])).item() for part in parts]
            expected = {"max": max(each), "mean": sum(each) / len(each), "first": each[0]}[pool]
            assert scores[doc_id] == pytest.approx(expected, abs=1e-5)
    assert several > 3 or pool == "first"
    assert (cost.cut > 3) == (pool == "first")


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_window_is_plain_truncation_whose_cuts_are_counted(kind: str, tmp_path: Path) -> None:
    found = []
    for windows in (None, Windows("first")):
        folder = tmp_path / str(windows is None)
        folder.mkdir()
        found.append(
            rerank(candidates(REAL, QUERIES, DOCUMENTS, 8), reranker(kind, max_length=13), folder, windows=windows)
        )
    for query_id in REAL:
        assert found[0][0][query_id].doc_ids == found[1][0][query_id].doc_ids
        assert found[0][0][query_id].scores.tolist() == found[1][0][query_id].scores.tolist()
    assert found[0][1].cut == found[1][1].cut > 3
    assert found[0][1].tokens == found[1][1].tokens


def test_windows_have_a_key_of_their_own_and_their_length_is_the_pair_s(tmp_path: Path) -> None:
    reranker().save(tmp_path / "model")
    model, store = retriever(str(tmp_path / "model")), Store(tmp_path / "home")
    given = (Task(store, QUERIES, DOCUMENTS), REAL, 8)
    made = [model.rerank(*given, windows=w) for w in (None, Windows(), Windows(max_length=16), Windows("mean"))]
    assert len({artifact.key for artifact in made}) == 4
    assert made[0].record["values"] == {"depth": 8}, "what was made before keeps its key"
    assert [artifact.record["max_length"] for artifact in made] == [64, 64, 16, 64]
    assert Cost(**made[2].record["cost"]).tokens > Cost(**made[1].record["cost"]).tokens
    with pytest.raises(InputError, match=r"exceeds the model's 64 positions\. Choose at most 64"):
        model.rerank(*given, windows=Windows(max_length=65))


def test_what_is_no_window_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"windows are not pooled by 'sum'\. Choose max, mean, first"):
        Windows("sum")  # type: ignore[arg-type]
    for stride in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="a stride of"):
            Windows(stride=stride)
    for length in (2, 7):
        with pytest.raises(InputError, match=f"a pair of {length} tokens is not .* Choose 3 to 6"):
            rerank(candidates(RUN, {"q": "7"}, TEXTS, 2), Digits(6), tmp_path, windows=Windows(max_length=length))
