"""What every cross-encoder keeps: rows and scores are the library's, whatever company a pair is scored in."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from room_members import classes
from sentence_transformers import CrossEncoder
from tiny_models import sentences
from tiny_rerankers import KINDS, TARGETS, plain, reranker
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from strop.models.adapters import Full, LoRA
from strop.models.cross_encoder import FreshHead, Reranker
from strop.models.pair_scorer import Pair, PairScorer, score_pairs
from strop.models.pair_template import longest_first
from strop.models.reading import heads
from strop.records.errors import InputError

QUERIES = [*sentences(10, seed=1, longest=12), "", "bun", " ".join(sentences(9, seed=2, longest=9))]
DOCUMENTS = [*sentences(10, seed=3, longest=40), "nin. gat?", "", " ".join(sentences(30, seed=4))]
every_kind = pytest.mark.parametrize("kind", KINDS)


def rows(scorer: PairScorer, pairs: list[tuple[str, str]]) -> list[Pair]:
    queries = scorer.tokenize([q for q, _ in pairs], "query")
    documents = scorer.tokenize([d for _, d in pairs], "document")
    return [scorer.pair(queries.row(i), documents.row(i)) for i in range(len(pairs))]


def scores(scorer: PairScorer, pairs: list[tuple[str, str]]) -> Tensor:
    with torch.inference_mode():
        return score_pairs(scorer, rows(scorer, pairs), np.arange(len(pairs)))


ALL = [(q, d) for q in QUERIES for d in DOCUMENTS]


def test_every_pair_scorer_of_the_room_is_held_to_this_contract() -> None:
    assert classes("models", "tokenize", "pair", "score") == {type(reranker(kind)) for kind in KINDS}


@every_kind
@pytest.mark.parametrize("max_length", [None, 7, 8, 20, 33])
def test_a_row_is_what_the_library_s_tokenizer_makes_of_the_pair_cut_or_not(kind: str, max_length: int | None) -> None:
    scorer = reranker(kind, max_length=max_length)
    found = rows(scorer, ALL)
    expected = scorer.model.preprocess(ALL)
    cut = 0
    whole = scorer.model.tokenizer
    for i, row in enumerate(found):
        n = int(expected["attention_mask"][i].sum())
        assert row.ids.tolist() == expected["input_ids"][i, :n].tolist()
        assert row.ids.dtype == np.int32
        if "token_type_ids" in expected:
            assert row.types.tolist() == expected["token_type_ids"][i, :n].tolist()
        uncut = len(whole([ALL[i]], truncation=False, verbose=False)["input_ids"][0])
        assert row.cut == uncut - n
        cut += row.cut > 0
    assert ("token_type_ids" in expected) == (kind == "bert")
    assert 10 < cut < len(ALL)


def test_the_longer_side_is_cut_first_and_the_odd_token_goes_where_the_tokenizer_gives_it() -> None:
    assert longest_first(3, 4, 10) == (3, 4)
    assert longest_first(3, 40, 10) == (3, 7)
    assert longest_first(40, 3, 10) == (7, 3)
    assert longest_first(40, 40, 11) == (5, 6)
    assert longest_first(41, 40, 11) == (6, 5)
    assert longest_first(6, 40, 11) == (5, 6)


@every_kind
def test_scores_after_the_library_s_activation_are_its_predict(kind: str) -> None:
    for max_length in (None, 20):
        scorer = reranker(kind, max_length=max_length)
        logits = scores(scorer, ALL)
        assert logits.shape == (len(ALL),)
        expected = scorer.model.predict(ALL, convert_to_tensor=True, show_progress_bar=False)
        assert isinstance(scorer.model.activation_fn, nn.Sigmoid)
        torch.testing.assert_close(scorer.model.activation_fn(logits), expected.clone(), rtol=0, atol=1e-6)
        assert expected.std() > 0.01, "the pairs are told apart"


@every_kind
def test_padding_and_company_change_no_score(kind: str) -> None:
    scorer = reranker(kind)
    together = scores(scorer, ALL)
    alone = torch.cat([scores(scorer, [pair]) for pair in ALL])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(together, scores(scorer, ALL[::-1]).flip(0), rtol=1e-5, atol=1e-5)


@every_kind
@pytest.mark.parametrize("adapted", [False, True])
def test_under_autocast_the_logit_is_resolved_in_float32_and_gradients_reach_the_head(kind: str, adapted: bool) -> None:
    scorer = reranker(kind)
    tuning = LoRA(r=1, targets=TARGETS[kind]) if adapted else Full()
    tuning.prepare(scorer, seed=0)
    scorer.module.eval()
    names = list(scorer.module.state_dict())
    plain_scores = scores(scorer, ALL)
    with torch.autocast("cpu", torch.bfloat16):
        half = score_pairs(scorer, rows(scorer, ALL), np.arange(len(ALL)))
    assert half.dtype == torch.float32
    distinct = [len(set(logits.tolist())) for logits in (half, half.bfloat16(), plain_scores)]
    assert distinct[1] < distinct[0] == distinct[2], "bfloat16 would tie some"
    torch.testing.assert_close(half.detach(), plain_scores, rtol=0, atol=0.1)
    assert not torch.equal(half, plain_scores), "the transformer itself is in bfloat16"
    half.sum().backward()
    head = {n: p.grad for n, p in scorer.module.named_parameters() if "classifier" in n and p.requires_grad}
    assert head
    assert all(grad is not None and grad.abs().sum() > 0 for grad in head.values())
    assert list(scorer.module.state_dict()) == names
    assert torch.equal(scores(scorer, ALL), plain_scores), "no hook is left"


def test_bert_reads_token_types() -> None:
    scorer = reranker("bert")
    row = rows(scorer, [("bun nin", "gat")])[0]
    ids, types = (torch.from_numpy(part.astype(np.int64)).unsqueeze(0) for part in row[:2])
    with torch.inference_mode():
        typed = scorer.score(ids, types, torch.ones_like(ids))
        blank = scorer.score(ids, torch.zeros_like(types), torch.ones_like(ids))
    assert (typed - blank).abs().item() > 1e-3


@every_kind
def test_saved_and_loaded_by_us_and_by_the_library_it_scores_the_same(kind: str, tmp_path: Path) -> None:
    scorer = reranker(kind, max_length=20)
    expected = scores(scorer, ALL[:40])
    scorer.save(tmp_path / "model")
    again = Reranker.load(tmp_path / "model")
    again.module.eval()
    assert torch.equal(scores(again, ALL[:40]), expected)
    assert again.max_length == 20
    library = CrossEncoder(str(tmp_path / "model"), local_files_only=True, device="cpu")
    predicted = library.predict(ALL[:40], convert_to_tensor=True, show_progress_bar=False, activation_fn=nn.Identity())
    torch.testing.assert_close(predicted.clone(), expected, rtol=0, atol=1e-6)
    assert {p.suffix for p in (tmp_path / "model").rglob("*") if p.is_file()} <= {".json", ".safetensors", ".txt"}
    assert isinstance(again, PairScorer)


@pytest.mark.parametrize("kind", ["gte", "modernbert"])
def test_a_pair_of_8192_tokens_is_read_whole_and_a_longer_one_is_cut_and_counted(kind: str) -> None:
    scorer = reranker(kind, positions=8192, layers=1)
    assert scorer.max_length == 8192
    pairs = [("nin gat", " ".join(sentences(1, seed=9, longest=9) * 2) + " bun" * 8200)]
    row = rows(scorer, pairs)[0]
    assert len(row.ids) == 8192
    assert row.cut > 10
    if kind == "gte":  # ModernBERT's windows are a full matrix on a CPU: 20 seconds
        expected = scorer.model.predict(pairs, convert_to_tensor=True, show_progress_bar=False)
        torch.testing.assert_close(scores(scorer, pairs).sigmoid(), expected.clone(), rtol=0, atol=1e-6)


def test_a_default_prompt_goes_before_the_query_as_in_the_library() -> None:
    scorer = reranker("bert")
    scorer.model.prompts, scorer.model.default_prompt_name = {"find": "get bun : "}, "find"
    pairs = [("nin", "gat")]
    assert rows(scorer, pairs)[0].ids.tolist() == rows(reranker(), [("get bun : nin", "gat")])[0].ids.tolist()
    expected = scorer.model.predict(pairs, convert_to_tensor=True, show_progress_bar=False)
    torch.testing.assert_close(scores(scorer, pairs).sigmoid(), expected.clone(), rtol=0, atol=1e-6)


@every_kind
def test_a_fresh_head_is_fixed_by_its_seed_and_says_that_it_is_untrained(kind: str, tmp_path: Path) -> None:
    source = plain(tmp_path / "plain", kind)
    state = torch.random.get_rng_state()
    one, same, other = (Reranker.from_base(source, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    weights = [dict(m.module.named_parameters()) for m in (one, same, other)]
    assert all(torch.equal(weights[0][n], weights[1][n]) for n in weights[0])
    differ = {n for n in weights[0] if not torch.equal(weights[0][n], weights[2][n])}
    assert "0.model.classifier.weight" in differ
    assert all(any(f".{m}." in n for m in one.untrained) for n in differ), "the transformer is the base's"
    expected = {"bert": {"classifier"}, "gte": {"classifier", "gte.pooler.dense"}, "modernbert": {"classifier"}}[kind]
    assert expected <= set(one.untrained)
    FreshHead(3).convert(source, tmp_path / "saved")
    saved = Reranker.load(tmp_path / "saved")
    assert saved.untrained == one.untrained
    assert all(torch.equal(weights[0][n], p) for n, p in saved.module.named_parameters())
    saved.mark_trained()
    saved.save(tmp_path / "trained")
    assert Reranker.load(tmp_path / "trained").untrained == ()


def test_a_dense_model_gets_a_head_on_its_transformer(tmp_path: Path) -> None:
    source = tiny_models.build(tmp_path)
    scorer = Reranker.from_base(source, 1)
    assert heads(scorer.transformers[0].model) == ["classifier"]
    assert heads(tiny_models.dense().transformer.model) == []
    dense = tiny_models.dense().transformer.model.state_dict()
    inner = scorer.transformers[0].model.bert.state_dict()
    assert all(torch.equal(dense[n], inner[n]) for n in dense)
    scorer.save(tmp_path / "ce")
    with pytest.raises(InputError, match="has a head already"):
        Reranker.from_base(tmp_path / "ce", 1)


def test_half_precision_weights_become_float32() -> None:
    assert {p.dtype for p in Reranker(reranker().model.half()).module.parameters()} == {torch.float32}


@every_kind
def test_dropout_can_be_set_and_taken_away(kind: str) -> None:
    scorer = reranker(kind, dropout=0.3)
    scorer.module.train()
    assert not torch.equal(scores(scorer, ALL[:9]), scores(scorer, ALL[:9]))
    scorer.set_dropout(0.0)
    assert torch.equal(scores(scorer, ALL[:9]), scores(scorer, ALL[:9]))


def test_a_model_without_a_head_is_refused_because_its_scores_would_carry_no_order(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for folder in (tiny_models.build(tmp_path), plain(tmp_path / "gte", "gte"), plain(tmp_path / "mb", "modernbert")):
        with pytest.raises(InputError, match=r"no weights for its .*classifier: scores carry no order"):
            Reranker.load(folder)
    assert capfd.readouterr().err == ""


def test_a_head_of_several_labels_or_gte_s_own_code_or_a_length_beyond_the_model_is_refused(tmp_path: Path) -> None:
    source = tiny_models.plain(tmp_path / "plain")
    config = BertConfig.from_pretrained(source)
    config.num_labels = 3
    shutil.copytree(source, tmp_path / "three")
    BertForSequenceClassification(config).save_pretrained(str(tmp_path / "three"))
    with pytest.raises(InputError, match="gives 3 scores a pair"):
        Reranker.load(tmp_path / "three")
    assert Reranker.from_base(tmp_path / "three", 0).untrained == ("classifier",)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "config.json").write_text(json.dumps({"model_type": "new"}), encoding="utf-8")
    for call in (Reranker.load, lambda folder: Reranker.from_base(folder, 0)):
        with pytest.raises(InputError, match="type is 'new', which needs code from its hub"):
            call(tmp_path / "new")
    with pytest.raises(InputError, match="a length of 65 exceeds the model's 64 positions"):
        reranker(max_length=65)
    with pytest.raises(InputError, match="max_length 4 leaves no room beside 3 special tokens"):
        reranker(max_length=4)
