"""Whoever wrote the folder: scores are sentence-transformers' own, or one line says which file and key is at odds."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scored_layouts as layouts
import tiny_models
import torch
from scored_layouts import change, write
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.modules import Normalize
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling, MultiVectorMask
from tiny_models import sentences
from torch import Tensor, nn

from strop.models.cross_encoder import Reranker
from strop.models.encoder import Role, represent_rows
from strop.models.late_interaction import LateInteraction
from strop.models.loading import load_any, loaded_by
from strop.models.pair_scorer import score_pairs
from strop.models.scored_folders import refuse_language_model
from strop.records.errors import InputError

TEXTS = [*sentences(7, seed=3), "", "Bun, NIN! gat.", "nin [MASK]", " ".join(sentences(30, seed=6))]
PAIRS = [(q, d) for q in [*sentences(4, seed=1, longest=12), "", TEXTS[-1]] for d in TEXTS]
UNIT = Normalize("token_embeddings")
FIXED = {"strategy": "fixed", "length": 12}


def late(*after: Any, **settings: Any) -> Callable[[Path], Path]:
    return lambda folder: layouts.multi_vector(folder, *after, **settings)


def edited(make: Callable[[Path], Path], file: str, **values: Any) -> Callable[[Path], Path]:
    """The folder with keys of one file changed."""

    def made(folder: Path) -> Path:
        model = make(folder)
        change(model / file, **values)
        return model

    return made


def without(make: Callable[[Path], Path], file: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        (model := make(folder)).joinpath(file).unlink()
        return model

    return made


def decoder(folder: Path) -> Path:
    """Rows padded on the left, where places are relative."""
    source = tiny_models.plain_decoder(folder / "llama")
    change(source / "tokenizer_config.json", padding_side="left")
    return layouts.multi_vector(folder, MultiVectorMask(), UNIT, source=source)


NATIVE = late(MultiVectorMask(["."]), UNIT, query_length=10, document_length=30)
LATE: dict[str, Callable[[Path], Path]] = {
    "sentence-transformers": NATIVE,
    "mask last": late(UNIT, MultiVectorMask([".", ","])),
    "no mask": late(UNIT, query_expansion=FIXED),
    "both sides skip": late(MultiVectorMask(["nin", "."], skiplist_tasks=["query", "document"]), UNIT),
    "expansion skipped too": late(MultiVectorMask(["[MASK]"], skiplist_tasks="query"), UNIT, query_expansion=FIXED),
    "only some tokens": late(MultiVectorMask(keep_only_token_ids=[2, *range(20, 90)]), UNIT),
    "long queries kept": late(MultiVectorMask(), UNIT, query_expansion=FIXED | {"strategy": "min"}),
    "queries of a length": late(MultiVectorMask(), UNIT, query_length=20, query_expansion=FIXED | {"strategy": "min"}),
    "shorter than expanded": edited(
        late(MultiVectorMask(), UNIT, query_expansion=FIXED | {"strategy": "min"}),
        "tokenizer_config.json",
        model_max_length=8,
    ),
    "prompts": late(MultiVectorMask(), UNIT, prompts={"query": "get bun : ", "document": "nin : "}),
    "an earlier layer": edited(
        NATIVE,
        "sentence_bert_config.json",
        modality_config={"text": {"method": "forward", "method_output_name": ["hidden_states", 1]}},
    ),
    "a default prompt": late(MultiVectorMask(), UNIT, prompts={"find": "get bun : "}, default_prompt_name="find"),
    "cut on the left": edited(NATIVE, "tokenizer_config.json", truncation_side="left"),
    "padded on the left": decoder,
    "lower case": edited(late(MultiVectorMask(), UNIT, source=None), "sentence_bert_config.json", do_lower_case=True),
    "PyLate": layouts.pylate,
    "PyLate, of before model_type": partial(layouts.pylate, model_type=...),
    "PyLate, expansion attended to": partial(layouts.pylate, attend_to_expansion_tokens=True),
    "PyLate, no expansion": partial(layouts.pylate, do_query_expansion=False),
    "PyLate, nothing skipped": partial(layouts.pylate, skiplist_words=[]),
    "PyLate, default skips": partial(layouts.pylate, skiplist_words=...),
    "PyLate, no markers": partial(layouts.pylate, markers=False, query_prefix=None, document_prefix=None),
    "PyLate, markers as text": partial(layouts.pylate, markers=False),
    "PyLate, default lengths": partial(layouts.pylate, query_length=..., document_length=...),
    "PyLate, prompts": partial(layouts.pylate, prompts={"query": "bun ", "document": "[D] gat "}),
    "Stanford": layouts.stanford,
    "Stanford, attended": partial(layouts.stanford, attend_to_mask_tokens=True),
    "Stanford, punctuation": partial(layouts.stanford, mask_punctuation=False),
    "Stanford, defaults": partial(layouts.stanford, query_maxlen=..., query_token_id=..., doc_token_id=None),
}


def vectors(encoder: LateInteraction, role: Role) -> Any:
    encoder.module.eval()
    tokens = encoder.tokenize(TEXTS, role)
    rows = [tokens.row(i) for i in range(len(tokens))]
    with torch.inference_mode():
        return encoder.searchable(represent_rows(encoder, rows, np.arange(len(rows)), role))


@pytest.mark.parametrize("make", LATE.values(), ids=LATE.keys())
def test_late_interaction_scores_are_the_library_s_and_still_are_when_saved(
    make: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path)
    capfd.readouterr()
    encoder = load_any(folder)
    assert capfd.readouterr().err == ""
    assert isinstance(encoder, LateInteraction)
    assert loaded_by(folder) == "MultiVectorEncoder"
    theirs: Any = MultiVectorEncoder(str(folder), device="cpu", local_files_only=True)
    expected = theirs.similarity(theirs.encode_query(TEXTS), theirs.encode_document(TEXTS)).clone()
    assert expected.std(dim=1).min() > 0.02
    encoder.save(tmp_path / "again")
    for each in (encoder, LateInteraction.load(tmp_path / "again")):
        found = each.similarity(vectors(each, "query"), vectors(each, "document"))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


NATIVE_PAIRS = layouts.cross_encoder
PAIR: dict[str, Callable[[Path], Path]] = {
    "sentence-transformers": NATIVE_PAIRS,
    "identity": partial(NATIVE_PAIRS, activation_fn="torch.nn.modules.linear.Identity"),
    "softplus": partial(NATIVE_PAIRS, activation_fn="torch.nn.modules.activation.Softplus"),
    "prompt": partial(NATIVE_PAIRS, prompts={"find": "get bun : "}, default_prompt_name="find"),
    "prompt by no default": partial(NATIVE_PAIRS, prompts={"query": "get bun : "}),
    "float32 modules": partial(NATIVE_PAIRS, keep_in_fp32_modules=["0.model.classifier"]),
    "short": edited(NATIVE_PAIRS, "sentence_bert_config.json", max_seq_length=9),
    "short by tokenizer": edited(NATIVE_PAIRS, "tokenizer_config.json", model_max_length=10),
    "lower case": edited(NATIVE_PAIRS, "sentence_bert_config.json", do_lower_case=True),
    "unpadded": edited(NATIVE_PAIRS, "sentence_bert_config.json", unpad_inputs=False),
    "transformers": layouts.classifier,
    "of before 4.0": partial(
        layouts.classifier, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity"
    ),
    "of 4.0": partial(
        layouts.classifier,
        sentence_transformers={"activation_fn": "torch.nn.modules.activation.Sigmoid", "version": "4.1.0"},
    ),
    "an activation that another hides": edited(
        NATIVE_PAIRS, "config.json", sbert_ce_default_activation_function="torch.nn.modules.activation.GELU"
    ),
    "pooled": layouts.pooled,
    "FlagEmbedding": layouts.flag,
    "decoder": layouts.decoder_classifier,
    "decoder, padded on the right": partial(layouts.decoder_classifier, side="right"),
}


def logits(scorer: Reranker, pairs: list[tuple[str, str]]) -> Tensor:
    scorer.module.eval()
    sides = [scorer.tokenize([pair[i] for pair in pairs], role) for i, role in enumerate(("query", "document"))]  # type: ignore[arg-type]
    rows = [scorer.pair(sides[0].row(i), sides[1].row(i)) for i in range(len(pairs))]
    with torch.inference_mode():
        return score_pairs(scorer, rows, np.arange(len(rows)))


@pytest.mark.parametrize("make", PAIR.values(), ids=PAIR.keys())
def test_logits_are_those_of_predict_without_its_activation_and_so_is_their_order(
    make: Callable[[Path], Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make(tmp_path)
    capfd.readouterr()
    scorer = load_any(folder)
    assert capfd.readouterr().err == ""
    assert isinstance(scorer, Reranker)
    theirs = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    found = logits(scorer, PAIRS)
    expected = theirs.predict(PAIRS, convert_to_tensor=True, activation_fn=nn.Identity(), show_progress_bar=False)
    torch.testing.assert_close(found, expected.clone(), rtol=1e-5, atol=1e-5)
    assert expected.std() > 0.05
    activated = theirs.predict(PAIRS, convert_to_tensor=True, show_progress_bar=False)[found.argsort()]
    assert (activated.diff() >= -1e-5).all()


def test_a_pair_takes_no_more_tokens_than_roberta_has_positions_where_the_library_fails(tmp_path: Path) -> None:
    scorer = Reranker.load(layouts.flag(tmp_path, limit=None))
    assert scorer.max_length == 64
    theirs = CrossEncoder(str(tmp_path), device="cpu", local_files_only=True)
    assert theirs.max_seq_length == 66
    with pytest.raises((IndexError, RuntimeError)):
        theirs.predict([PAIRS[-1]], show_progress_bar=False)
    theirs.max_seq_length = 64
    expected = theirs.predict(PAIRS, convert_to_tensor=True, activation_fn=nn.Identity(), show_progress_bar=False)
    torch.testing.assert_close(logits(scorer, PAIRS), expected.clone(), rtol=1e-5, atol=1e-5)
    with pytest.raises(InputError, match="a length of 65 exceeds the model's 64 positions"):
        Reranker.load(tmp_path, 65)


# --- what is refused ----------------------------------------------------------------------------------------------


def modules(make: Callable[[Path], Path], *kinds: str) -> Callable[[Path], Path]:
    """The folder with other classes in modules.json."""

    def made(folder: Path) -> Path:
        model = make(folder)
        write(model / "modules.json", [{"idx": i, "name": str(i), "path": f"{i}" * (i > 0), "type": t} for i, t in enumerate(kinds)])  # fmt: skip  # noqa: E501
        return model

    return made


def copied_from(source: Path, target: Path, file: str) -> Path:
    shutil.copy(source / file, target)
    return target


def copied(make: Callable[[Path], Path], file: str) -> Callable[[Path], Path]:
    def made(folder: Path) -> Path:
        model = make(folder)
        (model / file).write_text("{{ messages }}", encoding="utf-8")
        return model

    return made


TRANSFORMER = "sentence_transformers.base.modules.transformer.Transformer"
SETTINGS, SBERT = "config_sentence_transformers.json", "sentence_bert_config.json"
CHAT = {"modality_config": {"message": {"method": "forward", "method_output_name": "logits"}}}
REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "another similarity": (
        edited(NATIVE, SETTINGS, similarity_fn_name="meanmaxsim"),
        f"{SETTINGS}: similarity_fn_name",
    ),
    "token pooling": (
        late(MultiVectorMask(), UNIT, HierarchicalTokenPooling(2)),
        "HierarchicalTokenPooling. strop keeps",
    ),
    "no unit vectors": (late(MultiVectorMask()), "modules.json: the model is made of Transformer, Dense, MultiVector"),
    "Router": (modules(NATIVE, "sentence_transformers.base.modules.router.Router"), "router_config.json: the"),
    "settings of the tokenizer's call": (
        edited(NATIVE, SBERT, processing_kwargs={"text": {"max_length": 5}}),
        f"{SBERT}: processing_kwargs is",
    ),
    "chat": (edited(NATIVE, SBERT, **CHAT), f"{SBERT}: modality_config is"),
    "another task": (edited(NATIVE, SBERT, transformer_task="fill-mask"), f"{SBERT}: transformer_task is 'fill-mask'"),
    "an expansion that is none": (
        edited(NATIVE, SBERT, query_expansion={"strategy": "max"}),
        "cannot load it as a Multi",
    ),
    "a tokenizer elsewhere": (
        edited(NATIVE, SBERT, tokenizer_name_or_path="bert"),
        f"{SBERT}: the tokenizer is another",
    ),
    "an activation of other code": (
        edited(NATIVE, "1_Dense/config.json", activation_function="my.Act"),
        "1_Dense/config.json: activation_function",
    ),
    "a projection of something else": (
        edited(NATIVE, "1_Dense/config.json", module_input_name="sentence_embedding"),
        "config.json: module_input_name",
    ),
    "padded on the left": (edited(NATIVE, "tokenizer_config.json", padding_side="left"), "padding_side is left"),
    "expanded on the left": (
        edited(late(MultiVectorMask(), UNIT, query_expansion=FIXED), "tokenizer_config.json", padding_side="left"),
        "tokenizer_config.json: padding_side is left",
    ),
    "queries shorter than their special tokens": (
        late(MultiVectorMask(), UNIT, query_expansion=FIXED | {"length": 1}),
        "query_expansion has length 1, and special tokens take 2",
    ),
    "a prompt that nothing uses": (late(MultiVectorMask(), UNIT, prompts={"passage": "nin : "}), "prompts has passage"),
    "no length": (edited(NATIVE, SBERT, document_length=0), f"{SBERT}: document_length is 0"),
    "nothing to score": (
        late(MultiVectorMask(keep_only_token_ids=[30]), UNIT),
        "skiplist_words and keep_only_token_ids",
    ),
    "PyLate without projection": (
        modules(partial(layouts.pylate, model_type=...), TRANSFORMER),
        "its projection would be random. Convert it",
    ),
    "Stanford without projection": (
        lambda at: copied_from(tiny_models.plain(at / "plain"), layouts.stanford(at / "s"), "model.safetensors"),
        "no weight linear.weight",
    ),
    "Stanford without metadata": (
        without(layouts.stanford, "artifact.metadata"),
        "without artifact.metadata, which holds",
    ),
    "Stanford by distance": (partial(layouts.stanford, similarity="l2"), "artifact.metadata: similarity is 'l2'"),
    "Stanford's flipr": (partial(layouts.stanford, interaction="flipr"), "artifact.metadata: interaction is 'flipr'"),
    "Stanford with other names": (
        partial(layouts.stanford, prefix="colbert."),
        "of the model's 39 weights are not in its files",
    ),
    "a dense one called late": (
        edited(tiny_models.plain, SETTINGS, model_type="MultiVectorEncoder"),
        "would be random",
    ),
    "images": (
        edited(
            edited(tiny_models.plain, SETTINGS, model_type="MultiVectorEncoder"),
            "config.json",
            architectures=["ColPaliForRetrieval"],
        ),
        "config.json: architectures is ColPaliForRetrieval",
    ),
    "order": (partial(NATIVE_PAIRS, activation_fn="torch.nn.modules.activation.GELU"), f"{SETTINGS}: activation_fn is"),
    "ties": (
        partial(layouts.classifier, sbert_ce_default_activation_function="torch.nn.modules.activation.ReLU"),
        "config.json: sbert_ce_default_activation_function is",
    ),
    "order of 4.0": (
        partial(layouts.classifier, sentence_transformers={"activation_fn": "torch.nn.modules.activation.SiLU"}),
        "config.json: sentence_transformers.activation_fn is",
    ),
    "own activation": (partial(NATIVE_PAIRS, activation_fn="my.Act"), f"{SETTINGS}: activation_fn is 'my.Act'"),
    "three labels": (partial(layouts.classifier, labels=3), "config.json: the model gives 3 scores a pair"),
    "a prompt that is none": (partial(NATIVE_PAIRS, default_prompt_name="find"), "default_prompt_name is 'find'"),
    "pairs by chat": (edited(NATIVE_PAIRS, SBERT, **CHAT), f"{SBERT}: modality_config is"),
    "pairs by a template": (copied(layouts.classifier, "chat_template.jinja"), "by a chat_template"),
    "pairs by a language model": (
        modules(NATIVE_PAIRS, TRANSFORMER, "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"),
        "LogitScore has no folder here",
    ),
    "a task of language": (
        edited(NATIVE_PAIRS, SBERT, transformer_task="text-generation"),
        f"{SBERT}: transformer_task",
    ),
    "pairs cut on the left": (
        edited(layouts.classifier, "tokenizer_config.json", truncation_side="left"),
        "tokenizer_config.json: the tokenizer cuts texts from the left",
    ),
    "pairs padded on the left": (
        edited(layouts.classifier, "tokenizer_config.json", padding_side="left"),
        "padding_side",
    ),
    "padding attended to": (
        edited(layouts.classifier, "tokenizer_config.json", model_input_names=["input_ids", "token_type_ids"]),
        "tokenizer_config.json: model_input_names has no attention_mask",
    ),
    "padding read": (layouts.reads_padding, "strop's scores would differ from CrossEncoder.predict's by"),
    "no padding": (partial(layouts.decoder_classifier, pad_token_id=None), "config.json: a pair's end cannot be told"),
    "token types without weights": (
        edited(layouts.classifier, "config.json", type_vocab_size=1),
        "token_type_embeddings.weight has the shape",
    ),
}


@pytest.mark.parametrize(("make", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_score_otherwise_than_the_library_is_refused_by_file_and_key(
    make: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    folder = make(tmp_path)
    with pytest.raises(InputError, match=message) as caught:
        load_any(folder)
    assert str(caught.value).startswith(str(tmp_path))
    assert caught.value.remedy
    assert "remote_code" not in str(caught.value)


@pytest.mark.parametrize("architecture", ["GemmaForCausalLM", "LayerWiseMiniCPMForCausalLM"])
def test_a_reranker_that_is_a_language_model_is_refused(architecture: str, tmp_path: Path) -> None:
    write(tmp_path / "config.json", {"architectures": [architecture], "model_type": "minicpm"})
    for act in (refuse_language_model, Reranker.load):
        with pytest.raises(InputError, match=rf"config.json: architectures is {architecture}, a language model"):
            act(tmp_path)
    refuse_language_model(tiny_models.plain(tmp_path / "bert"))


@pytest.mark.parametrize("make", [NATIVE, layouts.cross_encoder], ids=["late interaction", "cross-encoder"])
@pytest.mark.parametrize("content", ['"a text"', "[]", "7"])
def test_a_file_that_holds_no_object_is_named_whichever_it_is(
    make: Callable[[Path], Path], content: str, tmp_path: Path
) -> None:
    folder = make(tmp_path)
    for path in sorted(folder.rglob("*.json")):
        if path.name == "tokenizer.json" or (path.name == "modules.json" and content == "[]"):
            continue  # another reader's; no modules at all
        whole = path.read_text(encoding="utf-8")
        path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=re.escape(str(path))):
            load_any(folder)
        path.write_text(whole, encoding="utf-8")
    load_any(folder)
