"""`strop explain`, `strop train --stop/--track` and the live page from the command line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import tiny_models
from small_collection import small_collection

import strop
from strop.commands.inputs import training_folder
from strop.geometry.catalogue import ABSOLUTE, RELATIVE
from strop.records.errors import InputError, InputWarning
from strop.records.exhibits.geometry import Geometry
from strop.records.record import ExplainRecord
from strop.records.results import read_results

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("explain")
    small_collection(folder / "small")
    tiny_models.build(folder)
    tiny_models.build(folder / "other", seed=5)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


def geometry_of(folder: Path) -> Geometry:
    geometry = read_results(folder, ExplainRecord).exhibits.geometry
    assert geometry
    return geometry


def test_two_models_are_read_side_by_side(folder: Path) -> None:
    out = strop.explain("other/model", "model", "small", queries=8, documents=50)
    results = read_results(out, ExplainRecord)
    geometry = results.exhibits.geometry
    assert geometry
    assert set(geometry.models) == {"model", "other/model"}
    assert set(geometry.models["other/model"].moved) == {one.name for one in RELATIVE}
    assert set(geometry.models["model"].own) == {one.name for one in ABSOLUTE}
    assert (geometry.layers or {})["other/model"]["layer 0"] > 0.1
    assert {picture.fit for picture in geometry.pictures or ()} == {"PCA", "UMAP"}
    assert {row.measure for row in results.rows if row.system == "model"} == {
        f"geometry/{one.name}" for one in ABSOLUTE
    }
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "Effective rank/document" in page
    assert str(folder) not in page
    assert strop.explain("other/model", "model", "small", queries=8, documents=50) == out


def test_a_model_beside_itself_has_not_moved() -> None:
    shutil.copytree("model", "twin", dirs_exist_ok=True)
    geometry = geometry_of(strop.explain("twin", "model", "small", queries=8, documents=50))
    twin = geometry.models["twin"]
    assert all(reading[0] == 0 for reading in twin.change.values())
    assert twin.moved["overlap@10/document"][0] == 1
    assert set((geometry.layers or {})["twin"].values()) == {0.0}


def test_a_probe_larger_than_the_collection_says_what_fits() -> None:
    with pytest.raises(InputError, match=r"Give --queries 8 or less"):
        strop.explain("model", None, "small")


def test_another_dimension_than_the_base_s_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiny_models, "HIDDEN", 16)
    tiny_models.build(Path("narrow"))
    with pytest.warns(InputWarning, match=r"model has 32 and narrow/model has 16 dimensions: comparisons"):
        out = strop.explain("narrow/model", "model", "small", queries=8, documents=50)
    moved = geometry_of(out).models["narrow/model"].moved
    assert "shift/document" not in moved
    assert "overlap@10/document" in moved


def test_a_model_with_a_vector_a_token_is_read_over_its_tokens(folder: Path) -> None:
    from sentence_transformers import MultiVectorEncoder
    from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
    from sentence_transformers.sentence_transformer.modules import Normalize, Transformer

    for name, seed in (("late", 0), ("later", 5)):
        inner = Transformer(str(tiny_models.plain(folder / f"{name}-plain", seed=seed)), max_seq_length=24)
        late = MultiVectorEncoder(modules=[inner, MultiVectorMask(), Normalize("token_embeddings")], device="cpu")
        late.save_pretrained(name, create_model_card=False)
    geometry = geometry_of(strop.explain("later", "late", "small", queries=8, documents=50))
    own = geometry.models["later"].own
    assert "alignment" not in own  # a query has several vectors, and no one positive of each
    assert 1 < own["effective_rank/document"][0] <= 32
    assert 0 <= own["auc"][0] <= 1
    assert set(geometry.models["later"].moved) >= {"cka/document", "rank_displacement"}
    assert (geometry.layers or {})["later"]["layer 1"] > 0.1


def test_a_watched_training_has_a_page_and_stops_by_its_rule(folder: Path) -> None:
    strop.mine("small", "hard.jsonl", "uniform")
    examples = Path("many.jsonl")
    lines = [json.loads(line) for line in Path("hard.jsonl").read_text(encoding="utf-8").splitlines()]
    extra = tiny_models.sentences(60, seed=3)
    for i, text in enumerate(extra):
        lines.append({"query": f"{text} x", "positive": text, "negatives": [extra[(i + 7) % 60]]})
    examples.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    settings = {"updates": "20", "batching.size": "8", "max_length": "24"}
    trained = strop.train(examples, "stopped", settings=settings, model="model", stop="both", track="tensorboard")
    record = trained.record
    assert record["monitor_looks"] >= 3
    assert 0 < record["monitor_share"] < 1
    assert list((folder / "home" / "trackers").rglob("events.out.tfevents.*"))
    page = strop.study_report(trained.path, "live.html").read_text(encoding="utf-8")
    assert "geometry/effective_rank/document" in page or "Effective rank" in page
    with pytest.raises(InputError, match="there is no stopping rule"):
        strop.train(examples, "never", model="model", stop="luck")
    with pytest.raises(InputError, match="too few for a stopping rule"):
        strop.train("hard.jsonl", "never", model="model", stop="dev")
    with pytest.raises(InputError, match="there is no tracker"):
        strop.train(examples, "never", settings=settings, model="model", track="paper")


def test_a_training_is_found_by_its_key_or_as_the_latest() -> None:
    latest = training_folder("latest")
    assert training_folder(latest.name[:8]) == latest
    with pytest.raises(InputError, match="0 trainings have a key that starts with 'zz'"):
        training_folder("zz")
