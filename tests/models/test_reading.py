"""Folders broken in one way each: every one is one sentence that names it, and none is advice to run its code."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from safetensors.numpy import load_file, save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Dense as Projection
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from tiny_models import HIDDEN
from tiny_rerankers import plain
from transformers import LlamaConfig, LlamaForCausalLM, modeling_utils

from strop.models.architecture import Tied, Untied
from strop.models.cross_encoder import FreshHead, Reranker
from strop.models.late_interaction import Late
from strop.models.loading import load, load_any
from strop.models.pretrained import resolve
from strop.models.reading import reading
from strop.records.errors import InputError, InputWarning

pytestmark = pytest.mark.usefixtures("one_thread")
Break = Callable[[Path], Any]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    dense = tiny_models.build(folder / "made", markers=True).rename(folder / "dense")
    Untied().convert(dense, folder / "towers")
    Late(query_length=12, document_length=40).convert(dense, folder / "late")
    FreshHead(seed=1).convert(dense, folder / "reranker")
    transformer = Transformer(str(folder / "made/plain"))
    modules = [transformer, Pooling(HIDDEN, "mean"), Projection(HIDDEN, 8)]
    SentenceTransformer(modules=modules, device="cpu").save_pretrained(str(folder / "projected"))
    return folder


def weights(edit: Callable[[dict[str, Any]], Any], file: str = "model.safetensors") -> Break:
    """A break: the folder's tensors by name are edited in place."""

    def broken(folder: Path) -> None:
        tensors = load_file(folder / file)
        edit(tensors)
        save_file(tensors, folder / file, {"format": "pt"})

    return broken


def without(*starts: str) -> Break:
    return weights(lambda held: [held.pop(name) for name in list(held) if name.startswith(starts)])


def renamed(held: dict[str, Any]) -> None:
    for name in list(held):
        held[f"encoder_of_mine.{name}"] = held.pop(name)


def holds(name: str, value: float) -> Break:
    return weights(lambda held: held[name].flat.__setitem__(3, value))


def settings(file: str, **values: Any) -> Break:
    def broken(folder: Path) -> None:
        (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | values))

    return broken


def text(file: str, content: str) -> Break:
    return lambda folder: (folder / file).write_text(content, encoding="utf-8")


def gone(*files: str) -> Break:
    return lambda folder: [(folder / file).unlink() for file in files]


def module(place: int, **values: Any) -> Break:
    def broken(folder: Path) -> None:
        modules = json.loads((folder / "modules.json").read_text())
        modules[place] |= values
        (folder / "modules.json").write_text(json.dumps(modules))

    return broken


def tokenizer(edit: Callable[[dict[str, Any]], Any]) -> Break:
    def broken(folder: Path) -> None:
        rules = json.loads((folder / "tokenizer.json").read_text())
        edit(rules)
        (folder / "tokenizer.json").write_text(json.dumps(rules))

    return broken


def no_words(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")


def no_separator(folder: Path) -> None:
    words = json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join(word for word in words if word != "[SEP]"))


LAYER = "encoder.layer.1.attention.self.query.weight"
BROKEN: dict[str, tuple[str, Break, str]] = {
    # weights
    "a layer": ("dense", without("encoder.layer.1."), r"16 of the model's 39 weights are not in its files .*layer\.1"),
    "one tensor": (
        "dense",
        without(LAYER),
        r"1 of the model's .*: encoder\.layer\.1\.attention\.self\.query\.weight\.",
    ),
    "embeddings": ("dense", without("embeddings.word"), r"word_embeddings\.weight"),
    "names": ("dense", weights(renamed), r"37 of the model's 39 .*the files have encoder_of_mine\.\S+ that nothing"),
    "a shape": (
        "dense",
        settings("config.json", intermediate_size=40),
        r"the shape \(48,?.*config\.json asks for \(40",
    ),
    "NaN": ("dense", holds(LAYER, np.nan), rf"the weight 0\.model\.{LAYER} holds values that are not numbers"),
    "infinite": ("late", holds(LAYER, -np.inf), r"layer\.1.* holds values that are not numbers"),
    "a pooler that is read": (
        "dense",
        lambda folder: (
            without("pooler")(folder),
            settings(
                "sentence_bert_config.json",
                modality_config={"text": {"method": "forward", "method_output_name": "pooler_output"}},
                module_output_name="sentence_embedding",
            )(folder),
        ),
        r"2 of the model's .*pooler\.dense",
    ),
    "a tower's layer": (
        "towers",
        lambda folder: without("encoder.layer.0")(next(folder.glob("document_0_*"))),
        r"16 of the model's 39 .*layer\.0",
    ),
    "late: a layer": ("late", without("encoder.layer.1."), r"16 of the model's 39"),
    "a reranker's body": ("reranker", without("bert.encoder"), r"32 of the model's 41 .*bert\.encoder"),
    "a reranker's pooler": ("reranker", without("bert.pooler"), r"2 of the model's 41 .*bert\.pooler"),
    "a reranker's head": ("reranker", without("classifier"), r"no weights for its classifier: scores carry no order"),
    "a projection": (
        "projected",
        weights(lambda held: held.pop("linear.bias"), "2_Dense/model.safetensors"),
        r"linear\.bias",
    ),
    "a projection's name": (
        "projected",
        weights(lambda held: held.update({"w": held.pop("linear.weight")}), "2_Dense/model.safetensors"),
        r"linear\.weight",
    ),
    "a projection's shape": (
        "projected",
        settings("2_Dense/config.json", out_features=9),
        r"size mismatch|shape",
    ),
    # files
    "config.json gone": ("dense", gone("config.json"), r"config\.json: the file is missing"),
    "config.json cut": ("dense", text("config.json", '{"model_type": "be'), r"config\.json: not JSON"),
    "config.json a list": ("dense", text("config.json", "[1]"), r"config\.json: a JSON list where an object belongs"),
    "config.json of no type": ("dense", settings("config.json", model_type=None), r"config\.json: no model_type"),
    "config.json of no known type": (
        "dense",
        settings("config.json", model_type="bertoid"),
        r"SentenceTransformer \(.*bertoid",
    ),
    "config.json of a wrong value": ("dense", settings("config.json", num_hidden_layers="two"), r"cannot load it"),
    "code of its own": (
        "dense",
        settings("config.json", model_type="mine", auto_map={"AutoConfig": "m.C", "AutoModel": "m.M"}),
        r"the model needs code of its own, and none is run",
    ),
    "architectures an object": (
        "dense",
        settings("config.json", architectures={"a": 1}),
        r"architectures is \{'a': 1\}",
    ),
    "a pickle beside other safetensors": (
        "dense",
        lambda folder: (
            (folder / "model.safetensors").rename(folder / "model.fp16.safetensors"),
            (folder / "pytorch_model.bin").write_bytes(b""),
        ),
        r"pytorch_model\.bin: weights in pickle form only",
    ),
    "a projection's pickle": (
        "projected",
        lambda folder: (folder / "2_Dense/model.safetensors").rename(folder / "2_Dense/pytorch_model.bin"),
        r"2_Dense/pytorch_model\.bin: weights in pickle form only",
    ),
    "weights by another name": (
        "dense",
        lambda folder: (folder / "model.safetensors").rename(folder / "model.fp16.safetensors"),
        r"cannot load it as a SentenceTransformer \(.*model\.safetensors",
    ),
    "type new": ("dense", settings("config.json", model_type="new"), r"the model's type is 'new'.*as type 'gte'"),
    "modules.json cut": ("dense", text("modules.json", "[{"), r"modules\.json: not JSON"),
    "modules.json empty": ("dense", text("modules.json", "[]"), r"modules\.json: no list of modules"),
    "modules.json of texts": ("dense", text("modules.json", '["a"]'), r"module 0 has no name, path and type"),
    "a module's folder": ("dense", module(1, path="7_Pooling"), r"7_Pooling/config\.json: the file is missing"),
    "a module's path up": ("dense", module(1, path="../other"), r"modules\.json: the path '\.\./other' leads out"),
    "a module's path away": (
        "dense",
        module(1, path="/etc"),
        r"modules\.json: the path '/etc' leads out of the folder",
    ),
    "a module's path on Windows": ("dense", module(1, path="C:\\x"), r"leads out of the folder"),
    "a module's class of its own": (
        "dense",
        module(1, type="mine.Pooling"),
        r"'mine\.Pooling' is code of the model's own",
    ),
    "a module's class unknown": (
        "dense",
        module(1, type="sentence_transformers.models.Poolings"),
        r"modules\.json: the model has a module Poolings",
    ),
    "a tower's class of its own": (
        "towers",
        lambda folder: text(
            "router_config.json",
            (folder / "router_config.json").read_text().replace("sentence_transformers.", "mine.", 1),
        )(folder),
        r"router_config\.json: the module class 'mine\.\S+' is code of the model's own",
    ),
    "routes gone": ("towers", gone("router_config.json"), r"router_config\.json: the file is missing"),
    "pooling gone": ("dense", gone("1_Pooling/config.json"), r"1_Pooling/config\.json: the file is missing"),
    "pooling a text": ("dense", text("1_Pooling/config.json", '"mean"'), r"1_Pooling/config\.json: a JSON text"),
    "pooling without width": ("dense", text("1_Pooling/config.json", "{}"), r"cannot load it as a SentenceTransformer"),
    "length a text": ("dense", settings("sentence_bert_config.json", max_seq_length="48"), r"max_seq_length is '48'"),
    "length 0": ("dense", settings("sentence_bert_config.json", max_seq_length=0), r"max_seq_length is 0"),
    "case a text": ("dense", settings("sentence_bert_config.json", do_lower_case="no"), r"do_lower_case is 'no'"),
    "another's tokenizer": (
        "dense",
        settings("sentence_bert_config.json", tokenizer_name_or_path="a/b"),
        r"the tokenizer is another model's",
    ),
    "prompts a list": (
        "dense",
        settings("config_sentence_transformers.json", prompts=["q: "]),
        r"prompts is \['q: '\]",
    ),
    "a prompt a number": (
        "dense",
        settings("config_sentence_transformers.json", prompts={"query": 3}),
        r"prompts is \{'query': 3\}",
    ),
    "a default prompt unknown": (
        "dense",
        settings("config_sentence_transformers.json", default_prompt_name="sts"),
        r"default_prompt_name is 'sts'",
    ),
    "a sparse encoder": (
        "dense",
        settings("config_sentence_transformers.json", model_type="SparseEncoder"),
        r"the model is a SparseEncoder",
    ),
    # tokenizers
    "no vocabulary": ("dense", gone("tokenizer.json"), r"no vocabulary: neither tokenizer\.json nor vocab\.txt"),
    "a vocabulary of special tokens": ("dense", no_words, r"the tokenizer has no words but its special tokens"),
    "tokenizer.json cut": ("dense", text("tokenizer.json", '{"model":'), r"tokenizer\.json: not JSON|not a tokenizer"),
    "tokenizer.json of no model": (
        "dense",
        text("tokenizer.json", '{"version": "1.0"}'),
        r"tokenizer\.json: not a tokenizer",
    ),
    "tokenizer_config.json cut": ("dense", text("tokenizer_config.json", "{"), r"tokenizer_config\.json: not JSON"),
    "a larger vocabulary": (
        "dense",
        tokenizer(lambda rules: rules["model"]["vocab"].update(more=9999)),
        r"1 of the tokenizer's tokens have no embedding \('more' is 9999, of",
    ),
    "no unknown token": (
        "dense",
        lambda folder: (
            tokenizer(lambda rules: rules["model"].update(unk_token="[NO]"))(folder),
            settings("tokenizer_config.json", tokenizer_class="PreTrainedTokenizerFast")(folder),
        ),
        r"the tokenizer cannot read every text \(",
    ),
    "no separator": ("dense", no_separator, r"vocab\.txt lacks the special tokens \[SEP\]"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_one_error_that_says_what_is_wrong(models: Path, tmp_path: Path, kind: str) -> None:
    source, broken, words = BROKEN[kind]
    shutil.copytree(models / source, folder := tmp_path / "model")
    broken(folder)

    def read() -> None:
        resolve(str(folder))
        load_any(folder)

    with pytest.raises(InputError, match=words) as caught:
        read()
    said = str(caught.value)
    assert said.startswith(str(folder))
    assert "remote_code" not in said
    assert "\n" not in said
    assert len(said) < 700


def vectors(folder: Path) -> np.ndarray:
    encoder = load(folder)
    tokens = encoder.tokenize(["ban bat", "kon"], "document")
    rows = [torch.tensor(tokens.row(i)[None].astype(np.int64)) for i in range(2)]
    with torch.inference_mode():
        made = [encoder.searchable(encoder.represent(row, torch.ones_like(row), "document")) for row in rows]
    return torch.cat([each.vectors for each in made]).numpy()


def prefixed(held: dict[str, Any]) -> None:
    """As a model for masked words is saved, by a library of before 2020."""
    for name in list(held):
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        held[f"bert.{old}"] = held.pop(name)
    held["cls.predictions.bias"] = np.zeros(9, np.float32)
    held["bert.embeddings.position_ids"] = np.arange(64)[None]


def sharded(folder: Path) -> None:
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-00001-of-00002.safetensors": names[:20], "model-00002-of-00002.safetensors": names[20:]}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file, {"format": "pt"})
    index = {"metadata": {}, "weight_map": {name: file for file, part in parts.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    "harmless", [without("pooler"), weights(prefixed), sharded], ids=["no pooler", "other names", "shards"]
)
def test_a_folder_with_all_that_is_read_gives_its_vectors_in_silence(
    models: Path, tmp_path: Path, harmless: Break, capfd: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(models / "dense", folder := tmp_path / "model")
    harmless(folder)
    assert np.array_equal(vectors(folder), vectors(models / "dense"))
    assert capfd.readouterr().err == ""


def test_a_shard_that_is_not_there_is_one_error(models: Path, tmp_path: Path) -> None:
    shutil.copytree(models / "dense", folder := tmp_path / "model")
    sharded(folder)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(InputError, match=r"model-00002-of-00002\.safetensors"):
        resolve(str(folder))


def test_weights_that_are_one_and_the_same_are_in_the_file_once(tmp_path: Path) -> None:
    source = tiny_models.plain_decoder(tmp_path / "made")
    config = LlamaConfig.from_pretrained(source)
    config.tie_word_embeddings = True
    LlamaForCausalLM(config).save_pretrained(str(source))
    held = load_file(source / "model.safetensors")
    assert "lm_head.weight" not in held
    Tied(pooling="lasttoken").convert(source, tmp_path / "dense")
    weight: Any = load(tmp_path / "dense").transformers[0].model.get_input_embeddings().weight  # type: ignore[operator]
    assert np.array_equal(weight.detach().numpy(), held["model.embed_tokens.weight"])


@pytest.mark.parametrize("kind", ["gte", "modernbert"])
def test_a_base_without_its_body_gets_no_head(tmp_path: Path, kind: str) -> None:
    source = plain(tmp_path / "plain", kind)
    without("layers.1", "encoder.layer.1", "layer.1", "encoder.layers.1")(source)
    with pytest.raises(InputError, match=r"weights are not in its files and would be random: \S+\.1\."):
        Reranker.from_base(source, 0)


def test_a_folder_without_modules_says_once_that_the_mean_is_its_pooling(tmp_path: Path) -> None:
    folder = tiny_models.plain(tmp_path / "plain")
    with pytest.warns(InputWarning, match=r"plain: no modules\.json, so the pooling is .* default, the mean"):
        load(folder)
    load(folder)


def test_the_libraries_are_as_before_once_a_folder_was_read(models: Path) -> None:
    before = modeling_utils.log_state_dict_report, logging.getLogger("sentence_transformers").level

    def stopped() -> None:
        with reading(models / "dense", "SentenceTransformer"):
            assert modeling_utils.log_state_dict_report is not before[0]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (modeling_utils.log_state_dict_report, logging.getLogger("sentence_transformers").level) == before


@pytest.mark.parametrize(
    "content", ["[1, 2]", '[{"name": "0", "path": ""}]', '[{"name": "0", "path": "", "type": null}]']
)
def test_a_list_of_modules_that_is_none_is_named_also_where_a_folder_is_loaded_by_its_path(
    content: str, tmp_path: Path
) -> None:
    folder = tiny_models.build(tmp_path)
    text("modules.json", content)(folder)
    for act in (load, load_any):
        with pytest.raises(InputError, match=r"modules\.json: module 0 has no name, path and type"):
            act(folder)
    text("config_sentence_transformers.json", "[1, 2]")(folder)
    for act in (load, load_any):
        with pytest.raises(InputError, match=r"modules\.json|config_sentence_transformers\.json: a JSON list"):
            act(folder)
