"""What a training starts with: the base in another architecture, or its first layers taught by it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from small_collection import TEST, small_collection
from small_study import bench, small_study

import strop
from strop.artifacts.store import Store
from strop.commands.inputs import load
from strop.models.architecture import Untied
from strop.models.late_interaction import Late
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError
from strop.records.runs import read_run
from strop.study.negative_policies import Mined
from strop.study.systems import Start
from strop.study.workbench import Workbench
from strop.training import initial_models
from strop.training.optimizers import AdamW

pytestmark = pytest.mark.usefixtures("one_thread")
LATE = Late(query_length=12, document_length=40)  # the tiny model has 64 positions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starts")
    small_collection(folder / "small")
    tiny_models.build(folder, markers=True)
    return folder


def test_a_conversion_is_kept_by_what_the_base_is_and_not_by_where(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, base = Store(tmp_path / "store"), resolve(str(folder / "model"))
    first, late = (initial_models.converted(store, base, a) for a in (Untied(), LATE))
    assert initial_models.converted(store, base, Untied(pooling="mean")).path != first.path
    shutil.copytree(folder / "model", tmp_path / "copy")
    other = resolve(str(tiny_models.build(tmp_path / "other", seed=1)))
    assert initial_models.converted(store, other, Untied()).identity != first.identity

    def never(*args: object) -> None:
        raise AssertionError("converted again")

    for kind in (Untied, Late):
        monkeypatch.setattr(kind, "convert", never)
    copied = resolve(str(tmp_path / "copy"))
    assert initial_models.converted(store, copied, Untied()).path == first.path
    assert initial_models.converted(store, copied, LATE).path == late.path
    assert len({base.identity, first.identity, late.identity}) == 3


def disagreement(model: Pretrained, base: Pretrained, workbench: Workbench) -> float:
    """Mean KL divergence of the model's distribution over the training documents from the base's, at distill-kl's
    temperature."""
    scores = []
    for each in (base, model):
        plain = SentenceTransformer(str(each.path), device="cpu")
        asked = plain.encode_query(list(workbench.own.train_queries.values()), normalize_embeddings=True)
        found = plain.encode_document(list(workbench.own.train_documents.values()), normalize_embeddings=True)
        logits = asked.astype(np.float64) @ found.T / 0.05
        logits -= logits.max(axis=1, keepdims=True)
        scores.append(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    of_base, of_model = scores
    return float((np.exp(of_base) * (of_base - of_model)).sum(axis=1).mean())


def test_a_model_cut_to_its_first_layers_is_taught_to_score_as_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_models, "DISTILLATION_OPTIMIZER", AdamW(1e-3))
    monkeypatch.setattr(initial_models, "DISTILLATION_EPOCHS", 30)
    study = small_study(tmp_path / "study")
    workbench = bench(replace(study, scales=(replace(study.scales[0], largest_batch=6),)), Store(tmp_path / "store"))
    base = workbench.base
    cut, taught = initial_models.shortened(workbench.store, base, 1), workbench.trainings.initial(Start(layers=1), 42)
    assert len(SentenceTransformer(str(taught.path), device="cpu")[0].model.encoder.layer) == 1  # type: ignore[union-attr]
    job = workbench.trainings.distillation(1)
    assert job.recipe.updates == initial_models.DISTILLATION_EPOCHS * (24 // 6)
    ranks = {
        q: set(of.doc_ids) for q, of in workbench.data.mining.run(Mined(initial_models.DISTILLATION_WINDOW)).items()
    }
    assert all(len(g.negatives) == 7 and set(g.negatives) <= ranks[g.query_id] for g in job.examples.groups)
    before, after = (disagreement(model, base, workbench) for model in (cut, taught))
    assert after < 0.8 * before
    towers = SentenceTransformer(str(workbench.trainings.initial(Start(Untied(), layers=1), 42).path), device="cpu")[
        0
    ].sub_modules
    for name in ("query", "document"):
        assert len(towers[name][0].model.encoder.layer) == 1  # type: ignore[index,union-attr]


def test_more_layers_than_there_are_cannot_be_kept(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there are no 3 layers to keep"):
        initial_models.shortened(Store(tmp_path), resolve(str(folder / "model")), 3)


@pytest.mark.parametrize(("architecture", "recipe"), [("late", "late-full"), ("untied", "in-batch-full")])
def test_strop_train_as_another_architecture_writes_what_the_library_loads_and_strop_searches(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, recipe: str
) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(initial_models, "ARCHITECTURES", {"untied": Untied(), "late": LATE})
    collection, examples, out = str(folder / "small"), tmp_path / "examples.jsonl", tmp_path / "tuned"
    strop.mine(collection, examples, "bm25", RankWindow(2, 15))
    settings = {"updates": "3", "batching.size": "6", "max_length": "32", "optimizer.learning_rate": "0.01"}
    strop.train(examples, out, recipe, settings, str(folder / "model"), architecture=architecture)
    run = read_run(strop.search(collection, tmp_path / "run.trec", str(out)))
    assert len(run) == TEST
    data = load(collection, "test")
    texts = [d.contents for d in data.documents.values()]
    asked = [q.text for q in data.queries.values()]
    model = (MultiVectorEncoder if architecture == "late" else SentenceTransformer)(str(out), device="cpu")
    scores = model.similarity(model.encode_query(asked), model.encode_document(texts))
    for query, row in zip(data.queries, np.asarray(scores), strict=True):
        best = run[query].doc_ids[0]
        assert row.max() == pytest.approx(row[list(data.documents).index(best)], abs=1e-4)


def test_an_unknown_architecture_or_the_wrong_recipe_for_it_is_said(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(initial_models, "ARCHITECTURES", {"untied": Untied(), "late": LATE})
    examples, model = tmp_path / "examples.jsonl", str(folder / "model")
    strop.mine(str(folder / "small"), examples, "bm25", RankWindow(2, 15))
    with pytest.raises(InputError, match="no architecture 'twin'"):
        strop.train(examples, tmp_path / "out", model=model, architecture="twin")
    for architecture, recipe in (("late", "in-batch-full"), ("untied", "late-full")):
        with pytest.raises(InputError, match="the recipe scores by"):
            strop.train(examples, tmp_path / "out", recipe, model=model, architecture=architecture)
