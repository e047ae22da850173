from __future__ import annotations

import numpy as np
import pytest

from strop.geometry.drift import layer_distances
from strop.geometry.pairs import Floats
from strop.records.errors import InputError

NAMES = {
    "embeddings.word_embeddings.weight": (5, 3),
    "embeddings.LayerNorm.bias": (3,),
    "encoder.layer.0.attention.self.query.weight": (3, 3),
    "encoder.layer.0.attention.self.query.bias": (3,),
    "encoder.layer.10.output.dense.weight": (3, 3),
    "encoder.layer.2.output.dense.weight": (3, 3),
    "pooler.dense.weight": (3, 3),
    "final_norm.weight": (3,),
}


def weights(seed: int = 0) -> dict[str, Floats]:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in NAMES.items()}


def test_each_layer_s_parameters_count_as_one_and_the_pooler_does_not() -> None:
    base, model = weights(), weights(1)
    found = layer_distances(model, base)
    assert list(found) == ["embeddings", "layer 0", "layer 2", "layer 10", "other"]

    def flat(all_of: dict[str, Floats], part: str) -> Floats:
        return np.concatenate([value.ravel() for name, value in all_of.items() if part in name])

    for title, part in {"embeddings": "embeddings", "layer 0": "layer.0.", "other": "final_norm"}.items():
        expected = np.linalg.norm(flat(model, part) - flat(base, part)) / np.linalg.norm(flat(base, part))
        assert found[title] == pytest.approx(expected)


def test_the_same_weights_have_moved_by_nothing_and_twice_the_weights_by_one() -> None:
    base = weights()
    assert set(layer_distances(base, base).values()) == {0.0}
    assert layer_distances({n: 2 * w for n, w in base.items()}, base)["layer 2"] == pytest.approx(1)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("0.auto_model.encoder.layer.3.output.dense.weight", "layer 3"),
        ("transformer.layer.3.ffn.lin1.weight", "layer 3"),
        ("layers.3.mlp.Wi.weight", "layer 3"),
        ("model.embed_tokens.weight", "embeddings"),
        ("h.3.attn.weight", "layer 3"),
        ("linear.weight", "other"),
    ],
)
def test_layers_are_found_under_the_names_of_several_architectures(name: str, title: str) -> None:
    assert list(layer_distances({name: np.ones(2)}, {name: np.ones(2)})) == [title]


def test_models_of_other_names_or_shapes_are_not_compared() -> None:
    base = weights()
    with pytest.raises(InputError, match=r"only one of the two models has the weight 'final_norm\.weight'"):
        layer_distances({n: w for n, w in base.items() if n != "final_norm.weight"}, base)
    with pytest.raises(InputError, match=r"final_norm.weight has the shape \(4,\), the base's \(3,\)"):
        layer_distances({**base, "final_norm.weight": np.ones(4)}, base)
    with pytest.raises(InputError, match="the base's other is all zeros"):
        layer_distances(base, {**base, "final_norm.weight": np.zeros(3)})
