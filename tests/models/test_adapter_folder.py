import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.numpy import load_file, save_file
from sentence_transformers import CrossEncoder, SentenceTransformer
from tiny_models import sentences
from transformers import AutoTokenizer, BertModel

from strop.models.loading import load, load_any
from strop.models.pretrained import resolve
from strop.records.errors import InputError

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings(
        "ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"
    ),  # transformers to peft
]
TEXTS = sentences(12)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))


def moved(model: torch.nn.Module) -> None:
    """As if the adapter had been trained: an untrained one changes nothing."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))


def lora(**options: Any) -> LoraConfig:
    return LoraConfig(r=2, lora_alpha=4, target_modules=["query", "value"], **options)


@pytest.fixture
def dense(tmp_path: Path) -> Path:
    return tiny_models.build(tmp_path / "made", prompts={"query": "ban ", "document": ""})


@pytest.fixture
def bare(tmp_path: Path, dense: Path) -> Path:
    """As peft saves it: the adapter alone, on a base beside it."""
    model = get_peft_model(BertModel.from_pretrained(dense), lora())
    moved(model)
    model.save_pretrained(str(tmp_path / "bare"), save_embedding_layers=False)
    settings(tmp_path / "bare", base_model_name_or_path="../made/model")
    return tmp_path / "bare"


def settings(folder: Path, **values: Any) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def vectors(folder: Path) -> np.ndarray:
    """As strop reads the folder that `resolve` gives."""
    encoder = load(resolve(str(folder)).path)
    with torch.inference_mode():
        tokens = encoder.tokenize(TEXTS, "document")
        rows = [torch.tensor(tokens.row(i)[None].astype(np.int64)) for i in range(len(TEXTS))]
        made = [encoder.searchable(encoder.represent(ids, torch.ones_like(ids), "document")) for ids in rows]
    return torch.cat([each.vectors for each in made]).numpy()


def test_an_adapter_that_sentence_transformers_saved_gives_its_vectors(tmp_path: Path, dense: Path) -> None:
    model = SentenceTransformer(str(dense), device="cpu")
    model.add_adapter(lora())
    moved(model)
    model.save_pretrained(str(tmp_path / "adapter"), create_model_card=False)
    settings(tmp_path / "adapter", base_model_name_or_path=str(dense))
    library = SentenceTransformer(str(tmp_path / "adapter"), device="cpu").encode_document(TEXTS)
    assert np.abs(vectors(tmp_path / "adapter") - library).max() < 1e-5
    assert np.abs(vectors(dense) - library).max() > 0.05


def test_an_adapter_that_transformers_reads_otherwise_than_peft_is_refused(tmp_path: Path, dense: Path) -> None:
    model = SentenceTransformer(str(dense), device="cpu")
    model.add_adapter(lora(use_dora=True))
    moved(model)
    model.save_pretrained(str(tmp_path / "dora"), create_model_card=False)
    with pytest.raises(InputError, match="transformers reads the adapter otherwise than peft: outputs differ by"):
        resolve(str(tmp_path / "dora"))


def test_a_bare_adapter_is_its_base_adapted_with_its_pooling_and_prompts(bare: Path, dense: Path) -> None:
    model = SentenceTransformer(str(dense), device="cpu")
    model.load_adapter(str(bare))
    assert np.abs(vectors(bare) - model.encode_document(TEXTS)).max() < 1e-5
    assert load(resolve(str(bare)).path).tokenizer_key == load(dense).tokenizer_key


def test_a_bare_adapter_with_a_tokenizer_gets_the_library_s_mean_pooling(bare: Path, dense: Path) -> None:
    AutoTokenizer.from_pretrained(dense).save_pretrained(bare)
    settings(bare, base_model_name_or_path=str(dense))
    library = SentenceTransformer(str(bare), device="cpu").encode(TEXTS)
    found = vectors(bare)
    assert np.abs(found / np.linalg.norm(found, axis=1, keepdims=True) - library / np.linalg.norm(
        library, axis=1, keepdims=True
    )).max() < 1e-5  # fmt: skip


def test_a_reranker_s_adapter_brings_its_head(tmp_path: Path, dense: Path) -> None:
    base = tiny_models.plain(tmp_path / "plain")
    model = CrossEncoder(str(base), device="cpu", num_labels=1)
    peft = get_peft_model(model[0].model, lora(task_type="SEQ_CLS", modules_to_save=["classifier"]))  # type: ignore[union-attr]
    moved(peft)
    peft.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    settings(tmp_path / "adapter", base_model_name_or_path=str(base))
    scorer = load_any(resolve(str(tmp_path / "adapter")).path)
    queries, documents = (scorer.tokenize(TEXTS, role) for role in ("query", "document"))
    pairs = [(i, (i + 1) % 12) for i in range(12)]
    rows = [[tokens.row(i) for i in range(12)] for tokens in (queries, documents)]
    wanted = model.predict([(TEXTS[i], TEXTS[j]) for i, j in pairs], activation_fn=torch.nn.Identity())
    assert np.abs(scorer.pair_scores(*rows, pairs) - wanted).max() < 1e-5


def test_an_adapter_is_known_by_what_it_and_its_base_hold_wherever_they_lie(
    tmp_path: Path, bare: Path, dense: Path
) -> None:
    first = resolve(str(bare))
    assert first.title == "bare"
    assert first.source == f"folder {bare}, merged with folder {dense}"
    shutil.copytree(dense, tmp_path / "elsewhere")
    settings(bare, base_model_name_or_path=str(tmp_path / "elsewhere"))
    again = resolve(str(bare))
    assert (again.identity, again.sha256, again.path) == (first.identity, first.sha256, first.path)
    other = tiny_models.build(tmp_path / "other", seed=1)
    settings(bare, base_model_name_or_path=str(other))
    assert resolve(str(bare)).identity != first.identity
    settings(bare, base_model_name_or_path=str(dense), lora_alpha=8)
    assert resolve(str(bare)).identity != first.identity


def edited(edit: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def broken(folder: Path) -> None:
        tensors = load_file(folder / "adapter_model.safetensors")
        edit(tensors)
        save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})

    return broken


def prompts_only(folder: Path) -> None:
    model = BertModel.from_pretrained(folder.parent / "made/model")
    get_peft_model(model, PromptTuningConfig(num_virtual_tokens=2, task_type="FEATURE_EXTRACTION")).save_pretrained(
        str(folder)
    )


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "no base": (lambda folder: settings(folder, base_model_name_or_path=None), "the adapter names no base"),
    "a base that is nowhere": (
        lambda folder: settings(folder, base_model_name_or_path="/nowhere/x"),
        r"the adapter's base '/nowhere/x' cannot be had \(.*no such folder\)\. Write the path",
    ),
    "a base on no hub": (
        lambda folder: settings(folder, base_model_name_or_path="some-org/base"),
        r"the adapter's base 'some-org/base' cannot be had \(",
    ),
    "itself": (lambda folder: settings(folder, base_model_name_or_path="."), r"cannot be had \(.*is an adapter itself"),
    "pickled": (
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
        r"adapter_model\.safetensors: an adapter in pickle form only",
    ),
    "no weights": (lambda folder: (folder / "adapter_model.safetensors").unlink(), r"adapter's weights are missing"),
    "a layer": (
        edited(lambda held: held.pop("base_model.model.encoder.layer.1.attention.self.value.lora_B.weight")),
        r"1 of the adapter's weights are not in its file \(first: base_model\.model\.encoder\.layer\.1",
    ),
    "another base's": (
        edited(lambda held: held.update({"base_model.model.x.lora_A.weight": np.zeros((2, 32), np.float32)})),
        r"1 of the adapter's weights have no place on this base \(first: base_model\.model\.x",
    ),
    "another rank": (lambda folder: settings(folder, r=3), r"lora_\w\.weight has the shape .*, and the base asks for"),
    "other targets": (lambda folder: settings(folder, target_modules=["absent"]), r"bare on .*: .*absent"),
    "another kind": (lambda folder: settings(folder, peft_type="MAGIC"), r"bare on .*MAGIC"),
    "prompt tuning": (prompts_only, r"an adapter of type .*PROMPT_TUNING cannot be merged into weights"),
    "NaN": (
        edited(lambda held: held[next(iter(held))].fill(np.nan)), r"holds values that are not numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BROKEN)
def test_an_adapter_that_cannot_be_merged_is_one_error(bare: Path, kind: str) -> None:
    broken, words = BROKEN[kind]
    broken(bare)
    with pytest.raises(InputError, match=words) as caught:
        resolve(str(bare))
    assert str(bare) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_adapter_s_own_folder_is_no_whole_model(bare: Path) -> None:
    with pytest.raises(InputError, match="an adapter without its base"):
        load(bare)
