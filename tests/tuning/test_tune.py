"""Tuning end to end on a tiny model: SHIP, HOLD and TRADE, resumption, recipes, and what is never opened."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from learnable_collection import learnable_collection
from sentence_transformers import SentenceTransformer
from tiny_models import build

import strop
from strop.artifacts.store import Artifact, Store
from strop.models.cross_encoder import FreshHead
from strop.models.late_interaction import Late
from strop.models.loading import loaded_by
from strop.models.pretrained import resolve
from strop.records.errors import InputError, InputWarning
from strop.records.results import read_json
from strop.records.tuned import TuneRecord
from strop.retrieval import drift
from strop.training.stage import Training
from strop.tuning import candidates, output, selection
from strop.tuning.artifact import RECIPE, RECORD, read_recipe
from strop.tuning.certificate import Terms
from strop.tuning.ledger import looks
from strop.tuning.plan import Plan, Round
from strop.tuning.request import Request
from strop.tuning.tune import Tuning

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    pytest.mark.filterwarnings("ignore:.*too small for a margin"),
]

PLAN = Plan("float32", 1.0, 1.0, 14.0, 14.0, 14.0, 1.0, 1.0, 1.0, (Round(1, 5120),), (0.5, 1.0), (1.0,))
RACE = replace(PLAN, rounds=(Round(2, 320), Round(1, 640)))
BRIEF = replace(PLAN, rounds=(Round(1, 64),), shares=(1.0,), average_shares=())


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A model of random weights, which no quality number is read from, and rates and drift that suit it."""
    root = tmp_path_factory.mktemp("world")
    build(root / "base")
    learnable_collection(root / "own")
    learnable_collection(root / "guard", seed=4, splits={"test": 240})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(candidates, "RATE", 1e-3)
        patch.setattr(selection, "LEAST_OVERLAP", 0.0)
        yield root


def request(world: Path, **changes: object) -> Request:
    asked = Request(str(world / "own"), str(world / "base/model"), (), terms=Terms(margin=0.1), seed=1)
    return replace(asked, **changes)  # type: ignore[arg-type]


def tuned(world: Path, asked: Request, plan: Plan = PLAN, store: str = "store") -> tuple[TuneRecord, Artifact]:
    artifact = Tuning.of(asked, Store(world / store), lambda line: None)(plan)
    return read_json(TuneRecord, artifact.path / RECORD), artifact


def test_a_real_gain_ships_and_the_folder_holds_the_tuned_model(world: Path) -> None:
    record, artifact = tuned(world, request(world))
    assert record.decision == "SHIP", record.reasons
    assert record.gain[0].passed
    assert record.gain[0].bound > 0
    assert all(query.tuned > query.base for query in record.won)
    assert all(query.tuned < query.base for query in record.lost)
    written = output.write(artifact, resolve(str(world / "base/model")), "strop tune own", world / "shipped")
    assert written.decision == "SHIP"
    card = (world / "shipped/README.md").read_text(encoding="utf-8")
    assert f"{record.gain[0].tuned:.3f}" in card
    texts = ["bain dot", "kit"]
    ours = SentenceTransformer(str(world / "shipped"), device="cpu").encode(texts)
    base = SentenceTransformer(str(world / "base/model"), device="cpu").encode(texts)
    assert abs(ours - base).max() > 1e-3


def test_dev_and_test_share_no_answer_with_training(world: Path) -> None:
    own = Tuning.of(request(world), Store(world / "store"), lambda line: None).domain
    held = {d for each in (own.dev, own.test) if each for judged in each.qrels.values() for d in judged}
    assert not held & own.answers
    known, new = own.populations(own.test)  # type: ignore[arg-type]
    assert (len(known), len(new)) == (0, 100)


def test_where_nothing_is_learnt_the_test_stays_closed_and_the_base_comes_back_byte_for_byte(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "RATE", 1e-12)
    own = Tuning.of(request(world), Store(world / "unopened"), lambda line: None)
    artifact = own(BRIEF)
    record = read_json(TuneRecord, artifact.path / RECORD)
    assert record.decision == "HOLD"
    assert not any(point.chosen for point in record.path)
    assert (record.look, record.gain) == (0, ())
    assert looks(Store(world / "unopened"), own.domain.test) == 0  # type: ignore[arg-type]
    output.write(artifact, resolve(str(world / "base/model")), "strop tune own", world / "held")
    for path in sorted((world / "base/model").rglob("*")):
        if path.is_file():
            copy = world / "held" / path.relative_to(world / "base/model")
            assert sha256(copy.read_bytes()).digest() == sha256(path.read_bytes()).digest(), path


def test_the_better_half_of_each_round_goes_on_and_the_others_are_on_record(world: Path) -> None:
    record, _ = tuned(world, request(world), RACE)
    first = [each for each in record.tried if each.round == 1]
    assert [each.name for each in first] == ["full", "full, mined negatives"]
    assert [each.kept for each in first].count(True) == 1
    kept = max(first, key=lambda each: each.score)
    assert kept.kept
    assert record.tried[-1].name == kept.name
    assert record.tried[-1].pairs > first[0].pairs > first[1].pairs, "two documents a pair cost more"


def test_a_guard_that_may_fall_is_a_hold_or_a_trade_where_that_is_asked_for(world: Path) -> None:
    """The margin is less than 160 queries can certify of a model that moved so far."""
    strict = Terms(margin=0.0001)
    held, _ = tuned(world, request(world, guards=(str(world / "guard"),), terms=strict))
    assert held.decision == "HOLD"
    assert "could never be excluded" in held.reasons[0], "said before anything is trained"
    assert held.tried == ()


def test_a_second_model_on_the_same_test_split_is_tested_more_strictly(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selection, "CONFIDENCE_Z", -9.0)  # dev queries let everything pass
    first, _ = tuned(world, request(world, seed=5), BRIEF, store="looked")
    second, _ = tuned(world, request(world, seed=6), BRIEF, store="looked")
    assert [(each.look, each.alpha) for each in (first, second)] == [(1, 0.025), (2, 0.0125)]


def test_a_gain_below_what_must_be_certified_is_held(world: Path) -> None:
    record, _ = tuned(world, request(world, terms=Terms(margin=0.1, gain=0.9)))
    assert record.decision == "HOLD"
    assert "above 0.9" in record.reasons[0]


def test_other_terms_plan_and_train_nothing_again(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plans, store = [0], Store(world / "terms")

    def counted(*_: object) -> Plan:
        plans[0] += 1
        return BRIEF

    monkeypatch.setattr("strop.tuning.tune.plan", counted)
    trained = []
    for terms in (Terms(margin=0.1), Terms(margin=0.2, gain=0.01, trade=True)):
        Tuning.of(request(world, terms=terms), store, lambda line: None)()
        trained.append(len(list((store.root / "train").glob("*"))))
    assert plans == [1]
    assert trained[0] == trained[1] > 0


@pytest.fixture
def everything_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dev queries let every point pass, and any gain is certified: the machinery runs to its end."""
    monkeypatch.setattr(selection, "CONFIDENCE_Z", -9.0)


ANYTHING = Terms(margin=0.9, gain=-0.9, trade=True)


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize(
    ("speed", "least", "line"),
    [
        (2.0, 0.9, "bfloat16: cosine at least 0.9"),
        (1.2, 0.9, "float32: bfloat16 is 1.2 times as fast"),
        (2.0, 1.1, "float32: in bfloat16 cosine at least 0.9"),
    ],
)
def test_a_plan_says_which_precision_it_takes_and_why(
    speed: float, least: float, line: str, world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And a plan is all: no certificate is worth its time here."""
    monkeypatch.setattr(drift, "LEAST", least)
    monkeypatch.setattr("strop.tuning.plan._encoding", lambda *args: 1e5 * (speed if args[-1] == "bfloat16" else 1))
    monkeypatch.setattr("strop.tuning.tune.Trials", None)
    lines: list[str] = []
    with pytest.raises(TypeError):
        Tuning.of(request(world), Store(world / f"{speed} {least}"), lines.append)()
    assert any(each.startswith(line) for each in lines), lines


def test_a_plan_in_bfloat16_is_refused_where_that_would_be_emulated(world: Path) -> None:
    with pytest.raises(InputError, match="precision is 'bfloat16', and nothing here"):
        tuned(world, request(world), replace(BRIEF, precision="bfloat16"))


@pytest.mark.usefixtures("everything_passes", "bfloat16")
def test_races_and_looks_are_in_bfloat16_and_the_certificate_is_in_float32(world: Path) -> None:
    record, _ = tuned(world, request(world, terms=ANYTHING), replace(BRIEF, precision="bfloat16"), "halves")
    assert record.precision == "bfloat16"
    values = {
        stage: [json.loads(path.read_text())["values"] for path in (world / "halves" / stage).glob("*/record.json")]
        for stage in ("train", "encode", "look")
    }
    assert {each["recipe"]["precision"] for each in values["train"]} == {"bfloat16"}
    assert {each["precision"] for each in values["look"]} == {"bfloat16"}
    assert values["encode"], "kept for the certificate"
    assert set(map(type, values["encode"])) == {str}, "a role alone, as float32 has it"


@pytest.mark.usefixtures("everything_passes")
def test_the_recipe_makes_the_same_bytes_again(world: Path) -> None:
    record, artifact = tuned(world, request(world, terms=ANYTHING), BRIEF)
    recipe = read_recipe(artifact.path / RECIPE)
    assert recipe.plan == BRIEF
    again = Tuning.of(recipe.request, Store(world / "elsewhere"), lambda line: None)(recipe.plan)
    names = sorted(
        path.relative_to(artifact.path / "model") for path in (artifact.path / "model").rglob("*.safetensors")
    )
    assert names
    for name in names:
        assert (again.path / "model" / name).read_bytes() == (artifact.path / "model" / name).read_bytes()
    assert read_json(TuneRecord, again.path / RECORD).verdict == record.verdict


@pytest.mark.usefixtures("everything_passes")
def test_a_killed_run_comes_back_to_the_same_model(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(world, terms=ANYTHING)
    _, artifact = tuned(world, asked, BRIEF)

    def kill(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("strop.tuning.tune.walk", kill)
        with pytest.raises(KeyboardInterrupt):
            tuned(world, asked, BRIEF, store="killed")
    _, again = tuned(world, asked, BRIEF, store="killed")
    for path in sorted((artifact.path / "model").rglob("*.safetensors")):
        assert (again.path / path.relative_to(artifact.path)).read_bytes() == path.read_bytes()


@pytest.mark.usefixtures("everything_passes")
def test_a_kept_index_stays_valid_document_vectors_are_the_base_s(world: Path) -> None:
    record, artifact = tuned(world, request(world, terms=ANYTHING, keep_index=True), BRIEF)
    assert record.decision == "SHIP"
    assert "The index stays" in record.costs[0]
    ours = SentenceTransformer(str(artifact.path / "model"), device="cpu")
    base = SentenceTransformer(str(world / "base/model"), device="cpu")
    texts = ["bain dot", "kit"]
    assert np.array_equal(ours.encode_document(texts), base.encode_document(texts))
    assert not np.array_equal(ours.encode_query(texts), base.encode_query(texts))


@pytest.mark.usefixtures("everything_passes")
def test_a_second_domain_after_the_first_is_tuned_from_the_first_s_folder_and_guarded_by_it(world: Path) -> None:
    _, first = tuned(world, request(world, terms=ANYTHING), BRIEF)
    output.write(first, resolve(str(world / "base/model")), "strop tune own", world / "first")
    learnable_collection(world / "second", seed=8)
    asked = request(
        world, collection=str(world / "second"), base=str(world / "first"), guards=(str(world / "own"),), terms=ANYTHING
    )
    record, second = tuned(world, asked, BRIEF)
    assert [guard.collection for guard in record.guards] == ["own"]
    for decision, name in (("SHIP", "on both"), ("HOLD", "held again")):
        shutil.rmtree(world / name, ignore_errors=True)
        if decision == "HOLD":
            held = Terms(margin=0.9, gain=0.99)
            _, second = tuned(world, replace(asked, terms=held), BRIEF)
        assert (
            output.write(second, resolve(str(world / "first")), "strop tune second", world / name).decision == decision
        )
        assert output.written(world / name) == second.key, "and not that of the first"


@pytest.mark.usefixtures("everything_passes")
def test_truncated_vectors_have_rows_of_their_own(world: Path) -> None:
    record, _ = tuned(world, request(world, terms=ANYTHING, dims=(16, 8)), BRIEF)
    assert list(record.truncated) == ["16", "8"]
    assert record.truncated["8"].base == record.gain[0].base, "against the base's whole vectors"
    assert record.truncated["8"].tuned != record.truncated["16"].tuned


@pytest.mark.usefixtures("everything_passes")
def test_late_interaction_and_cross_encoders_are_tuned_as_what_they_are(world: Path, tmp_path: Path) -> None:
    build(tmp_path)
    Late(16, 40, mask_punctuation=False, expansion=False, markers=None).convert(tmp_path / "model", tmp_path / "late")
    FreshHead().convert(tmp_path / "model", tmp_path / "reranker")
    for base, loader in (("late", "MultiVectorEncoder"), ("reranker", "CrossEncoder")):
        record, artifact = tuned(world, request(world, base=str(tmp_path / base), terms=ANYTHING), BRIEF)
        assert record.decision == "SHIP", record.reasons
        assert loaded_by(artifact.path / "model") == loader


@pytest.mark.usefixtures("everything_passes")
def test_a_recipe_beside_it_is_tested_on_the_same_queries_and_decides_nothing(world: Path) -> None:
    record, _ = tuned(world, request(world, terms=ANYTHING, beside=("triplet-full",)), BRIEF)
    alone, _ = tuned(world, request(world, terms=ANYTHING), BRIEF)
    assert record.beside[0].recipe == "triplet-full"
    assert record.beside[0].evidence.base == record.gain[0].base
    assert record.gain == alone.gain


def test_out_of_memory_halves_the_chunk_and_says_so(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    budgets = []
    whole = Training.__call__

    def tight(self: Training, *rest: Any, **named: Any) -> Artifact:
        budgets.append(self.recipe.token_budget)
        if self.recipe.token_budget > 1024:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return whole(self, *rest, **named)

    monkeypatch.setattr(Training, "__call__", tight)
    with pytest.warns(InputWarning, match="out of memory at chunks of .* tokens: .* from here on"):
        tuned(world, request(world, seed=9), BRIEF, store="tight")
    assert budgets[:3] == [4096, 2048, 1024]


def test_documents_alone_train_and_choose_and_never_certify(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    words = ["alpha", "beta", "gamma", "delta", "kappa", "sigma"]
    texts = [" ".join(f"w{i}x{j}" for j in range(30)) for i in range(80)]
    documents = [
        {"_id": f"d{i}", "title": f"the {words[i % 6]} of number {i}", "text": text} for i, text in enumerate(texts)
    ]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(d) + "\n" for d in documents), encoding="utf-8")
    record, artifact = tuned(world, request(world, collection=str(folder)), BRIEF)
    assert record.decision == "HOLD"
    assert any("never certify" in line for line in record.audit)
    assert record.gain == ()
    assert not (artifact.path / "model").exists()


def test_the_call_writes_page_recipe_and_queries_and_finds_them_again(
    world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STROP_HOME", str(world / "store"))
    _, artifact = tuned(world, request(world), BRIEF)
    record = strop.tune(recipe=artifact.path / RECIPE, out=world / "called")
    inside = world / "called" / output.INSIDE
    assert {path.name for path in inside.iterdir()} == {"recipe.json", "queries.csv", RECORD, "report.html", "key"}
    assert record.verdict in (inside / "report.html").read_text(encoding="utf-8")
    before = (inside / "report.html").stat().st_mtime_ns
    assert strop.tune(recipe=artifact.path / RECIPE, out=world / "called").verdict == record.verdict
    assert (inside / "report.html").stat().st_mtime_ns == before


def test_a_folder_of_something_else_is_never_overwritten(world: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep me", encoding="utf-8")
    with pytest.raises(InputError, match="exists already"):
        strop.tune(str(world / "own"), str(world / "base/model"), guards=[], out=tmp_path / "mine")
    assert (tmp_path / "mine/notes.txt").read_text(encoding="utf-8") == "keep me"


@pytest.mark.parametrize("budget", ["soon", "0m", "-5m", "5d"])
def test_a_budget_that_is_no_time_is_refused(world: Path, budget: str) -> None:
    with pytest.raises(InputError, match="budget"):
        strop.tune(str(world / "own"), budget=budget)
