"""`strop mine` says which precision it took, and keeps what each made apart."""

import json
from pathlib import Path

import pytest
from small_collection import small_collection
from tiny_models import build

import strop
from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError
from strop.retrieval import drift

WINDOW = RankWindow(2, 20)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    small_collection(tmp_path / "small")


def mined(model: str, precision: str = "auto") -> list[str]:
    """What `mine` says."""
    lines: list[str] = []
    number = len(list(Path().glob("*.jsonl")))
    strop.mine("small", f"{number}.jsonl", model, WINDOW, precision=precision, say=lines.append)  # type: ignore[arg-type]
    return lines


def encoded() -> set[str]:
    """The precisions of what is in the store."""
    values = [json.loads(path.read_text())["values"] for path in Path("home/encode").glob("*/record.json")]
    return {"float32" if isinstance(value, str) else value["precision"] for value in values}


def test_elsewhere_float32_is_taken_and_bfloat16_refused_before_any_work(tmp_path: Path) -> None:
    model = str(build(tmp_path / "model"))
    with pytest.raises(InputError, match="precision is 'bfloat16', and nothing here multiplies in bfloat16"):
        mined(model, "bfloat16")
    with pytest.raises(InputError, match=r"precision is 'half'. Give auto, float32 or bfloat16"):
        mined(model, "half")
    assert not (tmp_path / "home").exists()
    (line,) = mined(model)
    assert line.startswith("float32: nothing here multiplies in bfloat16")
    assert encoded() == {"float32"}


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(("least", "taken"), [(0.9, "bfloat16"), (1.1, "float32")])
def test_where_it_is_native_the_drift_of_the_documents_decides(
    least: float, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "LEAST", least)
    model = str(build(tmp_path / "model"))
    (line,) = mined(model)
    assert line.startswith(taken)
    assert "cosine at least 0.99" in line
    assert encoded() == {taken}
    assert mined(model, "float32") == ["float32: as you asked"]
    assert mined("bm25") == []
    assert encoded() == {taken, "float32"}
