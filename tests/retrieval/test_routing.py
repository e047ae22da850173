"""Adapters side by side on one base, and the queries routed to them, on a tiny model with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import build, sentences

from strop.models.adapters import LoRA, export
from strop.models.dense import Dense
from strop.models.encoder import Role
from strop.records.errors import InputError
from strop.retrieval.dense_search import search
from strop.retrieval.routing import Centroids, Routed, rank

TEXTS = sentences(9, seed=4)


def adapted(base: Path, folder: Path, seed: int, targets: tuple[str, ...] = ("query", "value")) -> Path:
    """An export with an adapter as if it were trained: neither of its matrices is zero."""
    encoder = Dense.load(base)
    LoRA(r=4, targets=targets).prepare(encoder, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in encoder.module.named_parameters():
            if "lora_B" in name:
                p.copy_(0.1 * torch.randn(p.shape, generator=generator))
    export(encoder, folder, "org/base", TEXTS)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`base/model`, and the exports `a` and `b`."""
    root = tmp_path_factory.mktemp("models")
    base = build(root / "base")
    adapted(base, root / "a", 1)
    adapted(base, root / "b", 2, ("query", "key", "value"))
    return root


def load(root: Path) -> Routed:
    # names that peft would refuse or warn of by themselves
    return Routed.load(root / "base/model", {"lora_": root / "a/adapter", "irds:b.c/d": root / "b/adapter"})


def outputs(encoder: Dense, texts: list[str], role: Role = "query") -> torch.Tensor:
    encoder.module.eval()
    with torch.inference_mode():
        tokens = encoder.tokenize(texts, role)
        rows = [torch.from_numpy(tokens.row(i).astype(np.int64))[None] for i in range(len(tokens))]
        seen = [encoder.represent(ids, torch.ones_like(ids), role) for ids in rows]
        return torch.cat([encoder.searchable(one).vectors for one in seen]).clone()


def test_a_selected_adapter_gives_its_own_merged_model_s_outputs(models: Path) -> None:
    routed = load(models)
    plain = outputs(Dense.load(models / "base/model"), TEXTS)
    for name, folder in {"lora_": "a", "irds:b.c/d": "b", None: "base/model"}.items():
        merged = outputs(Dense.load(models / folder), TEXTS)
        assert (outputs(routed.select(name), TEXTS) - merged).abs().max() < 1e-5
        assert name is None or (merged - plain).abs().max() > 1e-2


def test_switching_back_gives_the_base_s_outputs_exactly_and_each_adapter_s_again(models: Path) -> None:
    routed, plain = load(models), outputs(Dense.load(models / "base/model"), TEXTS)
    assert torch.equal(outputs(routed.encoder, TEXTS), plain)  # so it starts
    first = {name: outputs(routed.select(name), TEXTS) for name in routed.names}
    assert torch.equal(outputs(routed.select(None), TEXTS), plain)
    for name in reversed(routed.names):
        assert torch.equal(outputs(routed.select(name), TEXTS), first[name])
    assert torch.equal(outputs(routed.select(None), TEXTS), plain)


def test_the_base_is_held_once_and_nothing_trains(models: Path) -> None:
    routed = load(models)
    routed.select("lora_")
    adapters = sum(
        t.numel() for x in "ab" for t in load_file(models / x / "adapter/adapter_model.safetensors").values()
    )
    alone = sum(p.numel() for p in Dense.load(models / "base/model").module.parameters())
    assert sum(p.numel() for p in routed.encoder.module.parameters()) == alone + adapters
    assert not any(p.requires_grad for p in routed.encoder.module.parameters())
    assert not routed.encoder.module.training


def test_another_name_is_refused_and_so_is_no_adapter_at_all(models: Path) -> None:
    with pytest.raises(InputError, match="no adapter 'c'"):
        load(models).select("c")
    with pytest.raises(InputError, match="no adapters to route to"):
        Routed.load(models / "base/model", {})


def test_only_safetensors_of_plain_lora_are_loaded(models: Path, tmp_path: Path) -> None:
    def refused(folder: Path, match: str) -> None:
        with pytest.raises(InputError, match=match):
            Routed.load(models / "base/model", {"a": models / "a/adapter", "x": folder})

    pickled = Path(shutil.copytree(models / "a/adapter", tmp_path / "pickled"))
    weights = load_file(pickled / "adapter_model.safetensors")
    (pickled / "adapter_model.safetensors").unlink()
    torch.save(weights, pickled / "adapter_model.bin")
    refused(pickled, "no adapter_config.json beside adapter_model.safetensors")
    for change, match in (({"bias": "all"}, "weights of the base's own"), ({"peft_type": "IA3"}, "type IA3")):
        folder = Path(shutil.copytree(models / "a/adapter", tmp_path / match.split()[-1]))
        config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
        (folder / "adapter_config.json").write_text(json.dumps(config | change), encoding="utf-8")
        refused(folder, match)


@pytest.mark.parametrize("position", ["first", "second"])
def test_an_adapter_whose_weights_do_not_all_find_their_place_is_refused(
    models: Path, tmp_path: Path, position: str
) -> None:
    def refused(folder: Path) -> None:
        adapters = {"x": folder, "a": models / "a/adapter"}
        given = adapters if position == "first" else dict(reversed(adapters.items()))
        with pytest.raises(InputError, match="not one of this base"):
            Routed.load(models / "base/model", given)

    whole = load_file(models / "a/adapter/adapter_model.safetensors")
    deeper = {n.replace("layer.1.", "layer.7."): t for n, t in whole.items()}
    fewer = {n: t for n, t in whole.items() if "layer.1." not in n}
    more = whole | {n.replace("layer.1.", "layer.2."): t.clone() for n, t in whole.items() if "layer.1." in n}
    wider = {n: torch.ones(t.shape[0] * 2, t.shape[1]) if "lora_B" in n else t for n, t in whole.items()}
    for i, weights in enumerate((deeper, fewer, more, wider)):
        folder = Path(shutil.copytree(models / "a/adapter", tmp_path / str(i)))
        save_file(weights, folder / "adapter_model.safetensors")
        refused(folder)


def test_a_query_goes_to_the_nearest_centroid_and_a_strange_one_to_the_base() -> None:
    east, north = np.array([[5, 0, 0], [1, 0.1, 0], [1, -0.1, 0]]), np.array([[0, 1, 0.1], [0, 2, -0.2]])
    centroids = Centroids.of({"east": east, "north": north}, share=1.0)
    asked = np.array([[9, 0.5, 0], [0.01, 3, 0], [1, 1, 0], [0, 0, 1], [-1, 0, 0], [0, 0, 0]], dtype=np.float32)
    assert centroids.route(asked) == ("east", "north", None, None, None, None)
    assert np.allclose(centroids.vectors, np.eye(3)[:2])  # lengths do not count: each query has one vote


def test_the_bound_is_the_share_s_quantile_of_own_queries_each_against_the_mean_of_the_others() -> None:
    rng = np.random.default_rng(3)
    own = (rng.normal(size=(200, 8)) + 3 * np.eye(8)[0]).astype(np.float32)
    centroids = Centroids.of({"own": own}, share=0.9)
    unit = own / np.linalg.norm(own, axis=1, keepdims=True)
    left_out = []
    for i in range(len(unit)):
        mean = np.delete(unit, i, axis=0).mean(axis=0)
        left_out.append(float(unit[i] @ mean / np.linalg.norm(mean)))
    assert centroids.bounds[0] == pytest.approx(np.quantile(left_out, 0.1), abs=1e-6)
    assert centroids.route(own).count(None) == pytest.approx(20, abs=2)
    pair = Centroids.of({"pair": np.array([[1, 0], [0, 1]], dtype=np.float32)}, share=1.0)
    assert pair.bounds[0] == pytest.approx(0)  # two strangers do not vouch for themselves


def test_centroids_say_what_they_cannot_be_made_of() -> None:
    with pytest.raises(InputError, match="domain 'b' has 1 training queries"):
        Centroids.of({"b": np.ones((1, 3), np.float32)})
    with pytest.raises(InputError, match="no domains"):
        Centroids.of({})
    with pytest.raises(InputError, match=r"share of own queries to pass is 0\.0"):
        Centroids.of({"b": np.ones((2, 3), np.float32)}, share=0.0)


def test_a_mixed_set_of_queries_is_ranked_each_by_the_model_it_is_routed_to(models: Path) -> None:
    routed, base = load(models), Dense.load(models / "base/model")
    queries = {f"q{i}": text for i, text in enumerate(sentences(6, seed=5))}
    documents = {f"d{i}": text for i, text in enumerate(sentences(30, seed=6))}
    vectors = outputs(base, list(queries.values())).numpy()
    # by hand: a domain of the first two queries and one of the next two, so narrow that the last two are strangers
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = units.astype(np.float64).reshape(3, 2, -1)[:2].mean(axis=1)
    pairs /= np.linalg.norm(pairs, axis=1, keepdims=True)
    own = [(units[2 * i : 2 * i + 2] @ pairs[i]).min() - 1e-6 for i in range(2)]
    ranked = rank(routed, Centroids(routed.names, pairs, np.array(own)), queries, documents, depth=10)
    assert list(ranked.routes.values()) == ["lora_"] * 2 + ["irds:b.c/d"] * 2 + [None] * 2
    for folder, ids in {"a": ["q0", "q1"], "b": ["q2", "q3"], "base/model": ["q4", "q5"]}.items():
        alone = Dense.load(models / folder)
        asked = outputs(alone, [queries[q] for q in ids]).numpy()
        told = outputs(alone, list(documents.values()), "document").numpy()
        for query_id, ranking in search(asked, ids, told, list(documents), 10).items():
            assert ranked.run[query_id].doc_ids == ranking.doc_ids
            assert ranked.run[query_id].scores == pytest.approx(ranking.scores, abs=1e-5)
    assert torch.equal(outputs(routed.encoder, TEXTS), outputs(base, TEXTS))


def test_a_centroid_without_an_adapter_is_refused_before_anything_is_encoded(models: Path) -> None:
    stray = Centroids.of({"elsewhere": np.eye(32, dtype=np.float32)})
    with pytest.raises(InputError, match="'elsewhere' has centroids but no adapter"):
        rank(load(models), stray, {"q": "x"}, {"d": "y"}, 1)
