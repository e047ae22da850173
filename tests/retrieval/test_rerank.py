"""Reranking: any depth of any run, gone on with after a kill, and the known answer of reranking by one's own scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from real_data import ORACLES, unpacked
from small_candidates import candidates
from tiny_models import WORDS, sentences
from tiny_rerankers import KINDS, reranker
from torch import Tensor, nn

from strop.artifacts.store import Store
from strop.evaluation.measures import evaluate, mean
from strop.models.pair_scorer import Ids, Pair
from strop.models.tokens import Tokens
from strop.records.errors import InputError
from strop.records.judgments import read_qrels
from strop.records.runs import Run, read_run
from strop.retrieval import rerank as rerank_file
from strop.retrieval.rerank import Cost, clear, rerank
from strop.retrieval.retriever import retriever
from strop.retrieval.task import Task

QUERIES = {f"q{i}": text for i, text in enumerate(sentences(6, seed=1, longest=5))}
DOCUMENTS = {f"d{i:02}": text for i, text in enumerate(sentences(40, seed=2, longest=30))}


def first_stage(depth: int = 20) -> Run:
    rng = np.random.default_rng(4)
    ids = list(DOCUMENTS)
    return Run({q: (list(rng.permutation(ids)[:depth]), rng.random(depth).round(1)) for q in QUERIES})


class Table:
    """A pair scorer that looks scores up: a text is one token, its own number."""

    def __init__(self, scores: Mapping[tuple[str, str], float]) -> None:
        self.module = nn.Module()
        self.device = torch.device("cpu")
        self.transformers: tuple[Any, ...] = ()
        self.pad_id, self.max_length, self.untrained = 0, 2, ()
        self._number: dict[str, int] = {}
        self._scores = {(self._of(q), self._of(d)): score for (q, d), score in scores.items()}
        self.calls = 0

    def _of(self, text: str) -> int:
        return self._number.setdefault(text, len(self._number) + 1)

    def tokenize(self, texts: Sequence[str], role: str) -> Tokens:
        return Tokens.of([[self._of(text)] for text in texts])

    def pair(self, query: Ids, document: Ids) -> Pair:
        ids = np.concatenate([query, document])
        return Pair(ids, np.zeros_like(ids))

    def score(self, ids: Tensor, types: Tensor, mask: Tensor) -> Tensor:
        self.calls += 1
        return torch.tensor([self._scores[q, d] for q, d in ids.tolist()])

    def set_dropout(self, rate: float) -> None: ...
    def mark_trained(self) -> None: ...
    def save(self, folder: str | Path) -> None: ...


@pytest.mark.parametrize("kind", KINDS)
def test_the_first_documents_are_in_the_order_of_the_library_s_scores(kind: str, tmp_path: Path) -> None:
    scorer = reranker(kind)
    run = first_stage()
    found, cost = rerank(candidates(run, QUERIES, DOCUMENTS, 20), scorer, tmp_path)
    tokens = 0
    for query_id, ranking in found.items():
        ids = run[query_id].doc_ids
        pairs = [(QUERIES[query_id], DOCUMENTS[d]) for d in ids]
        theirs = scorer.model.predict(pairs, activation_fn=nn.Identity(), show_progress_bar=False)
        tokens += int(scorer.model.preprocess(pairs)["attention_mask"].sum())
        ours = dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        assert [ours[d] for d in ids] == pytest.approx(theirs.tolist(), abs=1e-5)
    assert (cost.pairs, cost.tokens) == (120, tokens)
    assert cost.seconds > 0
    assert any(found[q].doc_ids != run[q].doc_ids for q in run)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("bfloat16")
def test_in_bfloat16_the_logits_are_near_and_no_two_documents_tie(kind: str, tmp_path: Path) -> None:
    run = first_stage()
    whole, half = (tmp_path / name for name in ("whole", "half"))
    whole.mkdir()
    half.mkdir()
    exact, _ = rerank(candidates(run, QUERIES, DOCUMENTS, 20), reranker(kind), whole)
    found, cost = rerank(candidates(run, QUERIES, DOCUMENTS, 20), reranker(kind), half, precision="bfloat16")
    assert cost.pairs == 120
    for query_id, ranking in found.items():
        logits = dict(zip(ranking.doc_ids, ranking.scores.tolist(), strict=True))
        theirs = dict(zip(exact[query_id].doc_ids, exact[query_id].scores.tolist(), strict=True))
        assert logits == pytest.approx(theirs, abs=0.1)
        assert logits != theirs
        assert len(set(logits.values())) == 20


@pytest.mark.usefixtures("bfloat16")
def test_a_precision_other_than_the_default_has_a_key_of_its_own(tmp_path: Path) -> None:
    reranker().save(tmp_path / "model")
    model, store = retriever(str(tmp_path / "model")), Store(tmp_path / "home")
    run = first_stage(5)
    made = [
        model.rerank(Task(store, QUERIES, DOCUMENTS), run, 5),
        model.rerank(Task(store, QUERIES, DOCUMENTS), run, 5, precision="bfloat16"),
    ]
    assert made[0].record["values"] == {"depth": 5}, "what was made before keeps its key"
    assert made[1].record["values"] == {"depth": 5, "precision": "bfloat16"}
    assert made[0].key != made[1].key


def test_below_the_depth_the_first_order_is_kept_and_equal_scores_go_by_the_one_rule(tmp_path: Path) -> None:
    run = Run({"q": (["a", "b", "c", "d", "e"], [5.0, 4.0, 3.0, 3.0, 1.0]), "lone": (["a"], [1.0]), "none": ([], [])})
    assert run["q"].doc_ids == ("a", "b", "d", "c", "e")
    texts = {d: d for d in "abcde"}
    table = Table({("q", d): s for d, s in {"a": -7.0, "b": 2.0, "d": 2.0}.items()} | {("lone", "a"): 0.5})
    asked = {"q": "q", "lone": "lone", "none": "none"}
    found, cost = rerank(candidates(run, asked, texts, 3), table, tmp_path)
    assert found["q"].doc_ids == ("d", "b", "a", "c", "e")
    assert found["q"].scores.tolist() == [2.0, 2.0, -7.0, -8.0, -9.0]
    assert found["lone"].doc_ids == ("a",)
    assert found["none"].doc_ids == ()
    assert cost.pairs == 4


@pytest.mark.parametrize("least", [-1e30, -3e6, 0.0, 5e8])
def test_whatever_the_logits_the_rest_stays_below_them_in_its_order(least: float, tmp_path: Path) -> None:
    ids = [f"d{i:04}" for i in range(1000)]
    run = Run({"q": (ids, np.arange(1000, 0, -1))})
    table = Table({("q", ids[0]): least, ("q", ids[1]): 2 * abs(least) + 1})
    found, _ = rerank(candidates(run, {"q": "q"}, {d: d for d in ids}, 2), table, tmp_path)
    assert found["q"].doc_ids == (ids[1], ids[0], *ids[2:])
    assert len(set(found["q"].scores.tolist())) == 1000


def test_killed_it_goes_on_at_its_block_to_the_same_run_and_every_block_size_agrees(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rerank_file, "BLOCK", 20)
    run = first_stage()
    calm, stormy = tmp_path / "calm", tmp_path / "stormy"
    calm.mkdir()
    stormy.mkdir()
    expected, cost = rerank(candidates(run, QUERIES, DOCUMENTS, 10), reranker(), calm)
    assert len(list(calm.iterdir())) == 3
    scorer = reranker()
    real, calls = scorer.score, [0]

    def dying(*rows: Tensor) -> Tensor:
        calls[0] += 1
        if calls[0] == 4:
            raise KeyboardInterrupt
        return real(*rows)

    scorer.score = dying  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        rerank(candidates(run, QUERIES, DOCUMENTS, 10), scorer, stormy)
    done = [p.name for p in sorted(stormy.iterdir())]
    assert 1 <= len(done) < 3
    told: list[int] = []
    found, again = rerank(candidates(run, QUERIES, DOCUMENTS, 10), reranker(), stormy, told.append)
    assert sum(told) == again.pairs == cost.pairs == 60
    assert again.tokens == cost.tokens
    for query_id in run:
        assert found[query_id].doc_ids == expected[query_id].doc_ids
        assert found[query_id].scores.tolist() == expected[query_id].scores.tolist()
    monkeypatch.setattr(rerank_file, "BLOCK", 4096)
    whole, _ = rerank(candidates(run, QUERIES, DOCUMENTS, 10), reranker(), stormy)
    assert all(whole[q].doc_ids == expected[q].doc_ids for q in run), "blocks of another size are not taken"
    clear(stormy)
    assert not list(stormy.iterdir())


def test_pairs_beyond_the_model_s_limit_are_counted(tmp_path: Path) -> None:
    run = Run({"q": (["short", "long"], [2.0, 1.0])})
    texts = {"short": "bun", "long": " ".join(WORDS)}
    _, cost = rerank(candidates(run, {"q": "nin"}, texts, 2), reranker(max_length=12), tmp_path)
    assert (cost.cut, cost.pairs) == (1, 2)
    assert Cost(1, 2, 3, 4.0) + Cost(1, 1, 1, 1.0) == Cost(2, 3, 4, 5.0)


def test_an_id_that_is_not_there_is_named_before_anything_is_scored(tmp_path: Path) -> None:
    table = Table({})
    with pytest.raises(InputError, match="document 'd9', ranked for query 'q', is not there"):
        rerank(candidates(Run({"q": (["d1", "d9"], [2.0, 1.0])}), {"q": "q"}, {"d1": "x"}, 1), table, tmp_path)
    with pytest.raises(InputError, match="query 'p' of the run is not there"):
        rerank(candidates(Run({"p": (["d1"], [2.0])}), {"q": "q"}, {"d1": "x"}, 1), table, tmp_path)
    assert table.calls == 0


def test_a_language_model_is_not_taken_for_a_dense_one_that_reranks(tmp_path: Path) -> None:
    folder = tiny_models.plain_decoder(tmp_path)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config["architectures"] = ["GemmaForCausalLM"]
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    task = Task(Store(tmp_path / "store"), QUERIES, DOCUMENTS)
    with pytest.raises(InputError, match="a language model with neither a pooling nor a classification head"):
        retriever(str(folder)).rerank(task, first_stage(), 5)


def test_a_logit_that_is_no_number_names_its_query_and_document(tmp_path: Path) -> None:
    run = Run({"q": (["a", "b", "c"], [3.0, 2.0, 1.0])})
    table = Table({("q", "a"): 1.0, ("q", "b"): float("nan")})
    with pytest.raises(ValueError, match="query q: a score is not finite \\(b\\)"):
        rerank(candidates(run, {"q": "q"}, {d: d for d in "abc"}, 2), table, tmp_path)


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First-stage runs of rank_llm and NIST's qrels, on a machine that has them."""
    return unpacked(ORACLES, tmp_path_factory.mktemp("oracle")) / "rank_llm_runs"


@pytest.mark.parametrize("depth", [10, 100])
def test_reranking_bm25_by_bm25_s_own_scores_leaves_trec_dl_2019_as_it_was(
    depth: int, oracle: Path, tmp_path: Path
) -> None:
    run, qrels = read_run(oracle / "dl19.BM25.trec"), read_qrels(oracle / "qrels.dl19-passage.txt")
    scores = {(q, d): float(s) for q, r in run.items() for d, s in zip(r.doc_ids, r.scores, strict=True)}
    documents = {d: d for r in run.values() for d in r.doc_ids}
    found, cost = rerank(candidates(run, {q: q for q in run}, documents, depth), Table(scores), tmp_path)
    assert all(found[q].doc_ids == run[q].doc_ids for q in run)
    assert round(mean(evaluate(found, qrels, ["nDCG@10"])["nDCG@10"]), 4) == 0.5058
    assert cost.pairs == 43 * depth
    told = json.loads((oracle / "expected_trec_eval.json").read_text(encoding="utf-8"))
    assert told["runs"]["dl19.BM25.trec"]["trec_eval"]["ndcg_cut_10"] == 0.5058
