"""Real architectures with random weights: their sizes, and that they say what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tiny_models
import torch
from sentence_transformers import CrossEncoder
from torch import nn
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from strop.models.cross_encoder import Reranker, untrained_in
from strop.models.loading import loaded_by
from strop.models.pair_scorer import score_pairs
from strop.models.random_weights import POSITIONS, Kind, RandomWeights

pytestmark = pytest.mark.usefixtures("one_thread")
KINDS: tuple[Kind, ...] = ("bert", "gte", "modernbert")
PAIRS = [("bun nin", "gat gat bon"), ("dan", "bun nin " * 20), ("bun", "")]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.build(tmp_path_factory.mktemp("source"))


@pytest.mark.parametrize(("kind", "millions"), [("bert", 33), ("gte", 305), ("modernbert", 149)])
def test_the_base_size_has_the_real_model_s_parameters(kind: Kind, millions: int, source: Path) -> None:
    config = RandomWeights(kind, "base").config(AutoTokenizer.from_pretrained(str(source)))
    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(config)
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(millions * 1e6, rel=0.02)
    assert model.num_labels == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_tiny_one_is_a_cross_encoder_on_the_source_s_words_and_says_that_all_of_it_is_random(
    kind: Kind, source: Path, tmp_path: Path
) -> None:
    state = torch.random.get_rng_state()
    RandomWeights(kind, seed=3).convert(source, tmp_path / "made")
    assert torch.equal(torch.random.get_rng_state(), state)
    assert [path.name for path in tmp_path.iterdir()] == ["made"], "nothing is left beside it"
    assert loaded_by(tmp_path / "made") == "CrossEncoder"
    scorer = Reranker.load(tmp_path / "made")
    scorer.module.eval()
    assert scorer.max_length == POSITIONS[kind]
    parts = {
        "bert": ("bert", "classifier"),
        "gte": ("classifier", "gte"),
        "modernbert": ("classifier", "head", "model"),
    }
    assert untrained_in(tmp_path / "made") == scorer.untrained == parts[kind]
    owners = {name.split(".")[2] for name, _ in scorer.module.named_parameters()}
    assert owners == set(scorer.untrained)
    queries, documents = (
        scorer.tokenize([q for q, _ in PAIRS], "query"),
        scorer.tokenize([d for _, d in PAIRS], "document"),
    )
    assert ("token_type_ids" in scorer.model.preprocess(PAIRS)) == (kind == "bert")
    theirs = Reranker.from_base(source, 0)
    assert queries.ids.tolist() == theirs.tokenize([q for q, _ in PAIRS], "query").ids.tolist()
    pairs = [scorer.pair(queries.row(i), documents.row(i)) for i in range(len(PAIRS))]
    with torch.inference_mode():
        found = score_pairs(scorer, pairs, np.arange(len(PAIRS)))
    library = CrossEncoder(str(tmp_path / "made"), local_files_only=True, device="cpu")
    expected = library.predict(PAIRS, convert_to_tensor=True, show_progress_bar=False, activation_fn=nn.Identity())
    torch.testing.assert_close(found, expected.clone(), rtol=0, atol=1e-6)
    assert found.std() > 0


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_fixed_by_the_seed(kind: Kind, source: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("same", 1), ("other", 2)):
        RandomWeights(kind, seed=seed).convert(source, tmp_path / name)
    one, same, other = (Reranker.load(tmp_path / name).module.state_dict() for name in ("one", "same", "other"))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["0.model.classifier.weight"], other["0.model.classifier.weight"])
