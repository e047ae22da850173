"""What a dense encoder keeps beyond the contract: prompts, precision, lengths, and which models it refuses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import BoW, Pooling
from tiny_models import dense, sentences
from torch import Tensor

from strop.models.dense import Dense, parameter_ledger
from strop.models.encoder import Role
from strop.models.pretrained import resolve
from strop.models.tokens import pad
from strop.records.errors import InputError

TEXTS = [*sentences(9, seed=3), "", "   ", "Bun. NIN!", " ".join(sentences(40, seed=6))]


def encoder_with(options: dict[str, Any]) -> Dense:
    encoder = dense(**options)
    encoder.module.eval()
    return encoder


def vectors(encoder: Dense, texts: list[str], role: Role = "document", searchable: bool = True) -> Tensor:
    tokens = encoder.tokenize(texts, role)
    with torch.inference_mode():
        found = encoder.represent(*pad([tokens.row(i) for i in range(len(tokens))], encoder.pad_id))
        return (encoder.searchable(found) if searchable else found).vectors


def test_a_loss_sees_vectors_before_they_are_normalised() -> None:
    encoder = encoder_with({})
    before, after = vectors(encoder, TEXTS, searchable=False), vectors(encoder, TEXTS)
    assert (before.norm(dim=1) - 1).abs().min() > 0.01
    torch.testing.assert_close(after, before / before.norm(dim=1, keepdim=True))


def test_searchable_inner_products_are_the_model_s_own_similarity() -> None:
    for options in ({}, {"unit": False}, {"similarity": "dot", "unit": False}, {"similarity": "dot"}):
        encoder = encoder_with(options)
        q, d = vectors(encoder, TEXTS[:4], "query"), vectors(encoder, TEXTS[4:8])
        theirs = encoder.model.similarity(encoder.model.encode_query(TEXTS[:4]), encoder.model.encode(TEXTS[4:8]))
        torch.testing.assert_close(q @ d.T, theirs, rtol=1e-5, atol=1e-5)
    dot = vectors(encoder_with({"similarity": "dot", "unit": False}), TEXTS)
    assert (dot.norm(dim=1) - 1).abs().max() > 0.1


@pytest.mark.parametrize("name", ["document", "passage", "corpus"])
def test_a_prompt_goes_where_the_library_puts_it(name: str) -> None:
    """Of a model that has passage and no document, the library takes its own empty document."""
    bare, encoder = encoder_with({}), encoder_with({"prompts": {name: "get bun : "}})
    theirs = encoder.model.encode_document(["nin"], convert_to_tensor=True)
    torch.testing.assert_close(vectors(encoder, ["nin"]), theirs, rtol=1e-5, atol=1e-5)
    prompted = encoder.tokenize(["nin"], "document").ids.tolist() != bare.tokenize(["nin"], "document").ids.tolist()
    assert prompted == (name == "document")
    assert encoder.tokenize(["nin"], "query").ids.tolist() == bare.tokenize(["nin"], "query").ids.tolist()
    assert (encoder.tokenizer_key != bare.tokenizer_key) == prompted


def test_the_base_is_the_library_s_encode_also_on_long_empty_and_foreign_texts(tmp_path: Path) -> None:
    base = resolve("all-MiniLM-L6-v2")
    encoder = Dense.load(base.path)
    texts = [
        "How do I sort an array?",
        "",
        " \n\t ",
        "Ünïcode, 漢字 and emoji 🙂 — “quotes”",
        "word " * 400,
        "numpy.linalg.svd(a, full_matrices=True)",
    ]
    assert encoder.max_length == 256
    assert max(encoder.tokenize(texts, "document").lengths) == 256
    assert encoder.token_counts(texts)[4] == 402
    expected = SentenceTransformer(str(base.path), local_files_only=True).encode(texts, convert_to_tensor=True)
    torch.testing.assert_close(vectors(encoder, texts), expected.clone(), rtol=1e-6, atol=1e-6)
    assert all(p.dtype == torch.float32 for p in encoder.module.parameters())
    ledger = parameter_ledger(encoder.module)
    assert ledger["total"] == ledger["trainable"] == sum(ledger["by_part"].values()) == 22_713_216
    assert ledger["by_part"]["pooler"] == 147_840


def test_half_precision_weights_become_float32() -> None:
    model = copy.deepcopy(dense().model).half()
    assert {p.dtype for p in Dense(model).module.parameters()} == {torch.float32}


def test_a_chosen_max_length_cuts_is_saved_and_reloaded_by_anyone(tmp_path: Path) -> None:
    encoder = dense(max_length=9)
    assert (encoder.max_length, dense().max_length) == (9, 48)
    key = encoder.tokenizer_key
    assert max(encoder.tokenize(TEXTS, "document").lengths) == 9
    assert encoder.tokenizer_key == key  # a tokenizer remembers its last call's truncation
    assert encoder.tokenizer_key != dense().tokenizer_key
    encoder.save(tmp_path)
    assert Dense.load(tmp_path).max_length == 9
    assert SentenceTransformer(str(tmp_path)).max_seq_length == 9
    assert Dense.load(tmp_path, max_length=64).max_length == 64


def test_a_plain_transformers_folder_gets_mean_pooling_and_cosine(tmp_path: Path) -> None:
    encoder = Dense.load(tiny_models.plain(tmp_path / "bert"))
    encoder.module.eval()
    assert encoder.max_length == tiny_models.POSITIONS
    expected = vectors(encoder_with({"unit": False, "max_length": tiny_models.POSITIONS}), TEXTS)
    torch.testing.assert_close(vectors(encoder, TEXTS), expected)


def bag_of_words() -> SentenceTransformer:
    return SentenceTransformer(modules=[BoW(["a", "b"])], device="cpu")


def leaves_the_prompt_out() -> SentenceTransformer:
    model = copy.deepcopy(dense(prompts={"query": "get bun : "}).model)
    pooling = next(m for m in model if isinstance(m, Pooling))
    pooling.include_prompt = False
    return model


@pytest.mark.parametrize(
    ("model", "max_length", "message"),
    [
        (bag_of_words, None, "starts with BoW, not with a transformer"),
        (lambda: tiny_similarity("euclidean"), None, "similarity is 'euclidean'"),
        (lambda: tiny_similarity("manhattan"), None, "similarity is 'manhattan'"),
        (lambda: copy.deepcopy(dense().model), 65, "a length of 65 exceeds the model's 64 positions"),
        (leaves_the_prompt_out, None, "pooling leaves the prompt's tokens out"),
    ],
)
def test_a_model_that_would_be_used_wrongly_is_refused(
    model: Callable[[], SentenceTransformer], max_length: int | None, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        Dense(model(), max_length)
    assert caught.value.remedy


def tiny_similarity(name: str) -> SentenceTransformer:
    model = copy.deepcopy(dense().model)
    model.similarity_fn_name = name
    return model


def test_without_a_prompt_it_does_not_matter_that_pooling_would_leave_it_out() -> None:
    model = copy.deepcopy(dense().model)
    next(m for m in model if isinstance(m, Pooling)).include_prompt = False
    assert np.isfinite(vectors(Dense(model), TEXTS[:2]).numpy()).all()
