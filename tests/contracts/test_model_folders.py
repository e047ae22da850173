"""Every dense folder that strop loads scores as sentence-transformers does; what it would score otherwise is refused.

Each setting that the library reads has a decision in `dense_settings`: the keys are taken from its own source.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.base import BaseModel
from sentence_transformers.base import modules as shared_modules
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.base.modules.module import Module
from sentence_transformers.sentence_transformer import modules as dense_modules
from sentence_transformers.sentence_transformer.modules import (
    BoW,
    Dropout,
    LayerNorm,
    Normalize,
    Pooling,
    WeightedLayerPooling,
)
from sentence_transformers.sentence_transformer.modules import Dense as Projection
from sentence_transformers.sentence_transformer.modules import pooling as pooling_source
from tiny_models import HIDDEN, POSITIONS, dense, sentences
from torch import Tensor, nn
from transformers import (
    BertConfig,
    BertModel,
    GPT2Config,
    GPT2Model,
    OPTConfig,
    OPTModel,
    RobertaConfig,
    RobertaModel,
)

from strop.models.architecture import Doubled
from strop.models.dense_settings import MODEL, MODULE, ROUTER_PARAMETERS, ROUTES, TABLES
from strop.models.encoder import Role
from strop.models.loading import load
from strop.models.transformer import check_positions
from strop.records.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")
QUERIES = [*sentences(4, seed=3), "", "Bun. NIN!", "bun [SEP] nin [MASK]", "dan é 語 tot"]
DOCUMENTS = [*sentences(4, seed=5), "", "LEN? fon: gat", " ".join(sentences(40, seed=6))]
PROMPTS = {"query": "get bun : ", "document": "nin : ", "other": "tot tot "}
SMALL: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "vocab_size": 9}
Make = Callable[[Path], Any]


def transformer(seed: int = 0, **options: Any) -> Transformer:
    return copy.deepcopy(dense(seed=seed, **options).transformer)


def pooled(mode: Any = "mean", seed: int = 0, **options: Any) -> list[Any]:
    return [transformer(seed), Pooling(HIDDEN, mode, **options)]


def projection(width: int = 8, seed: int = 0, **options: Any) -> Projection:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Projection(HIDDEN, width, **options)


def norm() -> LayerNorm:
    made = LayerNorm(HIDDEN)
    nn.init.uniform_(made.norm.weight, 0.1, 2.0, generator=torch.Generator().manual_seed(1))
    return made


def saved(*modules: Any, edits: dict[str, dict[str, Any]] | None = None, **settings: Any) -> Make:
    """A folder of those modules; `edits` are settings, by file, put into it afterwards."""

    def make(folder: Path) -> Path:
        model = SentenceTransformer(modules=copy.deepcopy(list(modules)), device="cpu", **settings)
        model.save_pretrained(str(folder), create_model_card=False)
        for name, values in (edits or {}).items():
            put(folder / name, values)
        return folder

    return make


def put(path: Path, values: dict[str, Any]) -> None:
    held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**held, **values}), encoding="utf-8")


def with_layers(folder: Path) -> Path:
    """Its hidden states are given out, and weighed layer by layer."""
    weighed = WeightedLayerPooling(
        HIDDEN, num_hidden_layers=2, layer_start=1, layer_weights=nn.Parameter(torch.tensor([1.0, 3.0]))
    )
    saved(transformer(), weighed, Pooling(HIDDEN, "mean"))(folder)
    put(folder / "config.json", {"output_hidden_states": True})
    return folder


def towers(after: tuple[Any, ...] = (), routes: str = "query document", **settings: Any) -> Make:
    query, document = pooled("cls", seed=0), pooled("mean", seed=1)
    query[0].max_seq_length = 20
    named = dict(zip(routes.split(), (query, document), strict=True))
    return saved(Router(named, default_route=routes.split()[1]), *after, **settings)


def after_pooling(*after: Any, **settings: Any) -> Make:
    return saved(*pooled(), Router({"query": [projection()], "document": [projection(seed=1)]}), *after, **settings)


CONFIG, SETTINGS, LENGTHS = "config.json", "config_sentence_transformers.json", "sentence_bert_config.json"
TOKENIZER = "tokenizer_config.json"
EQUAL: dict[str, Make] = {
    **{mode: saved(*pooled(mode)) for mode in Pooling.POOLING_MODES},
    "all pooling modes": saved(*pooled(list(Pooling.POOLING_MODES)), Normalize()),
    "pooling of old": saved(
        *pooled(), edits={"1_Pooling/config.json": {"pooling_mode_max_tokens": True, "pooling_mode": "max"}}
    ),
    "dot": saved(*pooled(), similarity_fn_name="dot"),
    "unit, dot": saved(*pooled(), Normalize(), similarity_fn_name="dot"),
    "a similarity that is not said": saved(*pooled(), edits={SETTINGS: {"similarity_fn_name": None}}),
    "after Normalize": saved(*pooled(), Normalize(), projection(activation_function=nn.Tanh())),
    "after Normalize, dot": saved(*pooled(), Normalize(), projection(), similarity_fn_name="dot"),
    "Normalize twice": saved(*pooled(), Normalize(), norm(), Normalize(), similarity_fn_name="dot"),
    "Normalize, then dropout": saved(*pooled(), Normalize(), Dropout(0.5), similarity_fn_name="dot"),
    "unit tokens": saved(
        transformer(), Normalize("token_embeddings"), Pooling(HIDDEN, "mean"), similarity_fn_name="dot"
    ),
    "unit tokens at the end": saved(*pooled(), Normalize("token_embeddings"), similarity_fn_name="dot"),
    "projected tokens": saved(
        transformer(), projection(module_input_name="token_embeddings"), Pooling(8, "mean"), similarity_fn_name="dot"
    ),
    "gelu": saved(*pooled(), projection(activation_function=nn.GELU()), similarity_fn_name="dot"),
    "residual": saved(*pooled(), projection(HIDDEN, use_residual=True), similarity_fn_name="dot"),
    "layer norm": saved(*pooled(), norm(), similarity_fn_name="dot"),
    "weighed layers": with_layers,
    "BERT's own pooler": saved(
        transformer(),
        Normalize(),
        edits={
            LENGTHS: {
                "modality_config": {"text": {"method": "forward", "method_output_name": "pooler_output"}},
                "module_output_name": "sentence_embedding",
            }
        },
    ),
    "truncated": saved(*pooled(), Normalize(), truncate_dim=9),
    "truncated, dot": saved(*pooled(), Normalize(), truncate_dim=9, similarity_fn_name="dot"),
    "truncated to more": saved(*pooled(), truncate_dim=99, similarity_fn_name="dot"),
    "prompts": saved(*pooled(), prompts=PROMPTS),
    "a default prompt": saved(*pooled(), prompts=PROMPTS, default_prompt_name="other"),
    "only a default prompt": saved(
        *pooled(), edits={SETTINGS: {"prompts": {"other": "tot tot "}, "default_prompt_name": "other"}}
    ),
    "a passage prompt": saved(*pooled(), edits={SETTINGS: {"prompts": {"passage": "tot tot "}}}),
    "no prompts": saved(*pooled(), edits={SETTINGS: {"prompts": {"query": None}}}),
    "no prompt to leave out": saved(*pooled(include_prompt=False), prompts={"query": "", "other": "tot tot "}),
    "lower case": saved(transformer(cased=True), Pooling(HIDDEN, "mean"), edits={LENGTHS: {"do_lower_case": True}}),
    "cased": saved(transformer(cased=True), Pooling(HIDDEN, "mean")),
    "a length": saved(*pooled(), edits={LENGTHS: {"max_seq_length": 7}}),
    "a tokenizer's length": saved(*pooled(), edits={TOKENIZER: {"model_max_length": 7}}),
    "no length": saved(*pooled(), edits={TOKENIZER: {"model_max_length": 10**30}}),
    "cut on the left": saved(*pooled(), edits={TOKENIZER: {"truncation_side": "left"}}),
    "towers": towers(),
    "towers, dot": towers((Normalize(),), similarity_fn_name="dot", prompts=PROMPTS),
    "towers, projected": towers((projection(), norm_of := LayerNorm(8)), truncate_dim=5),
    "a router after pooling": after_pooling(Normalize(), prompts=PROMPTS),
    "a router at the end": after_pooling(similarity_fn_name="dot", truncate_dim=5),
    "a router, then a projection": saved(
        *pooled(), Router({"query": [norm()], "document": [Dropout(0.1)]}), Normalize(), projection()
    ),
    "a router in a tower": saved(
        Router(
            {
                "query": [*pooled("cls")],
                "document": [*pooled(), Router({"query": [projection(HIDDEN)], "document": [norm()]})],
            }
        )
    ),
    "a router after a router": towers((Router({"query": [projection()], "document": [projection(seed=1)]}),)),
    "transformers' own layout": lambda folder: tiny_models.plain(folder),
    "a decoder": lambda folder: tiny_models.plain_decoder(folder),
    "unknown to the library": saved(*pooled(), Normalize(), edits={SETTINGS: {"later": 3}}),
}


def ours(folder: Path) -> Tensor:
    encoder = load(folder)
    encoder.module.eval()
    sides = []
    texts: dict[Role, list[str]] = {"query": QUERIES, "document": DOCUMENTS}
    for role, each in texts.items():
        tokens = encoder.tokenize(each, role)
        with torch.inference_mode():
            sides.append(encoder.searchable_rows([tokens.row(i) for i in range(len(tokens))], role))
    assert sides[0].vectors.shape[1] == encoder.dimension
    return encoder.similarity(*sides)


@pytest.mark.filterwarnings("ignore:.*no modules.json")
@pytest.mark.parametrize("make", EQUAL.values(), ids=EQUAL.keys())
def test_a_folder_that_is_read_scores_as_the_library_does(make: Make, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    theirs = SentenceTransformer(str(folder), device="cpu")
    expected = theirs.similarity(theirs.encode_query(QUERIES), theirs.encode_document(DOCUMENTS))
    np.testing.assert_allclose(ours(folder).numpy(), expected.numpy(), rtol=1e-5, atol=1e-5)


def test_texts_cut_on_the_left_are_other_tokens_than_texts_cut_on_the_right(tmp_path: Path) -> None:
    left = load(saved(*pooled(), edits={TOKENIZER: {"truncation_side": "left"}})(tmp_path / "left"))
    right = load(saved(*pooled())(tmp_path / "right"))
    assert left.tokenizer_key != right.tokenizer_key
    assert not np.array_equal(left.tokenize(DOCUMENTS, "document").ids, right.tokenize(DOCUMENTS, "document").ids)


def test_a_doubled_model_scores_as_the_model_did(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"prompts": PROMPTS, "truncate_dim": 5, "similarity_fn_name": "dot"}
    source = saved(*pooled(), projection(), Normalize(), **settings)(tmp_path / "source")
    Doubled().convert(source, tmp_path / "doubled")
    torch.testing.assert_close(ours(tmp_path / "doubled"), ours(source), rtol=1e-5, atol=1e-5)


# --- what is refused ----------------------------------------------------------------------------------------------


def edited(file: str, make: Make | None = None, **values: Any) -> Make:
    def edit(folder: Path) -> Path:
        (make or saved(*pooled(), projection(), Normalize()))(folder)
        put(folder / file, values)
        return folder

    return edit


def entry(place: int, **values: Any) -> Make:
    """An entry of modules.json."""

    def edit(folder: Path) -> Path:
        saved(*pooled(), Normalize())(folder)
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        modules[place] |= values
        (folder / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        return folder

    return edit


def parameters(**values: Any) -> Make:
    def edit(folder: Path) -> Path:
        after_pooling()(folder)
        path = next(folder.rglob("router_config.json"))
        put(path, {"parameters": values})
        return folder

    return edit


def with_chat_template(folder: Path) -> Path:
    tiny_models.plain(folder)
    (folder / "chat_template.jinja").write_text("{{ messages[0]['content'] }} end", encoding="utf-8")
    return folder


def one_unit_tower(folder: Path) -> Path:
    routes = {"query": [*pooled(), Normalize()], "document": pooled(seed=1)}
    return saved(Router(routes), similarity_fn_name="dot")(folder)  # type: ignore[no-any-return]


REFUSED: dict[str, tuple[Make, str]] = {
    "similarity": (edited(SETTINGS, similarity_fn_name="euclidean"), f"{SETTINGS}: similarity_fn_name is 'euclidean'"),
    "an unknown similarity": (edited(SETTINGS, similarity_fn_name="maxsim"), "similarity_fn_name is 'maxsim'"),
    "truncated to none": (edited(SETTINGS, truncate_dim=0), f"{SETTINGS}: truncate_dim is 0"),
    "truncated from the end": (edited(SETTINGS, truncate_dim=-4), f"{SETTINGS}: truncate_dim is -4"),
    "truncated to a text": (edited(SETTINGS, truncate_dim="64"), f"{SETTINGS}: truncate_dim is '64'"),
    "another kind": (edited(SETTINGS, model_type="SparseEncoder"), f"{SETTINGS}: the model is a SparseEncoder"),
    "a model's requirements": (edited(SETTINGS, requirements={"transformers": ">99"}), "transformers"),
    "beyond the positions": (edited(LENGTHS, max_seq_length=POSITIONS + 1), f"max_seq_length is {POSITIONS + 1}"),
    "far beyond": (edited(LENGTHS, max_seq_length=4096), f"4096, and the model has {POSITIONS} positions"),
    "a query's length": (edited(LENGTHS, query_length=4), f"{LENGTHS}: query_length is 4"),
    "a document's length": (edited(LENGTHS, document_length=4), f"{LENGTHS}: document_length is 4"),
    "expanded queries": (edited(LENGTHS, query_expansion={"length": 8}), f"{LENGTHS}: query_expansion is"),
    "settings of the call": (
        edited(LENGTHS, processing_kwargs={"text": {"max_length": 4}}), f"{LENGTHS}: processing_kwargs is",
    ),
    "another task": (edited(LENGTHS, transformer_task="fill-mask"), f"{LENGTHS}: transformer_task is 'fill-mask'"),
    "messages": (
        edited(LENGTHS, modality_config={"message": {"method": "forward", "method_output_name": "last_hidden_state"}}),
        f"{LENGTHS}: modality_config is",
    ),
    "another feature": (edited(LENGTHS, module_output_name="words"), f"{LENGTHS}: module_output_name is 'words'"),
    "unknown to a transformer": (edited(LENGTHS, later=3), f"{LENGTHS}: the key later is unknown"),
    "a chat template": (with_chat_template, "chat_template"),
    "padded on the left": (edited(TOKENIZER, padding_side="left"), f"{TOKENIZER}: padding_side is left"),
    "unknown to pooling": (edited("1_Pooling/config.json", later=3), r"1_Pooling/config\.json: the key later is"),
    "no pooling mode": (edited("1_Pooling/config.json", pooling_mode=[]), r"1_Pooling/config\.json: pooling_mode is"),
    "prompts left out": (
        saved(*pooled(include_prompt=False), prompts=PROMPTS), "pooling leaves the prompt's tokens out",
    ),
    "prompts left out by a route": (
        saved(
            transformer(), Router({"query": [Pooling(HIDDEN, include_prompt=False)], "document": [Pooling(HIDDEN)]}),
            prompts=PROMPTS,
        ),
        "pooling leaves the prompt's tokens out",
    ),
    "an activation of its own": (
        edited("2_Dense/config.json", activation_function="mine.Swish"), r"2_Dense/config\.json: activation_function",
    ),
    "an activation that is no class": (
        edited("2_Dense/config.json", activation_function="torch.nn.functional.gelu"), "activation_function is",
    ),
    "another input": (edited("2_Dense/config.json", module_input_name="words"), "module_input_name is 'words'"),
    "another output": (edited("2_Dense/config.json", module_output_name="token_embeddings"), "module_output_name"),
    "arguments of encode": (entry(1, kwargs=["task"]), r"modules\.json: kwargs is \['task'\]"),
    "a bag of words": (saved(BoW(["a", "b"])), r"modules\.json: the model has a module BoW"),
    "CLIP": (entry(0, type="sentence_transformers.models.CLIPModel"), r"modules\.json: .* a module CLIPModel"),
    "static embeddings": (entry(0, type="sentence_transformers.models.StaticEmbedding"), "a module StaticEmbedding"),
    "SPLADE": (
        entry(1, type="sentence_transformers.sparse_encoder.models.SpladePooling"), "a module SpladePooling",
    ),
    "other routes": (towers(routes="asked found"), r"router_config\.json: structure is"),
    "mapped routes": (parameters(route_mappings={"('query', None)": "document"}), "route_mappings is"),
    "unknown to a router": (parameters(later=3), r"router_config\.json: the key later is unknown"),
    "one unit tower": (one_unit_tower, "one tower ends with Normalize"),
    "no pooling": (saved(transformer()), "cannot encode a text"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*no modules.json")
@pytest.mark.parametrize(("make", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_what_would_score_otherwise_is_refused_by_file_and_key(make: Make, words: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "model")
    with pytest.raises(InputError, match=words) as caught:
        load(folder)
    assert caught.value.remedy
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


def test_a_length_that_the_caller_chooses_takes_the_place_of_one_beyond_the_positions(tmp_path: Path) -> None:
    folder = edited(LENGTHS, max_seq_length=4096)(tmp_path / "model")
    assert load(folder, max_length=16).max_length == 16


@pytest.mark.parametrize(
    ("kind", "positions"),
    [
        (BertModel(BertConfig(**SMALL, max_position_embeddings=20)), 20),
        (RobertaModel(RobertaConfig(**SMALL, max_position_embeddings=22, pad_token_id=1)), 20),
        (GPT2Model(GPT2Config(n_embd=8, n_layer=1, n_head=1, vocab_size=9, n_positions=20)), 20),
        (OPTModel(OPTConfig(**SMALL, ffn_dim=8, word_embed_proj_dim=8, max_position_embeddings=20)), 20),
    ],
    ids=["BERT", "RoBERTa", "GPT-2", "OPT"],
)
def test_learned_positions_end_where_the_model_itself_fails(kind: Any, positions: int) -> None:
    ids = torch.full((1, positions + 1), 3)
    kind(input_ids=ids[:, :positions], attention_mask=torch.ones(1, positions))
    with pytest.raises((IndexError, RuntimeError)):
        kind(input_ids=ids, attention_mask=torch.ones(1, positions + 1))
    held: Any = SimpleNamespace(model=kind)
    check_positions(held, positions)
    with pytest.raises(InputError, match=f"has {positions} positions"):
        check_positions(held, positions + 1)


# --- every key of the installed library ---------------------------------------------------------------------------


def keys_read(function: Callable[..., Any], *holders: str) -> set[str]:
    """The names that its code asks one of these variables for: by `["key"]`, by `.get("key")`, by `"key" in`."""
    source = inspect.getsource(function)
    found = set()
    for holder in holders:
        found |= set(re.findall(rf"\b{holder}(?:\.get\(|\[)\"(\w+)\"", source))
        found |= set(re.findall(rf"\"(\w+)\" in {holder}\b(?!\[)", source))
    return found


def constructor(kind: type[Any]) -> set[str]:
    return set(inspect.signature(inspect.unwrap(kind.__init__)).parameters) - {"self", "args", "kwargs"}


def test_every_key_of_the_model_s_settings_is_decided() -> None:
    readers = [BaseModel._load_config_modules, BaseModel._get_model_type]
    parsers = [BaseModel._parse_model_config, SentenceTransformer._parse_model_config]
    read = {key for each in (*readers, *parsers) for key in keys_read(each, "model_config", "config")}
    written = set(dense().model._get_model_config()) | {"truncate_dim"}
    assert {"prompts", "model_type", "similarity_fn_name", "requirements"} <= read
    assert read | written == set(MODEL)


def test_every_key_of_modules_json_is_decided() -> None:
    read = keys_read(BaseModel._load_config_modules, "module_config")
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(BaseModel.save)))
    dictionaries = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    written = [{key.value for key in each.keys if isinstance(key, ast.Constant)} for each in dictionaries]
    assert {"idx", "name", "path", "type"} in written
    assert read | {"idx", "name", "path", "type"} == set(MODULE)


def test_every_key_of_a_router_is_decided() -> None:
    assert keys_read(Router.load, "config") == set(ROUTES)
    assert set(Router.config_keys) | (constructor(Router) - {"sub_modules"}) == set(ROUTER_PARAMETERS)


@pytest.mark.parametrize("name", sorted(TABLES.keys() - {"Router", "Asym"}))
def test_every_key_of_a_module_is_decided(name: str) -> None:
    kind: Any = getattr(dense_modules, name)
    keys = {*kind.config_keys, *kind.config_key_renames} | (constructor(kind) - {"model_name_or_path"})
    if kind is Transformer:
        keys |= set(re.findall(r"\"(\w+_(?:args|kwargs))\"", inspect.getsource(Transformer._load_init_kwargs)))
    if kind is Pooling:
        keys |= set(pooling_source._LEGACY_POOLING_MODE_KWARGS)
    assert keys == set(TABLES[name])


def test_every_module_of_the_library_is_read_or_known_to_be_refused() -> None:
    refused = {"BoW", "CLIPModel", "CNN", "LSTM", "StaticEmbedding", "WordEmbeddings", "WordWeights"}
    names = {*dense_modules.__all__, *shared_modules.__all__} - {"Module", "InputModule"}
    classes = {
        name for name in names if inspect.isclass(getattr(dense_modules, name, None) or getattr(shared_modules, name))
    }
    assert classes == set(TABLES) | refused
    assert issubclass(Pooling, Module)


def test_the_settings_of_a_transformer_are_in_the_first_of_the_files_that_the_library_tries(tmp_path: Path) -> None:
    names = re.findall(r"\"(sentence_[\w-]+_config\.json)\"", inspect.getsource(Transformer.load_config))
    assert names[0] == Transformer.config_file_name
    assert len(names) > 5
    for name in names:
        saved(*pooled())(tmp_path / name)
        (tmp_path / name / LENGTHS).rename(tmp_path / name / "old")
        put(tmp_path / name / name, {"query_length": 4})
        with pytest.raises(InputError, match=f"{name}: query_length is 4"):
            load(tmp_path / name)
    put(tmp_path / names[3] / names[1], {"max_seq_length": 8})
    assert load(tmp_path / names[3]).max_length == 8
