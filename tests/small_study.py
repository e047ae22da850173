"""A small study: everything a study can hold, on a small collection and a tiny random model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import tiny_models
from small_collection import TEST, small_collection

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.losses.contrastive import InfoNCE
from strop.models.scoring import Cosine
from strop.negatives.from_run import RankWindow
from strop.retrieval.lexical import BM25
from strop.study.claims import Claim
from strop.study.conduct import conduct
from strop.study.definition import Preset, Scale, Study
from strop.study.negative_policies import Mined
from strop.study.systems import System, Tuned
from strop.study.workbench import Workbench
from strop.training.batches import Batching

SEEDS = (42, 43)
HARD = Mined(RankWindow(low=2, high=20))


def small_study(folder: Path) -> Study:
    """Everything a study can hold, on a small collection and a tiny random model."""
    return study_of(tiny_models.build(folder), small_collection(folder / "small"))


def study_of(model: Path, collection: Path) -> Study:
    """The same of a model and a collection that are there already."""
    recipe = replace(tiny_models.RECIPE, batching=Batching(size=6), max_length=32)
    in_batch = replace(
        recipe,
        tuning=tiny_models.TUNINGS["LoRA"],
        scoring=Cosine(),
        loss=InfoNCE(0.05),
        batching=Batching(6, in_batch=True),
    )
    claim = Claim(
        id="below",
        paper="a paper",
        table="1",
        kind="effect",
        statement="tuning hurts",
        rule="below",
        system="full",
        against="base",
        collection="small",
        measure="RR@10",
    )
    return Study(
        name="small_study",
        title="A small study",
        paper="a paper",
        base=str(model),
        baseline="base",
        primary_measure="RR@10",
        presets=(
            Preset(
                "all",
                (
                    System("bm25", "BM25", BM25()),
                    System("base", "base", None),
                    System("full", "full", Tuned(recipe, epochs=3, negatives=HARD)),
                    System("lora", "LoRA", Tuned(in_batch, epochs=3)),
                ),
                watched=(("hard", HARD),),
            ),
            Preset("untuned", (System("base", "base", None), System("bm25", "BM25", BM25()))),
        ),
        scales=(
            Scale(
                name="tiny",
                collection=str(collection),
                test_queries=TEST,
                test_documents=40,
                train_queries=24,
                train_documents=40,
                cut_chars=None,
                depth=30,
                seeds=SEEDS,
                presets={"all": 2, "untuned": 1},
                deviations=("a tiny scale",),
            ),
        ),
        claims=(
            claim,
            Claim("count", "a paper", "2", "arithmetic", "LoRA trains 999", "value", system="lora", published=999),
        ),
        published={"base": {"RR@10": 0.3}, "full": {"RR@10": 0.2}},
        published_loss={"full": ((0, 5.0), (10, 4.0))},
        choices={"distance": {"as_written": "one", "as_coded": "another", "corrected": "a third"}},
    )


def bench(study: Study, store: Store, progress: Progress = silent) -> Workbench:
    scale = study.scale("tiny")
    return Workbench(study, scale, scale.collection, store, progress)


def run(study: Study, store: Store, *presets: str, progress: Progress = silent) -> Path:
    return conduct(bench(study, store, progress), "strop study run", presets)
