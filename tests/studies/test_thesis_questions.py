"""The doubtful points of "When Fine-Tuning Fails": each has what shows it, and the cheap ones are shown here."""

import ast
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny_models
from small_collection import small_collection

from strop.artifacts.store import Store
from strop.evaluation.comparison import compare
from strop.negatives.from_run import RankWindow, Window
from strop.records.documents import Group
from strop.records.runs import Run
from strop.retrieval.stages import Vectors
from strop.studies.when_finetuning_fails import effects, mechanisms
from strop.studies.when_finetuning_fails.fixed_rank import FixedRank
from strop.studies.when_finetuning_fails.presets import AS_CODED, CORRECTED, ONE_KNOB
from strop.studies.when_finetuning_fails.questions import QUESTIONS
from strop.study.contrasts import Contrast, Pair, judged
from strop.study.definition import Preset, Scale, find
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence
from strop.study.systems import System, Tuned
from strop.study.workbench import Workbench

ROOT = Path(__file__).parents[2]
PRESETS = {preset.name: preset for preset in (CORRECTED, AS_CODED, ONE_KNOB)}
N = 60
NOISE = np.random.default_rng(0).normal(0, 0.02, (4, N))
BASE = np.linspace(0.2, 0.9, N)
CENTRE = BASE - 0.10 + NOISE[0]


def bench(**systems: Any) -> Any:
    """What a contrast asks of a workbench: a study, and per-query values by the system's name."""
    preset = Preset("only", tuple(System(name, name, None) for name in systems))
    values = {name: {f"q{i}": float(v) for i, v in enumerate(row)} for name, row in systems.items()}
    study = SimpleNamespace(primary_measure="RR@10", baseline="base", preset=lambda _: preset)
    return SimpleNamespace(study=study, values=lambda _, name, measure: [values[name]])


def seen(expect: Any, centre: Any = CENTRE, **variants: Any) -> Evidence:
    pairs = tuple(Pair("only", "centre", variant) for variant in variants)
    return Contrast(pairs, expect)(bench(base=BASE, centre=centre, **variants))


def test_there_is_one_point_for_each_doubt_in_order() -> None:
    assert [point.id for point in QUESTIONS] == [f"T{i}" for i in range(1, 24)]


def test_every_point_has_a_demonstration_and_a_test_it_names_exists() -> None:
    for point in QUESTIONS:
        assert point.demonstrate is not None, point.id
        assert point.question.endswith(".")
        if point.test:
            path, _, name = point.test.partition("::")
            functions = {
                n.name for n in ast.parse((ROOT / path).read_text(encoding="utf-8")).body if hasattr(n, "name")
            }
            assert name in functions, point.test
    cheap = {"T9", "T12", "T15", "T17", "T20", "T21", "T22"}
    assert cheap <= {point.id for point in QUESTIONS if point.test}


def test_what_a_point_needs_is_a_system_of_that_preset() -> None:
    for point in QUESTIONS:
        for preset, system in point.needs:
            assert PRESETS[preset].system(system), point.id


@pytest.mark.parametrize(("expect", "verdict"), [("up", "shown"), ("any", "shown"), ("down", "not shown")])
def test_a_gain_bears_out_who_expected_it_and_no_other(expect: str, verdict: str) -> None:
    found = seen(expect, better=CENTRE + 0.05 + NOISE[1], same=CENTRE + 0.3 * (NOISE[2] - NOISE[2].mean()))
    assert found.verdict == verdict
    better, same = (dict(zip(found.tables[0].columns, row, strict=True)) for row in found.tables[0].rows)
    difference = 0.05 + NOISE[1].mean()
    assert better["loss won back"] == f"{100 * difference / (0.10 - NOISE[0].mean()):.0f}\N{NARROW NO-BREAK SPACE}%"
    assert better["difference [95 %]"].startswith(f"+{difference:.3f} [+")
    assert same["p (Holm)"] == "1.000"
    assert better["queries"] == "60"


@pytest.mark.parametrize(("expect", "verdict"), [("up", "not shown"), ("any", "shown"), ("down", "shown")])
def test_a_loss_speaks_against_who_expected_a_gain(expect: str, verdict: str) -> None:
    assert seen(expect, worse=CENTRE - 0.05 + NOISE[1]).verdict == verdict


def test_of_both_directions_the_expected_one_counts() -> None:
    both = {"better": CENTRE + 0.05 + NOISE[1], "worse": CENTRE - 0.05 + NOISE[1]}
    assert seen("up", **both).verdict == seen("down", **both).verdict == "shown"


def test_a_null_says_what_it_could_have_seen_and_what_would_resolve_it() -> None:
    change = NOISE[1] - NOISE[1].mean() + 0.001
    found = seen("up", null=CENTRE + change)
    assert found.verdict == "not resolved"
    sd = change.std(ddof=1)
    assert f"minimum detectable difference of 60 queries is {2.8016 * sd / N**0.5:.3f};" in found.sentence
    assert f"{int(np.ceil((2.8016 * sd / 0.001) ** 2)):,} would resolve the +0.0010 of null" in found.sentence
    assert "differs on no query of 60" in seen("up", same=CENTRE).sentence


def test_no_share_is_won_back_of_a_loss_that_is_not_resolved() -> None:
    level = BASE + NOISE[0] - NOISE[0].mean()
    found = seen("up", centre=level, better=level + 0.05 + NOISE[1])
    assert found.verdict == "shown"
    assert found.tables[0].rows[0][6] == "–"
    assert "0.000 from the base, not resolved" in found.sentence


def test_the_more_pairs_the_smaller_p_must_be() -> None:
    one = compare(
        {str(i): v for i, v in enumerate(CENTRE + 0.05 + NOISE[1])}, {str(i): v for i, v in enumerate(CENTRE)}
    )
    assert judged([replace(one, p_corrected=0.03)], "up") == "shown"
    assert judged([replace(one, p_corrected=0.06)], "up") == "not resolved", "the interval alone does not decide"
    noisy = CENTRE + 0.0056 + NOISE[1] - NOISE[1].mean()
    alone, p = seen("up", a=noisy), float(seen("up", a=noisy).tables[0].rows[0][5])
    assert 0.05 / 3 < p < 0.05, "else this says nothing"
    assert alone.verdict == "shown"
    assert seen("up", a=noisy, b=CENTRE, c=CENTRE).verdict == "not resolved"


def test_the_baseline_itself_may_be_the_centre() -> None:
    found = Contrast((Pair("only", "base", "better"),), "up")(bench(base=BASE, better=BASE + 0.05 + NOISE[1]))
    assert found.verdict == "shown"
    assert "from the base" not in found.sentence


def test_parameters_of_an_adapter_are_counted_and_computed_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = study_bench(base=str(tiny_models.build(tmp_path)))
    shown = mechanisms.adapter_size(tiny)
    matrix = 16 * (32 + 32)
    counted = [row[2] for row in shown.tables[0].rows]
    assert counted[:2] == [f"{2 * 2 * matrix:,}", f"{2 * 4 * matrix:,}"]
    assert all(row[2] == row[3] for row in shown.tables[0].rows)
    assert shown.verdict == "shown"
    assert 16 * (384 + 384) * 2 * 6 == 147_456
    assert 147_456 * 6 == 12_288 * 12 * 6 == mechanisms.PRINTED
    monkeypatch.setattr(mechanisms, "PRINTED", 4 * matrix)
    assert mechanisms.adapter_size(tiny).verdict == "not shown", "as many as were printed"


def test_one_generator_state_gives_windows_of_one_size_one_rank() -> None:
    run = Run({f"q{i}": ([f"d{j}" for j in range(200)], np.arange(200, 0, -1.0) + i) for i in range(30)})
    groups = [Group(f"q{i}", ("d0",), relevant=frozenset({"d0"})) for i in range(30)]

    def ranks(window: Window) -> set[str]:
        return {source for group in window(groups, run, 42) for source in group.sources}

    assert ranks(FixedRank(50, 200)) == {"rank 126"}
    assert ranks(FixedRank(51, 200)) == {"rank 124"}
    assert len(ranks(RankWindow(50, 200))) > 20
    for taken, rank in ({"d49"}, "rank 124"), ({"d199"}, "rank 123"), ({"d198", "d199"}, "rank 123"):
        judged_too = [replace(group, relevant=frozenset(taken)) for group in groups]
        assert {g.sources[0] for g in FixedRank(50, 200)(judged_too, run, 42)} == {rank}


def test_the_fixed_rank_its_window_and_false_negatives_are_shown_on_a_collection(
    tmp_path: Path, one_thread: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = workbench(tmp_path)
    rank = mechanisms.one_rank(real)
    assert rank.verdict == "shown"
    fixed, anew = (sum(int(row[i]) for row in rank.tables[1].rows) for i in (1, 2))
    assert fixed == anew == 24, "one negative for each training query"
    false = mechanisms.false_negatives(real)
    assert false.verdict == "not resolved"
    assert "no training query has two known positives" in false.sentence
    window = effects.window_bounds(real)
    assert "50 to 200 are 151" in window.sentence
    assert {row[0] for row in window.tables[1].rows} == {"text: 51 to 200", "code: 50 to 200"}
    monkeypatch.setattr(mechanisms, "FIXED_RANK", Mined(RankWindow(50, 200)))
    assert mechanisms.one_rank(real).verdict == "not shown", "a generator of its own for each query"
    for bounds, verdict in ((0.02, 0.05), "shown"), ((0.0, 0.009), "not shown"), ((0.0, 0.05), "not resolved"):
        monkeypatch.setattr(mechanisms, "calibrations", lambda *_: [SimpleNamespace(informs=True)])
        monkeypatch.setattr(mechanisms, "false_negative_report", lambda *_, of=bounds: estimated(*of))
        assert mechanisms.false_negatives(real).verdict == verdict


def test_half_precision_makes_ties_that_the_run_did_not_have() -> None:
    documents = Vectors(("a", "b", "c"), np.array([[0.6, 0.8], [0.60001, 0.79999], [1, 0]], dtype=np.float32))
    queries = Vectors(("q",), np.array([[0, 1]], dtype=np.float32))
    run = Run({"q": (["a", "b", "c"], [0.8, 0.79999, 0.0])})
    assert run["q"].doc_ids == ("a", "b", "c")
    halved = effects.half_precision(run, queries, documents)["q"]
    assert halved.scores[0] == halved.scores[1]
    assert halved.doc_ids == ("b", "a", "c"), "ties go to the later id"


@pytest.mark.parametrize(("hard", "verdict"), [(0.55, "shown"), (0.89, "not shown")])
def test_accuracies_are_read_of_kept_weights_on_both_kinds(hard: float, verdict: str, tmp_path: Path) -> None:
    looks = ((0, 0.95, hard - 0.1), (5, 0.9, hard), (9, 0.7, hard))
    log = [[s, f"cosine_accuracy/{k}", v] for s, *both in looks for k, v in zip(("random", "hard"), both, strict=True)]
    (tmp_path / "log.json").write_text(json.dumps(log), encoding="utf-8")
    plain = bench(base=BASE, full_random=CENTRE, last=CENTRE)
    labels = {**{s.name: s for s in AS_CODED.systems}, "last": System("last", "last", None)}
    preset = SimpleNamespace(name="p", system=labels.__getitem__, watched=AS_CODED.watched)
    plain.study.preset = lambda _: preset
    plain.study.published_loss = {"lora_hard": ((500, 4.11), (1000, 3.27))}
    plain.training = lambda *_: SimpleNamespace(path=tmp_path)
    plain.seeds = lambda _: (42,)
    plain.data = SimpleNamespace(watched=lambda *_: SimpleNamespace(groups=range(128)))
    shown = effects.accuracies(plain)
    rows: Mapping[str, tuple[str, ...]] = {row[0]: row[1:] for row in shown.tables[0].rows}
    assert rows["untouched"] == ("0.950", f"{hard - 0.1:.3f}")
    assert rows["full_random"] == rows["full_hard"] == ("0.900", f"{hard:.3f}"), (
        "the best, but neither the start nor the last"
    )
    assert shown.verdict == verdict
    assert "falls at every point (4.11 to 3.27)" in shown.sentence


def estimated(low: float, high: float) -> dict[str, Any]:
    """A report of one estimator whose interval of the share of false negatives is this."""
    estimate = {"estimator": "dense", "reading": "", "estimated": {"low": low, "high": high}, "by_rank": ()}
    return {"negatives": 24, "positives_per_query": 1.0, "estimates": [estimate]}


def study_bench(base: str = "", source: str = "", own: Any = None) -> Any:
    """A workbench of a study with this base."""
    return SimpleNamespace(study=SimpleNamespace(base=base), source=source, own=own)


def workbench(folder: Path) -> Workbench:
    """The thesis' knobs in float32 on the small collection with the tiny model, whose 64 positions are all it reads."""

    def shorter(system: System) -> System:
        how = system.how
        return (
            replace(system, how=replace(how, recipe=replace(how.recipe, max_length=None, precision="float32")))
            if isinstance(how, Tuned)
            else system
        )

    knobs = replace(ONE_KNOB, systems=tuple(map(shorter, ONE_KNOB.systems)))
    study = replace(
        find("when_finetuning_fails"), base=str(tiny_models.build(folder / "m")), presets=(knobs,), scales=(), claims=()
    )
    scale = Scale("tiny", "c", None, None, None, None, None, 100, (42,), {"one_knob": 1}, 8)
    return Workbench(study, scale, str(small_collection(folder / "c")), Store(folder / "s"))
