"""Five-line proofs of what we rely upon in other libraries: each fails the day the library changes."""

from __future__ import annotations

import copy
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from filelock import FileLock, Timeout
from peft import LoraConfig, get_peft_model
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import load_file, save_file
from scipy import sparse, stats
from scipy.sparse.csgraph import connected_components
from sentence_transformers import SentenceTransformer
from tiny_models import dense, sentences
from torch import nn

from strop.records.exhibits.queries import QueryRanks

TEXTS = sentences(5, seed=1)


def test_a_sentence_transformer_takes_our_own_token_batch_and_gives_what_encode_gives() -> None:
    model = dense().model.eval()
    features = model.preprocess(TEXTS)
    with torch.inference_mode():
        found = model({k: features[k] for k in ("input_ids", "attention_mask")})["sentence_embedding"]
    torch.testing.assert_close(found, model.encode(TEXTS, convert_to_tensor=True).clone(), rtol=0, atol=1e-6)


def test_preprocess_adds_no_prompt_but_encode_query_does() -> None:
    model = dense(prompts={"query": "get bun : "}).model
    bare = model.preprocess(["nin"])["input_ids"].tolist()
    assert bare == dense().model.preprocess(["nin"])["input_ids"].tolist()
    assert np.array_equal(model.encode_query("nin"), model.encode("get bun : nin"))


def test_a_loaded_model_has_an_empty_document_prompt_that_hides_its_passage_prompt() -> None:
    """So `encode_document` uses none, where strop takes the first that is not empty."""
    model = dense(prompts={"passage": "get bun : "}).model
    assert model.prompts == {"query": "", "document": "", "passage": "get bun : "}
    assert np.array_equal(model.encode_document("nin"), model.encode("nin"))


def test_the_checkpoint_s_dtype_is_kept_on_loading(tmp_path: Path) -> None:
    model = copy.deepcopy(dense().model).half()
    model.save_pretrained(str(tmp_path), create_model_card=False)
    assert {p.dtype for p in SentenceTransformer(str(tmp_path), device="cpu").parameters()} == {torch.float16}


def test_mean_pooling_never_gives_the_pooler_a_gradient() -> None:
    model = dense().model
    model(model.preprocess(TEXTS))["sentence_embedding"].sum().backward()
    without = {n for n, p in model.named_parameters() if p.grad is None}
    assert without == {"0.model.pooler.dense.weight", "0.model.pooler.dense.bias"}


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning")
def test_peft_trains_only_the_adapter_and_merging_gives_a_plain_model_with_equal_outputs() -> None:
    model = dense().model.eval()
    model[0].model = get_peft_model(model[0].model, LoraConfig(r=2, target_modules=["query"], lora_dropout=0.0))
    names = [n for n, p in model[0].model.named_parameters() if p.requires_grad]
    assert len(names) == 2 * tiny_models.LAYERS
    assert all("lora_" in n for n in names)
    with torch.no_grad():
        for n, p in model[0].model.named_parameters():
            p.add_(0.3) if "lora_B" in n else None
    before = model.encode(TEXTS)
    model[0].model = model[0].model.merge_and_unload()
    assert type(model[0].model).__name__ == "BertModel"
    np.testing.assert_allclose(model.encode(TEXTS), before, atol=1e-5)


def test_adamw_leaves_a_parameter_without_gradient_alone_even_with_decay() -> None:
    used, unused = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([used, unused], lr=0.1, weight_decay=0.5)
    used.sum().backward()
    optimizer.step()
    assert torch.equal(unused, torch.ones(2))
    assert set(optimizer.state) == {used}
    assert set(optimizer.state[used]) == {"step", "exp_avg", "exp_avg_sq"}


def test_safetensors_gives_every_bit_back_also_of_scalars_and_odd_values(tmp_path: Path) -> None:
    tensors = {"a": torch.tensor([1e-45, -0.0, float("inf"), float("nan")]), "b/c": torch.tensor(3.0)}
    save_file(tensors, tmp_path / "t.safetensors")
    loaded = load_file(tmp_path / "t.safetensors")
    assert {k: v.numpy().tobytes() for k, v in loaded.items()} == {k: v.numpy().tobytes() for k, v in tensors.items()}
    assert loaded["b/c"].shape == ()


def test_clipping_returns_the_norm_before_and_keeps_no_number_visible() -> None:
    p = nn.Parameter(torch.zeros(2))
    p.grad = torch.tensor([3.0, 4.0])
    assert float(torch.nn.utils.clip_grad_norm_([p], 1.0)) == 5.0
    assert p.grad.norm().item() == pytest.approx(1.0, rel=1e-5)
    p.grad = torch.tensor([float("nan"), 1.0])
    assert not np.isfinite(float(torch.nn.utils.clip_grad_norm_([p], 1.0)))


def test_float32_products_differ_between_block_sizes_which_is_why_search_rescores() -> None:
    rng = np.random.default_rng(0)
    queries, documents = (torch.from_numpy(rng.normal(size=(n, 384)).astype(np.float32)) for n in (64, 3000))
    whole = queries @ documents.T
    alone = torch.stack([documents[i] @ queries[0] for i in range(3000)])
    assert (whole[0] - alone).abs().max() < 1e-3
    assert not torch.equal(whole[0], alone)


def test_numpy_sums_each_row_in_one_order_however_many_rows_there_are() -> None:
    matrix = np.random.default_rng(0).normal(size=(1000, 384))
    whole = matrix.sum(axis=1)
    assert all(matrix[i : i + 1].sum(axis=1)[0] == whole[i] for i in range(1000))
    assert np.array_equal(matrix[::7].copy().sum(axis=1), whole[::7])


def test_pydantic_reads_a_frozen_dataclass_names_what_is_wrong_and_ignores_what_it_does_not_know() -> None:
    adapter = TypeAdapter(QueryRanks)
    plain = {"text": "t", "systems": {"a": [1, None], "b": 2}, "later": 0}
    assert adapter.validate_python(plain) == QueryRanks("t", {"a": (1, None), "b": 2})
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python({"systems": {"a": "first"}})
    assert [(e["loc"][:2], e["input"]) for e in caught.value.errors()[:2]] == [
        (("text",), {"systems": {"a": "first"}}),
        (("systems", "a"), "first"),
    ]


def test_scipy_s_components_are_those_of_edges_in_either_direction_however_often_they_are_given() -> None:
    edges = [(3, 1), (1, 3), (1, 3), (4, 4), (0, 5)]
    graph = sparse.coo_array((np.ones(5), tuple(zip(*edges, strict=True))), shape=(6, 6))
    _, labels = connected_components(graph, directed=False)
    assert [{i for i in range(6) if labels[i] == own} for own in labels] == [{0, 5}, {1, 3}, {2}, {1, 3}, {4}, {0, 5}]


def test_scipy_s_wilson_interval_is_wilson_s_without_a_correction() -> None:
    z, share, n = stats.norm.ppf(0.975), 0.77, 100
    centre, half = (share + z**2 / 200) / (1 + z**2 / n), z * (share * (1 - share) / n + (z / 200) ** 2) ** 0.5
    wilson = stats.binomtest(77, n).proportion_ci(method="wilson")
    assert (wilson.low, wilson.high) == pytest.approx((centre - half / (1 + z**2 / n), centre + half / (1 + z**2 / n)))


def test_scipy_s_rank_correlation_gives_ties_their_mean_rank() -> None:
    by_hand = np.corrcoef([1.5, 1.5, 3, 4], [1, 2, 3.5, 3.5])[0, 1]
    assert stats.spearmanr([1, 1, 2, 5], [0.1, 0.2, 0.3, 0.3]).statistic == pytest.approx(by_hand)


def test_scipy_s_u_counts_the_pairs_that_the_first_sample_wins_and_half_of_the_ties() -> None:
    found = stats.mannwhitneyu([1.0, 3.0], [1.0, 2.0, 0.0], method="asymptotic")
    assert found.statistic == 1.5 + 3
    assert stats.mannwhitneyu([1.0], [1.0, 1.0], method="asymptotic").statistic == 1, "and equal values are no error"


HOLDER = "import filelock, sys, time\nwith filelock.FileLock(sys.argv[1]): print(flush=True); time.sleep(99)"


def test_a_lock_waits_for_its_holder_and_a_killed_holder_frees_it(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock")
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path / "lock"], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(Timeout):
            lock.acquire(timeout=0.3)
        threading.Timer(0.3, holder.kill).start()
        with lock:  # waits as long as it takes
            assert holder.wait() != 0
