"""Lee et al.'s study: its points, readings and claims as data, and its systems end to end on a tiny model."""

from __future__ import annotations

import ast
import csv
import itertools
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from statistics import mean

import pytest
import tiny_models
from small_collection import TEST, small_collection

from strop.artifacts.store import Store
from strop.models.late_interaction import Late
from strop.records.results import read_results
from strop.report.page import page
from strop.studies.lora_out_of_domain import sources
from strop.studies.lora_out_of_domain.presets import AS_CODED, AS_WRITTEN, CORRECTED, ONE_KNOB
from strop.studies.lora_out_of_domain.questions import QUESTIONS
from strop.study.conduct import conduct
from strop.study.definition import OUT_OF_DOMAIN, Preset, Study, find
from strop.study.systems import Start, System, Tuned
from strop.study.workbench import Workbench

pytestmark = pytest.mark.usefixtures("one_thread")
COLLECTIONS = ("FI", "TR", "NF", "QU", "SD", "SF", "TO", "AR", "HO", "DB", "FE", "CL")
ROOT = Path(__file__).parents[2]
STUDY = find("lora_out_of_domain")
CORE = [
    f"{architecture}_{tuning}_{kind}"
    for kind in ("none", "hard")
    for architecture in ("tied", "untied", "late")
    for tuning in ("lora", "full")
]


def how(preset: Preset, name: str) -> Tuned:
    found = preset.system(name).how
    assert isinstance(found, Tuned)
    return found


def differing(a: object, b: object, path: str = "") -> set[str]:
    """The innermost fields in which two values differ, by dotted path."""
    if a == b:
        return set()
    if is_dataclass(a) and type(a) is type(b):
        inner = (differing(getattr(a, f.name), getattr(b, f.name), f"{path}.{f.name}") for f in fields(a))
        return set().union(*inner)
    return {path.removeprefix(".").removeprefix("recipe.")}


def test_there_is_one_point_for_each_doubt_in_order_and_something_that_shows_it() -> None:
    assert [point.id for point in QUESTIONS] == [f"L{i}" for i in range(1, 15)]
    assert STUDY.questions == QUESTIONS
    for point in QUESTIONS:
        assert point.question.endswith(".")
        if point.demonstrate is None:
            path, _, name = point.test.partition("::")
            tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
            assert name in {n.name for n in tree.body if hasattr(n, "name")}, point.test
        for preset, system in point.needs:
            assert STUDY.preset(preset).system(system), point.id


def test_the_readings_hold_the_core_in_the_order_of_a_budget() -> None:
    assert [p.name for p in STUDY.presets] == ["corrected", "one_knob", "as_coded", "as_written", "bases"]
    assert [s.name for s in CORRECTED.systems if isinstance(s.how, Tuned)] == CORE
    assert [s.name for s in CORRECTED.systems][:4] == ["bm25", "base", "start_untied", "start_late"]
    triples = {name for name in CORE if not (name.startswith("late") and name.endswith("none"))}
    for reading in (AS_CODED, AS_WRITTEN):
        assert {s.name for s in reading.systems if isinstance(s.how, Tuned)} == triples, (
            "its ColBERT knows triples only"
        )


def test_as_corrected_systems_differ_in_what_their_names_say_and_in_nothing_else() -> None:
    for architecture, kind in itertools.product(("tied", "untied", "late"), ("none", "hard")):
        full, lora = (how(CORRECTED, f"{architecture}_{tuning}_{kind}") for tuning in ("full", "lora"))
        assert differing(full, lora) == {"tuning", "rates.on"}
    for architecture, tuning in itertools.product(("tied", "untied", "late"), ("full", "lora")):
        none, hard = (how(CORRECTED, f"{architecture}_{tuning}_{kind}") for kind in ("none", "hard"))
        assert differing(none, hard) == {"negatives"}
        assert none.rates == how(CORRECTED, f"tied_{tuning}_none").rates
    tied, untied, late = (how(CORRECTED, f"{a}_lora_none") for a in ("tied", "untied", "late"))
    assert differing(tied, untied) == {"start"}
    assert differing(tied, late) == {"start", "scoring", "loss.temperature"}


KNOBS = {
    "batch_2": {"batching.size"},
    "batch_4": {"batching.size"},
    "bm25_mined": {"negatives"},
    "dense_mined": {"negatives"},
    "both_mined": {"negatives"},
    "one_of_each": {"negatives"},
    "self_mined": {"negatives"},
    "cleaned": {"negatives"},
    "rank_7": {"tuning.r"},
    "warmup_fixed": {"schedule.warmup"},
    "no_decay": {"optimizer.weight_decay"},
    "epochs_100": {"epochs"},
    "layers_2": {"start"},
    "layers_4": {"start"},
}


def test_each_knob_differs_from_its_centre_in_exactly_what_it_names() -> None:
    knobs = {s.name: s for s in ONE_KNOB.systems if s.centre}
    assert {n: differing(s.how, ONE_KNOB.system(s.centre).how) for n, s in knobs.items()} == KNOBS
    assert {s.centre for s in knobs.values()} == {"tied_lora_none"}
    assert [how(ONE_KNOB, n).recipe.batching.size for n in ("tied_lora_none", "batch_2", "batch_4")] == [128, 256, 512]
    assert {s.point for s in knobs.values()} - {"size"} <= {p.id for p in QUESTIONS}
    assert all(how(ONE_KNOB, n).start == Start(layers=int(n[-1])) for n in ("layers_2", "layers_4"))


def test_the_code_departs_from_the_text_in_rank_warm_up_clipping_decay_and_one_system_s_epochs() -> None:
    departures: dict[str, set[str]] = {}
    for system in AS_CODED.systems:
        if isinstance(system.how, Tuned):
            departures[system.name] = differing(system.how, how(AS_WRITTEN, system.name))
    of = {"tied": {"clip"}, "untied": {"clip", "schedule.warmup", "optimizer.weight_decay"}, "late": set[str]()}
    for name, found in departures.items():
        rank = {"tuning.r"} if "lora" in name else set()
        epochs = {"epochs"} if name == "tied_full_none" else set()
        assert found == of[name.split("_")[0]] | rank | epochs, name


def printed() -> list[dict[str, str]]:
    path = ROOT / "src/strop/studies/lora_out_of_domain/published/lee_ndcg10.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return [r for r in csv.DictReader(file) if (r["train"], r["base"], r["batch"]) == ("MS", "bert-base", "B")]


def figure(system: str, place: str) -> float | None:
    """What the table prints for a system: the mean of its 13 cells, or its figure in domain."""
    architecture, tuning, kind = system.split("_")
    if architecture == "late":
        kind = {"hard": "triples", "none": "not printed"}[kind]
    wanted = (
        {"tied": "sym", "untied": "asym", "late": "colbert"}[architecture],
        kind,
        {"full": "FT"}.get(tuning, "LoRA"),
    )
    for row in printed():
        if (row["arch"], row["neg"], row["tuning"]) == wanted:
            cells = [
                float(row[c]) for c in ["FI", "TR", "NF", "QU", "SD", "SF", "TO", "AR", "HO", "DB", "FE", "CL", "X13"]
            ]
            return mean(cells) / 100 if place == OUT_OF_DOMAIN else float(row["in_domain"]) / 100
    return None


def test_every_pair_of_the_core_is_a_claim_with_the_table_s_own_figures() -> None:
    assert len(STUDY.claims) == 24, "6 pairs of tunings and 6 of negatives, out of domain and in it"
    for claim in STUDY.claims:
        assert (claim.collection, claim.rule) in {(OUT_OF_DOMAIN, "above"), ("in domain", "below")}
        for name, shown in ((claim.system, claim.published), (claim.against, claim.published_against)):
            assert shown == pytest.approx(figure(name, claim.collection)), (claim.id, name)
    ours = {c.id: (c.published, c.published_against) for c in STUDY.claims}
    assert ours["LoRA above full, symmetric, none, in domain"] == pytest.approx((0.294, 0.313))
    assert ours["LoRA above full, late interaction, hard, in domain"] == pytest.approx((0.372, 0.392))
    assert ours["in-batch above hard, late interaction, full, in domain"][0] is None, "the paper has triples only"


def test_scales_name_systems_and_presets_that_there_are() -> None:
    for scale in STUDY.scales:
        for name in scale.systems:
            assert CORRECTED.system(name)
        assert set(scale.presets) <= {p.name for p in STUDY.presets}
    assert STUDY.scale("quick").batch_share == 16 / 128
    assert STUDY.scale("desk").epochs_share == 2 / 40


def tiny(system: System) -> System:
    """The system in float32, at the tiny model's length, late interaction's own lengths cut to its 64 positions."""
    found = system.how
    start = found if isinstance(found, Start) else found.start if isinstance(found, Tuned) else None
    if start and isinstance(start.architecture, Late):
        start = replace(start, architecture=replace(start.architecture, query_length=12, document_length=40))
    if isinstance(found, Start):
        return replace(system, how=start)
    if isinstance(found, Tuned):
        rates = found.rates and replace(found.rates, values=(2e-4, 2e-3))
        recipe = replace(found.recipe, max_length=32, precision="float32")
        return replace(system, how=replace(found, rates=rates, start=start, recipe=recipe))
    return system


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    folder = tmp_path_factory.mktemp("lora")
    preset = replace(CORRECTED, systems=tuple(map(tiny, CORRECTED.systems)))
    quick = STUDY.scale("quick")
    scale = replace(
        quick,
        test_queries=TEST,
        test_documents=40,
        train_queries=24,
        train_documents=40,
        batch_share=6 / 128,
        systems=(*quick.systems, "start_untied", "start_late", "untied_full_none", "late_lora_hard"),
        other_queries=5,
        other_documents=30,
        others=(str(small_collection(folder / "other", 8)),),
    )
    base = str(tiny_models.build(folder / "model", markers=True))
    study: Study = replace(STUDY, base=base, presets=(preset,), scales=(scale,), questions=())
    source = small_collection(folder / "small")
    return Workbench(study, scale, str(source), Store(folder / "store"))


def test_the_quick_systems_with_one_late_and_one_untied_run_end_to_end(workbench: Workbench) -> None:
    found = read_results(conduct(workbench, "strop study run lora_out_of_domain"))
    assert found.record.unfinished == ()
    rows = {(r.system, r.collection) for r in found.rows if r.measure == "nDCG@10"}
    assert rows == set(itertools.product(workbench.scale.systems, ("small", "other")))
    assert {v["claim"]["id"] for v in found.claims} == {
        f"LoRA above full, symmetric, none, {place}" for place in (OUT_OF_DOMAIN, "in domain")
    }
    assert {v["word"] for v in found.claims} <= {"analogue: same direction", "analogue: opposite", "not resolved"}
    assert found.exhibits.transfer
    tuned = {(c.a, c.b) for c in found.exhibits.transfer.comparisons if c.kind == "tuned"}
    assert tuned == {
        ("tied_lora_none", "base"),
        ("tied_full_none", "base"),
        ("untied_full_none", "start_untied"),
        ("late_lora_hard", "start_late"),
    }
    trained = found.record.trained["corrected"]
    assert set(trained) == {"tied_lora_none", "tied_full_none", "untied_full_none", "late_lora_hard"}
    assert (trained["tied_full_none"].rates or {}).keys() == {"0.0002", "0.002"}
    assert trained["untied_full_none"].learning_rate == trained["tied_full_none"].learning_rate
    assert {t.updates for t in trained.values()} == {20 // 6}, "one epoch of 20 queries in batches of 6"
    html = page(found)
    assert "Back to Basics" in html
    assert "late interaction" in html


def test_the_sources_of_negatives_are_reported_beside_the_fallback(workbench: Workbench) -> None:
    shown = sources.negatives(workbench)
    assert shown.verdict == "not resolved"
    assert shown.tables[-1].title == "Negatives of ranks 1 to 100, one per query"
    assert any("BM25" in cell for row in shown.tables[-1].rows for cell in row)
    assert any("the base" in cell for row in shown.tables[-1].rows for cell in row)
