"""The precision to choose in: by the device, and by how far bfloat16 moves a model's vectors."""

import pytest
import torch
from tiny_models import ARCHITECTURES
from torch.nn.functional import cosine_similarity

from strop.retrieval import drift
from strop.retrieval.encode import represented

TEXTS = {f"d{i}": f"the number {i} of {i * 7} words" for i in range(200)}


def test_without_products_in_bfloat16_nothing_is_encoded() -> None:
    choice = drift.chosen(None, TEXTS)  # type: ignore[arg-type]
    assert str(choice).startswith("float32: nothing here multiplies in bfloat16")


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(("least", "precision"), [(0.99, "bfloat16"), (1.1, "float32")])
def test_the_least_cosine_decides_and_is_told(least: float, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drift, "LEAST", least)
    encoder, asked = ARCHITECTURES["tied"](), []
    monkeypatch.setattr(drift, "least_cosine", lambda _, texts: asked.append(texts) or 0.999969)
    choice = drift.chosen(encoder, TEXTS)
    assert choice.precision == precision
    assert str(choice).endswith("cosine at least 0.99996 on 64 of your documents")
    assert asked == [[TEXTS[f"d{i}"] for i in range(0, 192, 3)]], "spread over all of them"


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("name", ["tied", "ColBERT"])
def test_the_cosine_is_the_least_of_any_vector_s(name: str) -> None:
    encoder, texts = ARCHITECTURES[name](), list(TEXTS.values())[:5]
    tokens = encoder.tokenize(texts, "document")
    exact, coarse = (represented(encoder, tokens, "document", p) for p in ("float32", "bfloat16"))
    rows = torch.ones(exact.vectors.shape[:-1], dtype=torch.bool) if exact.mask is None else exact.mask
    pairs = zip(exact.vectors[rows].double(), coarse.vectors[rows].double(), strict=True)
    each = [float(cosine_similarity(a, b, 0)) for a, b in pairs]
    assert drift.least_cosine(encoder, texts) == pytest.approx(min(each), abs=1e-12)
    assert 0.9 < min(each) < 1
