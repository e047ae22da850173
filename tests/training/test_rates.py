from __future__ import annotations

from pathlib import Path

import pytest
import tiny_models
import torch
from tiny_models import ARCHITECTURES, sentences
from torch import nn

from strop.models import packed
from strop.models.encoder import Encoder
from strop.models.precision import Precision
from strop.models.pretrained import resolve
from strop.training import rates
from strop.training.rates import encoding_rate, seconds_of, training_rate

TEXTS = sentences(200)


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that says 4 seconds of whatever was done twice."""
    took: list[float] = []

    def seconds(work):  # type: ignore[no-untyped-def]
        took.append(seconds_of(work))
        return 4.0

    monkeypatch.setattr(rates, "seconds_of", seconds)
    return took


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_any_architecture_s_tokens_are_counted_as_documents(
    name: str, precision: Precision, measured: list[float]
) -> None:
    encoder = ARCHITECTURES[name]()
    tokens = int(encoder.tokenize(TEXTS, "document").offsets[-1])
    assert encoding_rate(encoder, TEXTS, precision) == tokens / 4
    assert measured[0] > 0


@pytest.mark.parametrize("name", ["tied", "untied", "decoder", "ColBERT"])
@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("length", [None, 9])
def test_a_step_is_measured_at_its_length_with_or_without_adapters(
    name: str, lora: bool, length: int | None, tmp_path: Path, measured: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ARCHITECTURES[name]().save(tmp_path)
    loaded: list[Encoder] = []
    load = rates.load
    monkeypatch.setattr(rates, "load", lambda *given: loaded.append(load(*given)) or loaded[-1])  # type: ignore[func-returns-value]
    tokens = ARCHITECTURES[name](max_length=length or 48).tokenize(TEXTS[:96], "document")
    base = resolve(str(tmp_path))
    assert training_rate(base, TEXTS, length, lora) == int(tokens.offsets[-1]) / 4
    reached = {n for n, p in loaded[0].module.named_parameters() if p.grad is not None}
    assert reached
    assert all("lora_" in n for n in reached) == lora


def test_the_clock_runs_after_a_warm_up() -> None:
    calls: list[int] = []
    assert seconds_of(lambda: calls.append(1)) >= 0
    assert len(calls) == 2


@pytest.mark.usefixtures("bfloat16")
def test_precision_reaches_the_forward_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = resolve(str(tiny_models.build(tmp_path)))
    halves: list[bool] = []
    forward = nn.Linear.forward

    def seen(self: nn.Linear, given: torch.Tensor) -> torch.Tensor:
        halves.append(torch.is_autocast_enabled("cpu"))
        return forward(self, given)

    monkeypatch.setattr(packed, "_agrees", lambda *_: True)  # which is asked in float32, as a model is loaded
    monkeypatch.setattr(nn.Linear, "forward", seen)
    for precision, half in (("float32", False), ("bfloat16", True)):
        halves.clear()
        training_rate(base, TEXTS[:4], None, False, precision)  # type: ignore[arg-type]
        assert set(halves) == {half}
