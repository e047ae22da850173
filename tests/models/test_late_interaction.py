"""A vector a token is what the library's own encode gives, saved, reloaded and trained."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from peft import LoraConfig, get_peft_model
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Dense as Projection
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Normalize
from tiny_models import late, sentences
from torch import Tensor

from strop.models.encoder import Role, represent_rows
from strop.models.late_interaction import Late, LateInteraction
from strop.models.pretrained import resolve
from strop.models.scoring import MaxSim, Representation
from strop.records.errors import InputError

TEXTS = [*sentences(9, seed=3), "", "   ", "Bun. NIN!", "nin [MASK]", " ".join(sentences(40, seed=6))]
SHORT = Late(query_length=12, document_length=40)
PLAIN = replace(SHORT, mask_punctuation=False, expansion=False, markers=None)
MODELS: dict[str, Callable[[], LateInteraction]] = {
    "ColBERT": late,
    "plain": lambda: late(PLAIN),
    "no markers": lambda: late(replace(SHORT, markers=None)),
    "no expansion": lambda: late(replace(SHORT, expansion=False)),
    "punctuation": lambda: late(replace(SHORT, mask_punctuation=False)),
    "lower case": lambda: late(cased=True),
    "attended": lambda: expanding({"strategy": "fixed", "length": 12, "attend": True}),
    "at least": lambda: expanding({"strategy": "min", "length": 12}),
    "its own token": lambda: expanding({"strategy": "min", "length": 12, "token": "[UNK]", "attend": True}),
    "projected": lambda: projected(),
}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())


def expanding(expansion: Any) -> LateInteraction:
    model = late(replace(SHORT, expansion=False)).model
    transformer: Any = model[0]
    transformer.query_length, transformer.query_expansion = None, expansion
    return LateInteraction(model)


def projected() -> LateInteraction:
    model = late().model
    with torch.random.fork_rng():
        torch.manual_seed(1)
        projection = Projection(tiny_models.HIDDEN, 8, bias=False, module_input_name="token_embeddings")
    modules, prompts = [model[0], projection, *list(model)[1:]], {k: v or "" for k, v in model.prompts.items()}
    return LateInteraction(MultiVectorEncoder(modules=modules, prompts=prompts, device="cpu"))


def represented(encoder: LateInteraction, texts: list[str], role: Role) -> Representation:
    encoder.module.eval()
    tokens = encoder.tokenize(texts, role)
    with torch.inference_mode():
        return represent_rows(encoder, [tokens.row(i) for i in range(len(tokens))], np.arange(len(tokens)), role)


def matrices(representation: Representation) -> list[Tensor]:
    assert representation.mask is not None
    return [vectors[mask] for vectors, mask in zip(representation.vectors, representation.mask, strict=True)]


def library(model: MultiVectorEncoder, texts: list[str], role: Role) -> list[Tensor]:
    encode: Any = model.encode_query if role == "query" else model.encode_document
    return [found.clone() for found in encode(texts)]


@every_model
@pytest.mark.parametrize("role", ["query", "document"])
def test_the_tokens_are_those_of_the_library_s_preprocess(make: Callable[[], LateInteraction], role: Role) -> None:
    encoder = make()
    tokens = encoder.tokenize(TEXTS, role)
    for i, text in enumerate(TEXTS):  # alone, the library pads nothing
        theirs = encoder.model.preprocess([text], prompt=encoder.model.prompts[role], task=role)
        assert tokens.row(i).tolist() == theirs["input_ids"][0].tolist()


@every_model
@pytest.mark.parametrize("role", ["query", "document"])
def test_the_searchable_vectors_are_those_of_the_library_s_encode(
    make: Callable[[], LateInteraction], role: Role
) -> None:
    encoder = make()
    found = matrices(encoder.searchable(represented(encoder, TEXTS, role)))
    expected = library(encoder.model, TEXTS, role)
    assert [len(m) for m in found] == [len(m) for m in expected]
    torch.testing.assert_close(torch.cat(found), torch.cat(expected), rtol=1e-5, atol=1e-5)
    assert found[0].shape[1] == encoder.dimension


@every_model
def test_its_scores_are_the_library_s_similarity(make: Callable[[], LateInteraction]) -> None:
    encoder = make()
    scores = encoder.similarity(
        encoder.searchable(represented(encoder, TEXTS, "query")),
        encoder.searchable(represented(encoder, TEXTS, "document")),
    )
    theirs = encoder.model.similarity(library(encoder.model, TEXTS, "query"), library(encoder.model, TEXTS, "document"))
    torch.testing.assert_close(scores, theirs, rtol=1e-5, atol=1e-5)
    assert scores.std(dim=1).min() > 0.05  # the documents are told apart


@every_model
@pytest.mark.parametrize("role", ["query", "document"])
def test_padding_and_company_change_no_vector(make: Callable[[], LateInteraction], role: Role) -> None:
    encoder = make()
    together = matrices(represented(encoder, TEXTS, role))
    for text, found in zip(TEXTS, together, strict=True):
        torch.testing.assert_close(found, matrices(represented(encoder, [text], role))[0], rtol=1e-5, atol=1e-5)


@every_model
def test_saved_and_loaded_it_gives_the_same_vectors_to_us_and_to_the_library(
    make: Callable[[], LateInteraction], tmp_path: Path
) -> None:
    encoder = make()
    key = encoder.tokenizer_key
    encoder.save(tmp_path / "model")
    again = LateInteraction.load(tmp_path / "model")
    roles: tuple[Role, Role] = ("query", "document")
    for role in roles:
        before, after = represented(encoder, TEXTS, role), represented(again, TEXTS, role)
        assert torch.equal(before.vectors, after.vectors)
        theirs = library(MultiVectorEncoder(str(tmp_path / "model"), device="cpu"), TEXTS, role)
        torch.testing.assert_close(torch.cat(matrices(again.searchable(after))), torch.cat(theirs), rtol=0, atol=1e-5)
    assert again.tokenizer_key == encoder.tokenizer_key == key  # nor does tokenizing change it
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= {".json", ".safetensors", ".txt"}


def test_a_query_is_its_marker_its_text_and_mask_tokens_that_are_scored_but_not_attended_to() -> None:
    encoder = late()
    words = encoder.model.tokenizer.convert_ids_to_tokens(encoder.tokenize(["nin, bat"], "query").ids)
    assert words == ["[CLS]", "[unused0]", "nin", ",", "bat", "[SEP]", *["[MASK]"] * 6]
    found = represented(encoder, ["nin, bat"], "query")
    assert found.mask is not None
    assert found.mask.all()  # the comma too: punctuation is skipped in documents only
    unmasked = expanding({"strategy": "fixed", "length": 12, "attend": True})
    assert (represented(unmasked, ["nin, bat"], "query").vectors - found.vectors).abs().max() > 0.01


def test_a_document_is_marked_and_its_punctuation_read_but_not_scored() -> None:
    encoder = late()
    words = encoder.model.tokenizer.convert_ids_to_tokens(encoder.tokenize(["nin, bat"], "document").ids)
    assert words == ["[CLS]", "[unused1]", "nin", ",", "bat", "[SEP]"]
    found = represented(encoder, ["nin, bat"], "document")
    assert found.mask is not None
    assert found.mask.tolist() == [[True, True, True, False, True, True]]
    without = represented(encoder, ["nin bat"], "document")
    assert (found.vectors[0, 2] - without.vectors[0, 2]).norm() > 0.01


def test_a_mask_token_in_the_text_is_text() -> None:
    """Only what stands after the closing token is expansion."""
    encoder = late()
    tokens = encoder.tokenize(["nin [MASK]"], "query")
    assert encoder.model.tokenizer.convert_ids_to_tokens(tokens.ids)[2:6] == ["nin", "[MASK]", "[SEP]", "[MASK]"]
    ids = torch.from_numpy(tokens.ids.astype(np.int64))[None]
    assert encoder._expanded(ids, torch.ones_like(ids)).int().tolist() == [[0] * 5 + [1] * 7]


def test_plain_late_interaction_scores_the_dense_model_s_own_tokens() -> None:
    """Which its pooling averages: so nothing between them differs but the score."""
    dense, plain = tiny_models.dense(markers=True), late(PLAIN)
    dense.module.eval()
    tokens = dense.tokenize(TEXTS[:9], "document")
    assert np.array_equal(plain.tokenize(TEXTS[:9], "document").ids, tokens.ids)
    pooled = torch.stack([m.mean(dim=0) for m in matrices(represented(plain, TEXTS[:9], "document"))])
    with torch.inference_mode():
        expected = represent_rows(dense, [tokens.row(i) for i in range(9)], np.arange(9), "document")
    torch.testing.assert_close(pooled, expected.vectors, rtol=1e-5, atol=1e-5)


def test_conversion_adds_no_weight_and_changes_none(tmp_path: Path) -> None:
    source = tiny_models.build(tmp_path / "dense", markers=True)
    SHORT.convert(source, tmp_path / "late")
    before = SentenceTransformer(str(source), device="cpu").state_dict()
    after = LateInteraction.load(tmp_path / "late").module.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_lengths_cap_and_a_chosen_one_is_saved(tmp_path: Path) -> None:
    encoder = late(max_length=9)
    assert (encoder.max_length, late().max_length) == (9, 40)
    assert max(encoder.tokenize(TEXTS, "document").lengths) == 9
    assert set(encoder.tokenize(TEXTS, "query").lengths) == {12}
    assert max(late(PLAIN).tokenize(TEXTS, "query").lengths) == 12
    assert encoder.tokenizer_key != late().tokenizer_key
    encoder.save(tmp_path)
    assert LateInteraction.load(tmp_path).max_length == 9
    assert encoder.token_counts(["nin bat"]) == [5]
    assert encoder.token_counts(TEXTS)[-1] > 9


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_gradients_reach_the_transformer_and_adapters_fit_it() -> None:
    encoder = late(dropout=0.0)
    tokens = encoder.tokenize(TEXTS[:4], "query")
    rows = [tokens.row(i) for i in range(4)]
    found = represent_rows(encoder, rows, np.arange(4), "query")
    for scoring in (MaxSim(), MaxSim("l2")):
        encoder.module.zero_grad()
        scoring(found, found).diagonal().sum().backward(retain_graph=True)
        scoring(found[:2], found).sum().backward(retain_graph=True)
        grads = [p.grad for n, p in encoder.module.named_parameters() if "attention" in n]
        assert all(g is not None and torch.isfinite(g).all() for g in grads)
        assert any(g.abs().max() > 0 for g in grads if g is not None)
    encoder.set_dropout(0.3)
    assert {m.p for m in encoder.module.modules() if isinstance(m, torch.nn.Dropout)} == {0.3}
    (tower,) = encoder.transformers
    tower.model = get_peft_model(tower.model, LoraConfig(r=2, target_modules=["query"]))  # type: ignore[assignment]
    adapted = represented(encoder, TEXTS[:4], "query")
    torch.testing.assert_close(adapted.vectors, found.vectors.detach(), rtol=1e-5, atol=1e-5)


def changed(change: Callable[[MultiVectorEncoder], None]) -> Callable[[], LateInteraction]:
    def make() -> LateInteraction:
        model = late().model
        change(model)
        return LateInteraction(model)

    return make


def wide() -> Projection:
    return Projection(tiny_models.HIDDEN, 8, module_input_name="token_embeddings")


def made_of(*modules: Any) -> Callable[[], LateInteraction]:
    return lambda: LateInteraction(MultiVectorEncoder(modules=[late().model[0], *modules], device="cpu"))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (made_of(MultiVectorMask()), "made of Transformer, MultiVectorMask"),
        (made_of(MultiVectorMask(), Normalize()), "made of Transformer, MultiVectorMask, Normalize"),
        (made_of(Normalize("token_embeddings"), wide(), MultiVectorMask()), "Normalize, Dense, MultiVectorMask"),
        (changed(lambda model: setattr(model, "similarity_fn_name", "meanmaxsim")), "similarity is meanmaxsim"),
        (lambda: late(max_length=65), "length of 65 exceeds the model's 64 positions"),
        (lambda: late(Late(query_length=65, document_length=40)), "length of 65 exceeds"),
        (lambda: late(Late()), "length of 180 exceeds the model's 64 positions"),
        (lambda: expanding({"strategy": "fixed", "length": 12, "token": "[SEP]"}), "texts end with the token that"),
        (lambda: late(replace(SHORT, markers=("[Q]", "nin"))), r"vocabulary lacks the marker \[Q\]$"),
        (lambda: LateInteraction.load("nowhere"), "^holds no model with one vector per token"),
    ],
)
def test_a_model_that_would_be_used_wrongly_is_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        make()
    assert re.search(message, caught.value.problem)
    assert caught.value.remedy


def test_a_dense_folder_is_not_loaded_with_a_random_projection(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no model with one vector per token"):
        LateInteraction.load(tiny_models.build(tmp_path))


def test_half_precision_weights_become_float32() -> None:
    model = copy.deepcopy(late().model).half()
    assert {p.dtype for p in LateInteraction(model).module.parameters()} == {torch.float32}


@pytest.mark.parametrize("value", [Late(), Late(mask_punctuation=False, expansion=False, markers=None)])
def test_on_the_base_scores_are_the_library_s(value: Late, tmp_path: Path) -> None:
    value.convert(resolve("all-MiniLM-L6-v2").path, tmp_path)
    encoder = LateInteraction.load(tmp_path)
    texts = [
        "How do I sort an array?",
        "",
        " \n\t ",
        "Ünïcode, 漢字 and emoji 🙂 — “quotes”",
        "word " * 400,
        "numpy.linalg.svd(a, full_matrices=True)",
        "what is the boiling point of water at 2,000 m?",
        "Water boils at about 93 °C at an altitude of 2,000 metres.",
        "To sort an array in place, call its sort() method; it returns None.",
        "[unused0] and [MASK] are tokens of BERT's vocabulary.",
    ]
    ours = MaxSim()(
        encoder.searchable(represented(encoder, texts, "query")),
        encoder.searchable(represented(encoder, texts, "document")),
    )
    plain = MultiVectorEncoder(str(tmp_path), local_files_only=True)
    theirs = plain.similarity(library(plain, texts, "query"), library(plain, texts, "document"))
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)
    assert encoder.max_length == 180
    assert max(encoder.tokenize(texts, "document").lengths) == 180
    assert (encoder.tokenize(texts, "query").lengths == 32).all() == value.expansion
    assert ours.std(dim=1).min() > 0.1  # the documents are told apart
    assert sum(p.numel() for p in encoder.module.parameters()) == 22_713_216
