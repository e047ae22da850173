"""A study that trains on one collection and is tested on many: rows, claims about the mean elsewhere, comparisons."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import pytest
from small_collection import TEST, small_collection
from small_study import SEEDS, bench, small_study

from strop.artifacts.store import Store
from strop.evaluation.comparison import compare
from strop.evaluation.macro import weighted
from strop.models.architecture import Tied, Untied
from strop.models.late_interaction import Late
from strop.records.errors import InputError
from strop.records.exhibits.transfer import Similarity, Transfer
from strop.records.record import Record
from strop.records.results import Results, read_results
from strop.report.page import page
from strop.study.conduct import MEASURES, conduct
from strop.study.definition import OUT_OF_DOMAIN, Scale, Study
from strop.study.out_of_domain import _start, exhibit
from strop.study.planning import plan
from strop.study.schedule import Done, Trial, run_trials, schedule
from strop.study.systems import Start, System, Tuned
from strop.study.workbench import Workbench
from strop.training.recipes import IN_BATCH_FULL

pytestmark = pytest.mark.usefixtures("one_thread")
QUERIES = {"small": TEST, "other": 6, "third": 4}


def far_study(folder: Path) -> Study:
    """The small study, tested on two more collections too, of 6 and 4 queries."""
    study = small_study(folder)
    others = [small_collection(folder / name, seed) for name, seed in (("other", 8), ("third", 9))]
    judged = others[1] / "qrels" / "test.tsv"
    judged.write_text("".join(judged.read_text(encoding="utf-8").splitlines(True)[:5]), encoding="utf-8")
    systems = {s.name: s for s in study.preset("all").systems}
    how = systems["lora"].how
    assert isinstance(how, Tuned)
    knob = System("one", "one epoch", replace(how, epochs=1), point="T1", centre="lora")
    preset = replace(study.preset("all"), systems=(*systems.values(), knob))
    scale = replace(
        study.scale("tiny"),
        others=tuple(map(str, others)),
        other_queries=6,
        other_documents=40,
        presets={"all": 2},
    )
    effect = study.claims[0]
    claims = tuple(
        replace(effect, id=f"{system}, {place}", system=system, against=against, collection=place, rule="above")
        for system, against in (("lora", "full"), ("full", "base"))
        for place in (OUT_OF_DOMAIN, "in domain")
    )
    return replace(
        study, presets=(preset,), scales=(scale,), claims=claims, exposure={"other": "all of it"}, published={}
    )


@pytest.fixture(scope="module")
def workbench(tmp_path_factory: pytest.TempPathFactory) -> Workbench:
    folder = tmp_path_factory.mktemp("far")
    return bench(far_study(folder / "study"), Store(folder / "store"))


@pytest.fixture(scope="module")
def results(workbench: Workbench) -> Results[Record]:
    return read_results(conduct(workbench, "strop study run"))


@pytest.fixture(scope="module")
def done(workbench: Workbench, results: Results[Record]) -> Done:
    return run_trials(workbench, schedule(workbench.study, workbench.scale), budget=0.0)


def macro(results: Results[Record], system: str, measure: str = "RR@10", seeds: tuple[int, ...] = SEEDS) -> float:
    """The mean over collections of each one's mean over queries and seeds, from the rows."""
    rows = [r for r in results.rows if (r.system, r.measure) == (system, measure) and r.seed in seeds]
    return mean(mean(r.value for r in rows if r.collection == name) for name in ("other", "third"))


def test_every_system_has_rows_on_every_collection_its_own_first(
    results: Results[Record], workbench: Workbench
) -> None:
    assert list(workbench.panels) == list(QUERIES)
    for system, seeds in {"bm25": 1, "base": 1, "full": 2, "lora": 2, "one": 2}.items():
        rows = [r for r in results.rows if r.system == system and r.measure in MEASURES]
        assert list(dict.fromkeys(r.collection for r in rows)) == list(QUERIES)
        for name, queries in QUERIES.items():
            assert sum(r.collection == name for r in rows) == queries * seeds * len(MEASURES)
    assert {f"{name}/test" for name in QUERIES} <= results.record.collections.keys()


def test_the_runs_elsewhere_are_kept_by_collection(done: Done, workbench: Workbench) -> None:
    assert done.out_of_domain.keys() == done.runs.keys()
    preset = workbench.study.preset("all")
    for cell, found in done.out_of_domain.items():
        assert list(found) == ["other", "third"]
        assert found["third"] == workbench.ranking(preset, cell.system, cell.seed, workbench.panels["third"])


def test_a_claim_about_elsewhere_is_judged_on_the_macro_average_and_one_in_domain_on_its_own(
    results: Results[Record],
) -> None:
    verdicts = {v["claim"]["id"]: v for v in results.claims}
    assert len(verdicts) == 4
    away = verdicts[f"lora, {OUT_OF_DOMAIN}"]
    assert away["ours"] == pytest.approx(macro(results, "lora"), rel=1e-12)
    assert away["comparison"]["mean_b"] == pytest.approx(macro(results, "full"), rel=1e-12)
    assert away["comparison"]["n"] == QUERIES["other"] + QUERIES["third"]
    near = verdicts["lora, in domain"]
    own = [r.value for r in results.rows if (r.system, r.measure, r.collection) == ("lora", "RR@10", "small")]
    assert near["ours"] == pytest.approx(mean(own), rel=1e-12)
    assert near["comparison"]["n"] == TEST


def test_weights_give_each_collection_the_same_say() -> None:
    values = {"a": [{"q": 1.0, "r": 0.5, "s": 0.0}], "b": [{"q": 0.2}]}
    (found,) = weighted(values)
    assert found == pytest.approx({"a/q": 4 / 6, "a/r": 2 / 6, "a/s": 0.0, "b/q": 0.4})
    assert mean(found.values()) == pytest.approx((0.5 + 0.2) / 2)
    thirds = {"a": [{str(i): i / 7 for i in range(3)}]}
    assert list(weighted(thirds)[0].values()) == list(thirds["a"][0].values()), "of one collection to the last digit"


def transfer_of(results: Results[Record]) -> Transfer:
    assert results.exhibits.transfer
    return results.exhibits.transfer


def test_the_exhibit_has_every_system_s_mean_by_collection(results: Results[Record]) -> None:
    shown = transfer_of(results)
    assert shown.trained_on == "small"
    assert [(c.name, c.queries, c.own, c.seen) for c in shown.collections] == [
        ("small", 8, True, ""),
        ("other", 6, False, "all of it"),
        ("third", 4, False, ""),
    ]
    assert shown.similarity == Similarity(), "small panels have no say"
    seeds = {s.system: s.seeds for s in shown.systems}
    assert seeds == {"bm25": 1, "base": 1, "full": 2, "lora": 2, "one": 2}
    for system in shown.systems:
        elsewhere = mean(system.means[name] for name in ("other", "third"))
        assert elsewhere == pytest.approx(macro(results, system.system), rel=1e-12)


def pairs(shown: Transfer) -> list[tuple[str, str, str]]:
    return [(c.kind, c.a, c.b) for c in shown.comparisons]


def test_what_is_compared_is_tuned_with_start_claimed_pairs_and_knobs_with_centres(results: Results[Record]) -> None:
    shown = transfer_of(results)
    assert pairs(shown) == [
        ("tuned", "full", "base"),
        ("tuned", "lora", "base"),
        ("tuned", "one", "base"),
        ("claim", "lora", "full"),
        ("claim", "full", "base"),
        ("knob", "one", "lora"),
    ]
    for row in shown.comparisons:
        difference = macro(results, row.a) - macro(results, row.b)
        assert row.elsewhere.difference == pytest.approx(difference)
        assert set(row.each) == {"other", "third"}
        fixed = row.elsewhere.fixed
        assert fixed.low <= difference <= fixed.high


def test_p_is_by_holm_over_the_comparisons_of_a_kind(results: Results[Record], workbench: Workbench) -> None:
    shown, preset = transfer_of(results), workbench.study.preset("all")
    tuned = [row for row in shown.comparisons if row.kind == "tuned"]
    raw = [compare(*(workbench.values(preset, s, "RR@10") for s in (row.a, row.b))).p for row in tuned]
    adjusted, reached = {}, 0.0
    for left, i in zip((3, 2, 1), sorted(range(3), key=raw.__getitem__), strict=True):
        adjusted[i] = reached = max(reached, min(1.0, left * raw[i]))
    assert [row.own.p for row in tuned] == [adjusted[i] for i in range(3)]
    (knob,) = (row for row in shown.comparisons if row.kind == "knob")
    alone = [
        weighted({n: workbench.values(preset, s, "RR@10", workbench.panels[n]) for n in ("other", "third")})
        for s in ("one", "lora")
    ]
    assert knob.elsewhere.p == compare(*alone).p, "one comparison needs no correction"


def without(done: Done, gone: Callable[[Trial], bool]) -> Done:
    return replace(
        done,
        runs={c: a for c, a in done.runs.items() if not gone(c)},
        trained={c: a for c, a in done.trained.items() if not gone(c)},
        unfinished=tuple(c for c in done.runs if gone(c)),
    )


def test_where_seeds_are_missing_tuned_systems_are_compared_over_those_that_both_have(
    results: Results[Record], done: Done, workbench: Workbench
) -> None:
    partly = without(done, lambda c: (c.system, c.seed) == ("lora", SEEDS[1]))
    shown = exhibit(workbench, partly)
    assert shown
    assert {s.system: s.seeds for s in shown.systems}["lora"] == 1
    (claim,) = (c for c in shown.comparisons if (c.kind, c.a, c.b) == ("claim", "lora", "full"))
    assert claim.elsewhere.mean_a == pytest.approx(macro(results, "lora", seeds=SEEDS[:1]))
    assert claim.elsewhere.mean_b == pytest.approx(macro(results, "full", seeds=SEEDS[:1]))
    (tuned,) = (c for c in shown.comparisons if (c.kind, c.a) == ("tuned", "full"))
    assert tuned.elsewhere.mean_a == pytest.approx(macro(results, "full")), "the base is untuned: all seeds"


def test_tuned_systems_without_a_seed_in_common_are_not_compared(done: Done, workbench: Workbench) -> None:
    apart = {("lora", SEEDS[1]), ("full", SEEDS[0])}
    shown = exhibit(workbench, without(done, lambda c: (c.system, c.seed) in apart))
    assert shown
    assert ("claim", "lora", "full") not in pairs(shown)
    assert ("tuned", "full", "base") in pairs(shown)


def test_with_one_collection_there_is_nothing_to_show(done: Done, workbench: Workbench) -> None:
    scale = replace(workbench.scale, others=())
    alone = Workbench(workbench.study, scale, workbench.source, workbench.store)
    assert exhibit(alone, done) is None
    named = Workbench(workbench.study, scale, workbench.source, workbench.store, others=workbench.others[:1])
    assert list(named.panels) == ["small", "other"], "collections given for a run stand for the scale's"
    twice = Workbench(workbench.study, scale, workbench.source, workbench.store, others=(workbench.source,))
    with pytest.raises(InputError, match="two collections are named 'small'"):
        _ = twice.panels


def test_the_report_of_such_a_study_renders(results: Results[Record]) -> None:
    html = page(results)
    assert "Out of domain" in html
    assert all(name in html for name in QUERIES)


def test_a_plan_counts_every_panel(workbench: Workbench) -> None:
    work = {w.what: w.texts for w in plan(workbench).work}
    assert work["encode for the test, 7 models"] == 7 * (8 + 6 + 4 + 3 * 40), "the base and 3 tuned at 2 seeds"


def test_shares_shrink_batches_and_epochs_of_all_systems_alike(workbench: Workbench) -> None:
    preset, study = workbench.study.preset("all"), workbench.study
    wide = replace(preset, systems=tuple(map(wider, preset.systems)))

    def sizes(**changes: Any) -> dict[str, tuple[int, int]]:
        scale: Scale = replace(workbench.scale, **changes)
        other = Workbench(replace(study, presets=(wide,), scales=(scale,)), scale, workbench.source, workbench.store)
        jobs = {name: other.job(wide, name, SEEDS[0]).recipe for name in ("full", "lora")}
        return {name: (recipe.batching.size, recipe.updates) for name, recipe in jobs.items()}

    assert sizes() == {"full": (6, 40 * 3), "lora": (12, 40 * 1)}, "20 groups, 40 epochs"
    assert sizes(batch_share=1 / 3) == {"full": (2, 40 * 10), "lora": (4, 40 * 5)}
    assert sizes(epochs_share=1 / 20) == {"full": (6, 2 * 3), "lora": (12, 2 * 1)}
    assert sizes(epochs_share=1 / 100, batch_share=1 / 100) == {"full": (1, 20), "lora": (1, 20)}, "at least one"
    assert sizes(largest_batch=6) == {"full": (3, 40 * 6), "lora": (6, 40 * 3)}, "the largest decides for all"
    assert sizes(largest_batch=6, batch_share=1 / 3) == sizes(batch_share=1 / 3)


def wider(system: System) -> System:
    if not isinstance(system.how, Tuned):
        return system
    recipe = system.how.recipe
    size = 12 if system.name == "lora" else 6
    return replace(
        system,
        how=replace(system.how, epochs=40, recipe=replace(recipe, batching=replace(recipe.batching, size=size))),
    )


def test_a_claim_elsewhere_is_not_judged_where_there_is_no_elsewhere(
    workbench: Workbench, results: Results[Record]
) -> None:
    scale = replace(workbench.scale, others=())
    alone = Workbench(replace(workbench.study, scales=(scale,)), scale, workbench.source, workbench.store)
    found = read_results(conduct(alone, "strop study run"))
    assert {c["claim"]["collection"] for c in found.claims} == {"in domain"}
    assert found.exhibits.transfer is None
    assert "Elsewhere" not in page(found)


def test_a_tuned_system_is_compared_with_the_untouched_one_of_its_own_architecture_and_base() -> None:
    def tuned(start: Start | None) -> System:
        return System("tuned", "", Tuned(IN_BATCH_FULL, 1, start=start))

    untouched = {
        "base": None,
        "late": Start(Late()),
        "plain": Start(Late(expansion=False)),
        "bert": Start(Untied(), base="bert"),
    }
    run = {name: System(name, "", how) for name, how in untouched.items()}
    found = [
        (None, "base"),
        (Start(layers=2), "base"),
        (Start(Tied(similarity="dot")), "base"),
        (Start(Late()), "late"),
        (Start(Late(expansion=False)), "plain"),
        (Start(Late(query_length=16)), "late"),
        (Start(Untied(similarity="dot"), base="bert"), "bert"),
        (Start(Untied()), None),
        (Start(Late(), base="bert"), None),
    ]
    for start, name in found:
        system = _start(tuned(start), run)
        assert (system.name if system else None) == name, start
