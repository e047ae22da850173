"""What every encoder keeps: it is the library's own encode, whatever the padding, saved and loaded again."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from room_members import classes
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.base.modules import Router
from sentence_transformers.sentence_transformer.modules import BoW
from tiny_models import ARCHITECTURES, PLAIN_LATE, decoder, dense, late, sentences, two_towers
from torch import Tensor

from strop.models.architecture import Architecture, Tied, Untied, keep_layers
from strop.models.dense import Dense
from strop.models.encoder import Encoder, Role, represent_rows
from strop.models.late_interaction import Late
from strop.models.loading import load
from strop.models.scoring import Dot, MaxSim, Representation
from strop.records.errors import InputError

TEXTS = [*sentences(9, seed=3), "", "   ", "Bun. NIN!", " ".join(sentences(40, seed=6))]
PROMPTS = {"query": "get bun : ", "document": "nin : "}
ENCODERS: dict[str, Callable[..., Encoder]] = {
    **ARCHITECTURES,
    "dot": partial(dense, similarity="dot", unit=False),
    "unit vectors, dot": partial(dense, similarity="dot"),
    "not normalized, cosine": partial(dense, unit=False),
    "mean and max": partial(dense, pooling=["mean", "max"]),
    "lower case": partial(dense, cased=True),
    "prompts": partial(dense, prompts=PROMPTS),
    "untied, dot and prompts": partial(two_towers, Untied(similarity="dot"), prompts=PROMPTS),
}
every_encoder = pytest.mark.parametrize("make", ENCODERS.values(), ids=ENCODERS.keys())
each_role = pytest.mark.parametrize("role", ["query", "document"])
ROLES: tuple[Role, Role] = ("query", "document")


def represented(encoder: Encoder, texts: list[str], role: Role, searchable: bool = False) -> Representation:
    encoder.module.eval()
    tokens = encoder.tokenize(texts, role)
    with torch.inference_mode():
        rows = [tokens.row(i) for i in range(len(tokens))]
        found = represent_rows(encoder, rows, np.arange(len(tokens)), role)
        return encoder.searchable(found) if searchable else found


def matrices(representation: Representation) -> list[Tensor]:
    """Each text's vectors that count, `(tokens, D)`, or its one, `(1, D)`."""
    if representation.mask is None:
        return [vector[None] for vector in representation.vectors]
    return [vectors[mask] for vectors, mask in zip(representation.vectors, representation.mask, strict=True)]


def library(encoder: Encoder, texts: list[str], role: Role) -> Any:
    """What `encode_query` or `encode_document` gives: a matrix, or one a text."""
    model: Any = encoder.module
    encode = model.encode_query if role == "query" else model.encode_document
    if isinstance(model, MultiVectorEncoder):
        return [vectors.clone() for vectors in encode(texts)]
    unit = model.similarity_fn_name == "cosine"
    return encode(texts, convert_to_tensor=True, normalize_embeddings=unit).clone()


def test_every_encoder_of_the_room_is_held_to_this_contract() -> None:
    assert classes("models", "tokenize", "searchable", "represent") == {type(make()) for make in ENCODERS.values()}


@every_encoder
@each_role
def test_the_searchable_vectors_are_those_of_the_library_s_encode(make: Callable[[], Encoder], role: Role) -> None:
    encoder = make()
    found, expected = matrices(represented(encoder, TEXTS, role, searchable=True)), library(encoder, TEXTS, role)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs.view(ours.shape), rtol=1e-5, atol=2e-6)
    assert (found[0][0] - found[1][0]).norm() > 0.01  # the texts are told apart
    assert found[0].shape[1] == encoder.dimension


@every_encoder
def test_its_similarity_is_the_library_s(make: Callable[[], Encoder]) -> None:
    encoder = make()
    asked, found = (represented(encoder, TEXTS, role, searchable=True) for role in ROLES)
    model: Any = encoder.module
    theirs = model.similarity(library(encoder, TEXTS, "query"), library(encoder, TEXTS, "document"))
    torch.testing.assert_close(encoder.similarity(asked, found), theirs, rtol=1e-5, atol=1e-5)
    assert theirs.std(dim=1).min() > 0.01


@every_encoder
@each_role
def test_padding_and_company_change_no_vector(make: Callable[[], Encoder], role: Role) -> None:
    encoder = make()
    together = matrices(represented(encoder, TEXTS, role))
    backwards = matrices(represented(encoder, TEXTS[::-1], role))[::-1]
    for i, text in enumerate(TEXTS):
        (alone,) = matrices(represented(encoder, [text], role))
        torch.testing.assert_close(together[i], alone, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(together[i], backwards[i], rtol=1e-5, atol=1e-5)


@every_encoder
def test_saved_and_loaded_it_is_of_the_same_class_with_the_same_vectors_and_tokens(
    make: Callable[[], Encoder], tmp_path: Path
) -> None:
    encoder = make()
    encoder.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is type(encoder)
    for role in ROLES:
        before, after = represented(encoder, TEXTS, role), represented(again, TEXTS, role)
        assert torch.equal(before.vectors, after.vectors)
    assert (again.tokenizer_key, again.max_length) == (encoder.tokenizer_key, encoder.max_length)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} <= {".json", ".safetensors", ".txt"}


@every_encoder
def test_its_face_says_what_it_is(make: Callable[[], Encoder]) -> None:
    encoder = make()
    documents = represented(encoder, TEXTS, "document")
    assert encoder.similarity == (Dot() if documents.mask is None else MaxSim())
    assert documents.vectors.shape[-1] == encoder.dimension
    assert encoder.by_role == (not isinstance(encoder, Dense))
    assert len(encoder.transformers) == 1 + ("Router" in type(encoder.module[0]).__name__)  # type: ignore[index]
    if not encoder.by_role:
        tokens = encoder.tokenize(TEXTS, "document")
        rows = [tokens.row(i) for i in range(len(tokens))]
        encoder.module.eval()
        with torch.inference_mode():
            as_query = represent_rows(encoder, rows, np.arange(len(rows)), "query")
        assert torch.equal(as_query.vectors, documents.vectors)


def test_towers_apart_take_a_text_differently_and_each_answers_to_its_role() -> None:
    encoder = two_towers()
    asked, found = (represented(encoder, TEXTS, role).vectors for role in ROLES)
    assert (asked - found).norm(dim=1).min() > 0.1
    with torch.no_grad():
        for parameter in encoder.transformers[0].parameters():
            parameter.mul_(1.5)
    assert (represented(encoder, TEXTS, "query").vectors - asked).norm(dim=1).min() > 0.01
    assert torch.equal(represented(encoder, TEXTS, "document").vectors, found)


@pytest.mark.parametrize("make", ARCHITECTURES.values(), ids=ARCHITECTURES.keys())
def test_lengths_cap_are_saved_and_counts_are_of_whole_texts(make: Callable[..., Encoder], tmp_path: Path) -> None:
    encoder, short = make(), make(max_length=9)
    assert short.max_length == 9 < encoder.max_length
    for each in (encoder, short):
        assert max(each.tokenize(TEXTS, "document").lengths) == each.max_length
    assert short.tokenizer_key != encoder.tokenizer_key
    short.save(tmp_path)
    assert load(tmp_path).max_length == 9
    assert load(tmp_path, max_length=12).max_length == 12
    lengths = encoder.tokenize(TEXTS[:-1], "document").lengths.tolist()
    assert short.token_counts(TEXTS)[:-1] == lengths
    assert short.token_counts(TEXTS)[-1] > encoder.max_length


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_dropout_set_to_one_rate_is_drawn_in_training_and_set_to_none_is_not(name: str) -> None:
    encoder = ARCHITECTURES[name](dropout=0.1)
    for rate, drawn in ((0.4, True), (0.0, False)):
        encoder.set_dropout(rate)
        tokens = encoder.tokenize(TEXTS[:5], "query")
        encoder.module.train()
        with torch.no_grad():
            rows = [tokens.row(i) for i in range(5)]
            seen = [represent_rows(encoder, rows, np.arange(5), role).vectors for role in ROLES for _ in range(2)]
        assert all(torch.equal(*pair) != drawn for pair in (seen[:2], seen[2:]))


# --- architectures as values --------------------------------------------------------------------------------------

VALUES: dict[str, Architecture] = {
    "tied": Tied(),
    "tied, first token, dot": Tied("cls", "dot"),
    "untied": Untied(),
    "ColBERT": Late(query_length=12, document_length=40),
    "plain late interaction": PLAIN_LATE,
}


def only(state: dict[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.rsplit(".model.", 1)[1]: p for name, p in state.items() if part in name}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_conversion_keeps_the_transformer_s_weights_and_adds_none(value: Architecture, tmp_path: Path) -> None:
    source = tiny_models.build(tmp_path / "dense", markers=True, prompts=PROMPTS, pooling="max")
    value.convert(source, tmp_path / "made")
    expected = {f".{n}": p for n, p in SentenceTransformer(str(source), device="cpu").state_dict().items()}
    wanted = only(expected, ".model.")
    encoder = load(tmp_path / "made")
    state = {f".{n}": p for n, p in encoder.module.state_dict().items()}
    assert len(state) == len(wanted) * len(encoder.transformers)
    for tower in encoder.transformers:
        found = tower.model.state_dict()
        assert found.keys() == wanted.keys()
        assert all(torch.equal(found[name], wanted[name]) for name in wanted)
    if not isinstance(value, Late):
        assert encoder.module.prompts == PROMPTS
        unit = represented(encoder, TEXTS, "document", searchable=True).vectors.norm(dim=1)
        assert (value.similarity == "cosine") == bool(torch.allclose(unit, torch.ones(len(TEXTS))))  # type: ignore[attr-defined]


def test_tied_mean_pooling_is_the_dense_model_s_own_and_untied_starts_with_one_tower_twice(tmp_path: Path) -> None:
    source = tiny_models.build(tmp_path / "dense")
    Tied().convert(source, tmp_path / "tied")
    Untied("mean").convert(source, tmp_path / "untied")
    expected = represented(load(source), TEXTS, "document").vectors
    assert torch.equal(represented(load(tmp_path / "tied"), TEXTS, "query").vectors, expected)
    for role in ROLES:
        assert torch.equal(represented(load(tmp_path / "untied"), TEXTS, role).vectors, expected)
    first, second = load(tmp_path / "untied").transformers
    assert not {p.data_ptr() for p in first.parameters()} & {p.data_ptr() for p in second.parameters()}


def test_the_first_layers_are_those_of_the_whole_model(tmp_path: Path) -> None:
    source = tiny_models.build(tmp_path / "dense", unit=False)
    keep_layers(source, tmp_path / "short", 1)
    whole, short = load(source), load(tmp_path / "short")
    ids = torch.from_numpy(whole.tokenize(TEXTS[:1], "document").ids.astype(np.int64))[None]
    whole.module.eval()
    with torch.inference_mode():
        after_one = whole.transformers[0].model(ids, output_hidden_states=True).hidden_states[1].mean(dim=1)
    torch.testing.assert_close(represented(short, TEXTS[:1], "document").vectors, after_one, rtol=1e-5, atol=1e-6)
    count = sum(p.numel() for p in whole.module.parameters()) - sum(p.numel() for p in short.module.parameters())
    layer = whole.transformers[0].model.encoder.layer[0]
    assert count == sum(p.numel() for p in layer.parameters())


# --- what is refused ----------------------------------------------------------------------------------------------


def elsewhere_routed(folder: Path) -> Path:
    inner = [list(dense(seed=seed).model) for seed in (0, 1)]
    model = SentenceTransformer(modules=[Router({"a": inner[0], "b": inner[1]}, default_route="a")], device="cpu")
    model.save_pretrained(str(folder / "routed"), create_model_card=False)
    return folder / "routed"


def bag_of_words(folder: Path) -> Path:
    SentenceTransformer(modules=[BoW(["a", "b"])], device="cpu").save_pretrained(
        str(folder / "bow"), create_model_card=False
    )
    return folder / "bow"


def saved(encoder: Encoder, folder: Path) -> Path:
    encoder.save(folder / "saved")
    return folder / "saved"


def without_pad_token(folder: Path) -> Path:
    model = decoder().model
    model.tokenizer.pad_token = None
    model.save_pretrained(str(folder / "unpadded"), create_model_card=False)
    return folder / "unpadded"


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda at: load(elsewhere_routed(at)), r"router_config\.json: structure is"),
        (lambda at: load(saved(dense(), at), 65), "a length of 65 exceeds the model's 64 positions"),
        (lambda at: load(saved(two_towers(), at), 65), "a length of 65 exceeds the model's 64 positions"),
        (lambda at: load(saved(decoder(), at), 65), "a length of 65 exceeds the model's 64 positions"),
        (lambda at: load(saved(late(), at), 65), "a length of 65 exceeds the model's 64 positions"),
        (lambda at: load(without_pad_token(at)), "the tokenizer has no pad_token"),
        (lambda at: load(bag_of_words(at)), r"modules\.json: the model has a module BoW"),
        (lambda at: Tied().convert(bag_of_words(at), at / "to"), r"modules\.json: the model has a module BoW"),
        (lambda at: Untied().convert(saved(two_towers(), at), at / "to"), "starts with Router, not with a transformer"),
        (lambda at: Late().convert(saved(two_towers(), at), at / "to"), "starts with Router, not with a transformer"),
        (lambda at: keep_layers(saved(two_towers(), at), at / "to", 1), "starts with Router, not with a transformer"),
        (lambda at: keep_layers(saved(dense(), at), at / "to", 0), "there are no 0 layers to keep"),
        (lambda at: keep_layers(saved(dense(), at), at / "to", 3), "there are no 3 layers to keep"),
        (lambda at: keep_layers(saved(decoder(), at), at / "to", 1), "the layers of a LlamaModel are not known"),
    ],
)
def test_what_would_be_used_wrongly_is_refused_in_one_clear_line(
    act: Callable[[Path], Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        act(tmp_path)
    assert caught.value.remedy
    assert not (tmp_path / "to").exists()
