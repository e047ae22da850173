"""For every test: no network. Set before any library reads it."""

import os
import signal
from collections.abc import Iterator

import pytest

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GOMP_SPINCOUNT", "0")  # as the command does: busy machines


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """A name that is the same in every process: what gzip packs begins with the time."""
    return "gzip" if isinstance(val, bytes) and val.startswith(b"\x1f\x8b") else None


@pytest.fixture(autouse=True)
def interrupts() -> Iterator[None]:
    """Ctrl-C as a terminal has it: a shell starts what runs in the background deaf to it, and a command ends deaf."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """No processor multiplies in bfloat16, so that every one chooses float32 and gives the same results."""
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: False)
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: False)


@pytest.fixture
def bfloat16(no_bfloat16: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every processor does; where it does not, torch emulates it."""
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: True)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """For tiny tensors: threads that wait for each other cost a hundred times the arithmetic on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
