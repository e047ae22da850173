from __future__ import annotations

import copy
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import LoraConfig, PeftModel
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer import modules
from tiny_models import ARCHITECTURES, RECIPE, dense, sentences, toy_groups, toy_texts, two_towers
from tiny_rerankers import KINDS, TARGETS, reranker
from torch import Tensor, nn
from transformers import DistilBertConfig, DistilBertModel, MPNetConfig, MPNetModel

from strop.models import adapters
from strop.models.adapters import Full, LoRA, QueryTower, attention_targets, export
from strop.models.dense import Dense, parameter_ledger
from strop.models.encoder import Encoder, Role, represent_rows
from strop.models.loading import load
from strop.models.pretrained import resolve
from strop.models.random_weights import Kind
from strop.models.two_towers import TwoTowers
from strop.records.errors import InputError
from strop.retrieval.encode import represented
from strop.training.loop import train
from strop.training.optimizers import AdamW

PROBE = sentences(6, seed=8)
#: Documents first: what must not move.
ROLES: tuple[Role, Role] = ("document", "query")


def stirred(encoder: Encoder, seed: int = 1) -> Encoder:
    """An adapter as if it were trained: B no longer zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in encoder.module.named_parameters():
            if "lora_B" in name:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    return encoder


def outputs(model: SentenceTransformer) -> Tensor:
    model.eval()
    return model.encode(PROBE, convert_to_tensor=True, show_progress_bar=False).clone()


def test_lora_on_the_base_trains_147456_parameters_and_nothing_else_moves(tmp_path: Path) -> None:
    encoder = Dense.load(resolve("all-MiniLM-L6-v2").path)
    before = {n: p.detach().clone() for n, p in encoder.module.named_parameters()}
    queries, documents = toy_texts(encoder, 4)
    recipe = replace(RECIPE, tuning=LoRA(), updates=2, batching=replace(RECIPE.batching, size=2))
    train(encoder, recipe, toy_groups(4), queries, documents, 0, tmp_path)
    ledger = parameter_ledger(encoder.module)
    assert ledger["trainable"] == ledger["by_part"]["lora"] == 147_456 == 16 * (384 + 384) * 2 * 6
    assert ledger["total"] == 22_713_216 + 147_456
    moved = 0
    for name, parameter in encoder.module.named_parameters():
        if parameter.requires_grad:
            assert ".query.lora_" in name or ".value.lora_" in name
            moved += int("lora_B" in name and bool(parameter.any()))
        else:
            original = name.replace("base_model.model.", "").replace("base_layer.", "")
            assert torch.equal(parameter, before.pop(original))
    assert moved == 12
    assert not before


def test_full_tuning_trains_every_weight_also_of_a_model_that_came_frozen() -> None:
    encoder = dense()
    encoder.module.requires_grad_(False)
    Full().prepare(encoder, 0)
    ledger = parameter_ledger(encoder.module)
    assert ledger["trainable"] == ledger["total"] == sum(p.numel() for p in encoder.module.parameters())
    assert set(ledger["by_part"]) == {"embeddings", "attention", "feed-forward", "pooler"}


def test_a_fresh_adapter_changes_no_output_and_its_start_is_fixed_by_the_seed_alone() -> None:
    expected = outputs(dense().model)

    def start(seed: int) -> dict[str, Tensor]:
        encoder = dense()
        LoRA(r=4).prepare(encoder, seed)
        torch.testing.assert_close(outputs(encoder.model), expected, rtol=0, atol=1e-6)
        return {n: p.clone() for n, p in encoder.module.named_parameters() if p.requires_grad}

    torch.manual_seed(0)
    state = torch.random.get_rng_state()
    first = start(7)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(1)
    second, other = start(7), start(8)
    assert all(torch.equal(first[n], second[n]) for n in first)
    assert not all(torch.equal(first[n], other[n]) for n in first)


def test_fields_reach_the_adapter() -> None:
    encoder = dense()
    LoRA(r=2, alpha=6, dropout=0.25, targets=("dense",)).prepare(encoder, 0)
    inner = encoder.transformer.model
    assert isinstance(inner, PeftModel)
    config = inner.peft_config["default"]
    assert (config.r, config.lora_alpha, config.lora_dropout) == (2, 6, 0.25)
    assert all(".dense.lora_" in n for n, p in encoder.module.named_parameters() if p.requires_grad)


def test_lora_freezes_the_modules_beside_the_transformer_too() -> None:
    model = copy.deepcopy(dense().model)
    model.append(modules.Dense(32, 8))
    encoder = Dense(model)
    assert parameter_ledger(encoder.module)["by_part"]["other"] > 0
    LoRA(r=4).prepare(encoder, 0)
    assert set(parameter_ledger(encoder.module)["by_part"]) == {"lora"}


def test_a_target_that_no_module_has_is_an_input_error() -> None:
    with pytest.raises(InputError, match="no module named Wqkv or q_proj") as caught:
        LoRA(targets=("Wqkv", "q_proj")).prepare(dense(), 0)
    assert "tuning.targets" in caught.value.remedy


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_a_lora_export_is_whole_equal_and_loads_anywhere(tmp_path: Path) -> None:
    encoder = dense()
    LoRA(r=4).prepare(encoder, 0)
    before = outputs(stirred(encoder).model)
    assert (before - outputs(dense().model)).abs().max() > 1e-3  # the adapter does something
    export(encoder, tmp_path / "model", "some-org/some-base", PROBE)

    torch.testing.assert_close(outputs(encoder.model), before, rtol=0, atol=1e-5)
    again = SentenceTransformer(str(tmp_path / "model"))
    torch.testing.assert_close(outputs(again), before, rtol=0, atol=1e-5)
    assert not [n for n, _ in again.named_parameters() if "lora" in n]

    onto_base = copy.deepcopy(dense().model)
    onto_base[0].model = PeftModel.from_pretrained(onto_base[0].model, str(tmp_path / "model" / "adapter"))
    torch.testing.assert_close(outputs(onto_base), before, rtol=0, atol=1e-5)


def test_what_is_exported_names_the_hub_id_no_local_path_and_holds_no_pickle(tmp_path: Path) -> None:
    encoder = dense()
    encoder.transformer.model.config._name_or_path = "/home/somebody/models/base"
    LoRA(r=4).prepare(encoder, 0)
    export(encoder, tmp_path / "model", "some-org/some-base", PROBE)
    config = json.loads((tmp_path / "model" / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some-org/some-base"
    assert config["target_modules"] == sorted(config["target_modules"]), "a set's order is another in each process"
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} <= {".safetensors", ".json", ".txt"}
    assert {p.name for p in files} >= {
        "adapter_model.safetensors",
        "model.safetensors",
        "tokenizer.json",
        "modules.json",
    }
    for path in files:
        if path.suffix == ".json":
            text = path.read_text(encoding="utf-8")
            assert "/home/somebody" not in text, path
            assert str(tmp_path) not in text, path


def test_a_full_export_has_no_adapter_and_loads_exactly(tmp_path: Path) -> None:
    encoder = dense()
    Full().prepare(encoder, 0)
    export(encoder, tmp_path / "model", "some-org/some-base", PROBE)
    assert not (tmp_path / "model" / "adapter").exists()
    assert torch.equal(outputs(SentenceTransformer(str(tmp_path / "model"))), outputs(encoder.model))


def test_a_merge_that_moves_the_outputs_is_refused_before_anything_whole_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = dense()
    LoRA(r=4).prepare(encoder, 0)
    stirred(encoder)
    merge = PeftModel.__getattr__

    def wrong(self: PeftModel, name: str) -> object:
        return self.unload if name == "merge_and_unload" else merge(self, name)

    monkeypatch.setattr(PeftModel, "__getattr__", wrong)
    with pytest.raises(RuntimeError, match=r"merging the adapter moved the outputs by .*, over 1e-05"):
        export(encoder, tmp_path / "model", "some-org/some-base", PROBE)
    assert not (tmp_path / "model" / "model.safetensors").exists()
    assert adapters.MERGE_TOLERANCE == 1e-5


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_targets_of_an_architecture_are_found_by_name_in_every_tower(name: str) -> None:
    encoder = ARCHITECTURES[name]()
    targets = attention_targets(encoder)
    assert targets == (("q_proj", "v_proj") if name == "decoder" else ("query", "value"))
    LoRA(r=2, targets=targets).prepare(encoder, 0)
    assert attention_targets(encoder) == targets, "what peft wraps keeps its name"


@pytest.mark.parametrize("kind", KINDS)
def test_the_targets_of_a_cross_encoder_are_found_too(kind: Kind) -> None:
    assert attention_targets(reranker(kind)) == TARGETS[kind]


def test_other_names_of_projections_are_known_and_half_a_pair_is_none() -> None:
    small = {"vocab_size": 9, "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 1}
    distil = DistilBertConfig(vocab_size=9, dim=8, n_heads=2, n_layers=1, hidden_dim=8)
    for layer, expected in (
        (DistilBertModel(distil), ("q_lin", "v_lin")),
        (MPNetModel(MPNetConfig(**small)), ("q", "v")),
        (nn.ModuleDict({"query": nn.Linear(2, 2), "v_proj": nn.Linear(2, 2)}), ()),
    ):
        encoder = dense()
        encoder.transformer.model = layer
        assert attention_targets(encoder) == expected


# --- the query tower alone ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [None, 0.5])
def test_only_the_query_tower_trains_and_documents_keep_their_vectors_bit_by_bit(
    rate: float | None, tmp_path: Path
) -> None:
    """Whatever weight decay and dropout do: a document is read alike twice, in training mode too."""
    encoder = two_towers(dropout=0.3)
    before = {name: p.detach().clone() for name, p in encoder.module.named_parameters()}
    texts = toy_texts(encoder)
    documents, queries = (represented(encoder, t.tokens, r).vectors for t, r in zip(texts[::-1], ROLES, strict=True))
    optimizer = AdamW(learning_rate=2e-3, weight_decay=0.5)
    recipe = replace(RECIPE, tuning=QueryTower(), updates=5, optimizer=optimizer, dropout=rate)
    train(encoder, recipe, toy_groups(), *texts, 0, tmp_path)
    moved = {n for n, p in encoder.module.named_parameters() if not torch.equal(p, before[n])}
    assert moved
    assert all(".query." in name for name in moved)
    assert len(moved) > 15
    again = [represented(encoder, t.tokens, r).vectors for t, r in zip(texts[::-1], ROLES, strict=True)]
    assert torch.equal(again[0], documents)
    assert (again[1] - queries).norm(dim=1).min() > 1e-3
    encoder.module.train()
    rows = [texts[1].tokens.row(i) for i in range(6)]
    drawn = [represent_rows(encoder, rows, np.arange(6), role).vectors for role in ROLES for _ in range(2)]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[2], drawn[3])
    ledger = parameter_ledger(encoder.module)
    assert ledger["trainable"] == ledger["total"] / 2

    export(encoder, tmp_path / "model", "some-org/some-base", PROBE)
    kept = load(tmp_path / "model")
    assert torch.equal(represented(kept, texts[1].tokens, "document").vectors, documents)


def test_what_follows_both_towers_stays_as_it_is(tmp_path: Path) -> None:
    model = copy.deepcopy(two_towers().model)
    model.append(modules.Dense(32, 8))
    encoder = TwoTowers(model)
    QueryTower().prepare(encoder, 0)
    assert not [n for n, p in encoder.module.named_parameters() if p.requires_grad and ".query." not in n]


def test_without_two_towers_there_is_no_query_tower_to_train() -> None:
    for encoder in (dense(), ARCHITECTURES["ColBERT"](), reranker()):
        with pytest.raises(InputError, match="one tower for all"):
            QueryTower().prepare(encoder, 0)
    shared = two_towers()
    routes = shared.model[0].sub_modules
    routes["document"] = routes["query"]
    with pytest.raises(InputError, match="both towers are the same"):
        QueryTower().prepare(shared, 0)


# --- of every architecture ----------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_the_library_s_add_adapter_reaches_one_tower_only_which_is_why_ours_goes_into_each() -> None:
    model = two_towers().model
    model.add_adapter(LoraConfig(r=2, target_modules=["query"]))
    trains = [n for n, p in model.named_parameters() if p.requires_grad]
    assert {n for n in trains if "lora_" in n} == {n for n in trains if ".query.0." in n} != set()
    frozen = [n for n, p in model.named_parameters() if not p.requires_grad]
    assert not [n for n in frozen if ".document.0." in n], "the other tower trains in full"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_an_export_merges_every_tower_and_loads_as_what_it_was(name: str, tmp_path: Path) -> None:
    encoder = ARCHITECTURES[name]()
    untouched = adapters._outputs(encoder, PROBE)
    LoRA(r=4, targets=("q_proj", "v_proj") if name == "decoder" else ("query", "value")).prepare(encoder, 0)
    before = adapters._outputs(stirred(encoder), PROBE)
    assert (before - untouched).norm(dim=1).min() > 1e-3  # the adapters do something, to each role
    export(encoder, tmp_path / "model", "some-org/some-base", PROBE)
    again = load(tmp_path / "model")
    assert type(again) is type(encoder)
    torch.testing.assert_close(adapters._outputs(again, PROBE), before, rtol=0, atol=1e-5)
    assert not [n for n, _ in again.module.named_parameters() if "lora" in n]
    found = sorted(p.parent.relative_to(tmp_path / "model").as_posix() for p in tmp_path.rglob("adapter_config.json"))
    assert found == (["adapter/0", "adapter/1"] if name == "untied" else ["adapter"])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_each_tower_s_adapter_put_onto_its_own_tower_gives_the_export_again(tmp_path: Path) -> None:
    encoder, onto_base = two_towers(), two_towers()
    LoRA(r=4).prepare(encoder, 0)
    before = adapters._outputs(stirred(encoder), PROBE)
    export(encoder, tmp_path, "some-org/some-base", PROBE)
    for i, tower in enumerate(onto_base.transformers):
        tower.model = PeftModel.from_pretrained(tower.model, str(tmp_path / "adapter" / str(i)))
    torch.testing.assert_close(adapters._outputs(onto_base, PROBE), before, rtol=0, atol=1e-5)
    first, second = (load_file(tmp_path / "adapter" / str(i) / "adapter_model.safetensors") for i in range(2))
    assert not all(torch.equal(first[n], second[n]) for n in first)
