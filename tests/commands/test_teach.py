"""`strop teach`: examples in, taught examples out, which a recipe of a teacher trains on."""

from __future__ import annotations

import json
import math
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from sentence_transformers import CrossEncoder

import strop
from strop.models.cross_encoder import FreshHead, Reranker
from strop.negatives.examples import read_examples
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run
from strop.training import cross_fitting

#: A random teacher of a dozen examples is seldom better than chance for sure; one test looks at that.
pytestmark = [pytest.mark.usefixtures("one_thread"), pytest.mark.filterwarnings("ignore:the teacher ranks")]
WORDS = tiny_models.WORDS
SETTINGS = {"updates": "4", "batching.size": "4", "token_budget": "256"}


def lines(count: int = 12, negatives: int = 2) -> str:
    items = [
        {
            "query": f"ban {WORDS[i]}",
            "positive": f"{WORDS[i]} ban dit",
            "negatives": [f"{WORDS[i + 20 + j]} fon" for j in range(negatives)],
            "query_id": f"q{i}",
        }
        for i in range(count)
    ]
    return "".join(json.dumps(item) + "\n" for item in items)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    FreshHead(1).convert(tiny_models.build(folder), folder / "fresh")
    trained = Reranker.load(folder / "fresh")
    trained.mark_trained()
    trained.save(folder / "trained")
    return folder


@pytest.fixture
def folder(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    for name in ("model", "fresh", "trained"):
        shutil.copytree(models / name, tmp_path / name)
    Path("mined.jsonl").write_text(lines(), encoding="utf-8")
    return tmp_path


def scored(monkeypatch: pytest.MonkeyPatch, logits: dict[str, float]) -> None:
    """A teacher that gives each document text's first word its logit, 0 to others."""

    def cross_fitted(training: Any, candidates: Run, queries: Any, documents: Any, *_: Any) -> Run:
        def of(doc_id: str) -> float:
            return logits.get(documents[doc_id].split()[0], 0.0)

        return Run({q: (ranking.doc_ids, map(of, ranking.doc_ids)) for q, ranking in candidates.items()})

    monkeypatch.setattr(cross_fitting, "cross_fitted", cross_fitted)


@pytest.mark.parametrize("start", ["model", "fresh"])
def test_a_model_is_cross_fitted_and_a_recipe_of_a_teacher_trains_on_what_it_writes(folder: Path, start: str) -> None:
    counts = strop.teach("mined.jsonl", "taught.jsonl", start, settings=SETTINGS, folds=3)
    assert (counts.examples, counts.folds, counts.negatives, counts.dropped, counts.emptied) == (
        12,
        (4, 4, 4),
        24,
        0,
        0,
    )
    before, after = read_examples("mined.jsonl"), read_examples("taught.jsonl")
    for mined, taught in zip(before.groups, after.groups, strict=True):
        assert replace(taught, teacher={}) == mined
        assert set(taught.teacher) == {*taught.positives, *taught.negatives}
    right = [g.teacher[g.positives[0]] > g.teacher[n] for g in after.groups for n in g.negatives]
    assert counts.right == pytest.approx(sum(right) / 24)
    records = [json.loads(p.read_text(encoding="utf-8")) for p in Path("home/train").glob("*/record.json")]
    assert [(r["groups"], r["values"]["recipe"]["updates"]) for r in records] == [(8, round(4 * 8 / 12))] * 3
    student = strop.train("taught.jsonl", "student", "distill-kl", SETTINGS, model="model")
    assert student.record["values"]["recipe"]["loss"]["type"] == "KLDivergence"
    assert (folder / "student" / "model.safetensors").is_file()


def test_an_id_that_no_trec_file_can_hold_is_refused_before_a_fold_is_trained(folder: Path) -> None:
    Path("mined.jsonl").write_text(lines().replace('"q3"', '"q 3"'), encoding="utf-8")
    with pytest.raises(InputError, match=r"^mined\.jsonl: id 'q 3' contains white space"):
        strop.teach("mined.jsonl", "taught.jsonl", "model", settings=SETTINGS)
    assert not (folder / "home" / "train").exists()


def test_updates_follow_from_epochs(folder: Path) -> None:
    strop.teach(
        "mined.jsonl", "taught.jsonl", "model", settings={"batching.size": "2", "token_budget": "256"}, epochs=2
    )
    records = [json.loads(p.read_text(encoding="utf-8")) for p in Path("home/train").glob("*/record.json")]
    assert [r["values"]["recipe"]["updates"] for r in records] == [6, 6], "twice over 6 examples, 2 an update"


def test_a_trained_cross_encoder_scores_as_it_is_and_says_what_cannot_be_known(folder: Path) -> None:
    with pytest.warns(InputWarning, match="if trained was trained on these queries, its scores only repeat"):
        counts = strop.teach("mined.jsonl", "taught.jsonl", "trained")
    assert counts.folds == ()
    assert not Path("home/train").exists()
    data, theirs = read_examples("taught.jsonl"), CrossEncoder("trained", device="cpu")
    for g in data.groups:
        pairs = [(data.queries[g.query_id], data.documents[d]) for d in (*g.positives, *g.negatives)]
        logits = theirs.predict(pairs, activation_fn=tiny_models.torch.nn.Identity(), show_progress_bar=False)
        assert list(g.teacher.values()) == pytest.approx(logits.tolist(), abs=0.05), "in bfloat16"
    with pytest.raises(InputError, match="settings have no effect"):
        strop.teach("mined.jsonl", "again.jsonl", "trained", settings={"updates": "2"})


def test_negatives_that_the_teacher_holds_for_relevant_are_dropped_and_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    near, below = math.log(0.1 / 0.9) + 1e-4, math.log(0.1 / 0.9) - 1e-4
    others = {WORDS[i]: -5.0 for i in range(20, 33)}
    scored(monkeypatch, others | {WORDS[20]: near, WORDS[25]: near, WORDS[26]: 3.0, WORDS[30]: below})
    counts = strop.teach("mined.jsonl", "left.jsonl", "model", drop_above=0.1)
    # Example i has words i + 20 and i + 21: 0 loses its first, 4 its second, 5 both, 6 its first.
    assert (counts.examples, counts.negatives, counts.dropped, counts.emptied) == (11, 24, 5, 1)
    assert counts.right == pytest.approx(22 / 24), "before any was dropped; two negatives have a logit of 3"
    left = {g.query_id: g for g in read_examples("left.jsonl").groups}
    assert set(left) == {f"q{i}" for i in range(12)} - {"q5"}
    assert {q: len(g.negatives) for q, g in left.items() if len(g.negatives) == 1} == {"q0": 1, "q4": 1, "q6": 1}
    assert all(set(g.teacher) == {*g.positives, *g.negatives} for g in left.values())


def test_a_teacher_that_may_be_no_better_than_chance_is_said_to_be(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, {WORDS[i]: 1.0 if i % 4 else -1.0 for i in range(20, 33)})
    with pytest.warns(InputWarning, match=r"ranks the positive above 25\.0% of its negatives, which may be chance"):
        assert strop.teach("mined.jsonl", "chance.jsonl", "model").right == 0.25
    scored(monkeypatch, {WORDS[i]: -1.0 for i in range(20, 33)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert strop.teach("mined.jsonl", "sure.jsonl", "model").right == 1


def test_a_bound_that_leaves_no_negative_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scored(monkeypatch, {})
    with pytest.raises(InputError, match="none of 24 mined negatives is left"):
        strop.teach("mined.jsonl", "left.jsonl", "model", drop_above=0.5)
    assert not Path("left.jsonl").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": "mined.jsonl"}, "this exists already"),
        ({"examples": "pairs.jsonl"}, "12 of 12 examples have no negatives for a teacher to score"),
        ({"recipe": "in-batch-full"}, "recipe in-batch-full is not a reranker's. Choose rerank-bce or rerank-softmax"),
        ({"recipe": "rerank-softmax", "drop_above": 0.1}, "scores are no logits of a probability"),
        ({"drop_above": 1.0}, "the probability is 1"),
        ({"drop_above": 0.0}, "the probability is 0"),
        ({"folds": 13}, "12 queries cannot make 13 folds"),
        ({"settings": {"update": "1"}}, "names no field of Recipe"),
        ({"model": "./nowhere"}, "no such folder"),
    ],
)
def test_what_cannot_be_done_is_refused_before_any_work(folder: Path, arguments: dict[str, Any], message: str) -> None:
    Path("pairs.jsonl").write_text(lines(negatives=0), encoding="utf-8")
    complete: dict[str, Any] = {"examples": "mined.jsonl", "out": "taught.jsonl", "model": "model"} | arguments
    with pytest.raises(InputError) as refused:
        strop.teach(**complete)
    assert message in str(refused.value)
    assert not Path("home").exists()
    assert not Path("taught.jsonl").exists()
