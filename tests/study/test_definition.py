from dataclasses import fields, replace
from pathlib import Path

import pytest

from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError
from strop.retrieval.lexical import BM25
from strop.study.claims import Claim
from strop.study.definition import Preset, Study, find, studies
from strop.study.negative_policies import Mined
from strop.study.systems import System, Tuned
from strop.training.recipes import IN_BATCH_FULL, TRIPLET_FULL

BASE = System("base", "base", None)
EFFECT = Claim("x", "a paper", "3", "effect", "", "below", "full", "base", "c", "RR@10")


def study(*systems: System, claims: tuple[Claim, ...] = ()) -> Study:
    """A study without scales: enough to be refused."""
    return Study("s", "S", "p", "m", "base", "RR@10", (Preset("only", systems),), (), claims, {}, {}, {})


@pytest.mark.parametrize("name", studies())
def test_every_study_imports_and_validates(name: str) -> None:
    found = find(name)
    assert found.name == name
    assert found.presets
    assert found.scales
    assert all(scale.seeds and scale.presets for scale in found.scales)


@pytest.mark.parametrize("name", studies())
def test_every_claim_of_a_study_names_its_table_and_systems_it_has(name: str) -> None:
    found = find(name)
    assert found.claims
    assert len({claim.id for claim in found.claims}) == len(found.claims)
    assert all(claim.table and claim.paper == found.paper for claim in found.claims)


@pytest.mark.parametrize("name", studies())
def test_every_doubtful_choice_says_what_text_code_and_strop_do(name: str) -> None:
    choices = find(name).choices
    assert choices
    assert all({"as_written", "as_coded", "corrected"} <= set(said) for said in choices.values())


def test_the_published_figures_of_the_thesis_are_those_of_its_tables() -> None:
    found = find("when_finetuning_fails")
    assert found.published["base"] == {"RR@10": 0.3026, "RR@100": 0.3144}
    assert found.published_loss["lora_hard"][0][0] < found.published_loss["lora_hard"][-1][0]
    hard = next(claim for claim in found.claims if claim.system == "lora_hard" and claim.kind == "effect")
    assert hard.published_difference == pytest.approx(-0.0976), "printed as -32.3 %"


def test_a_study_of_one_s_own_is_a_python_file_that_defines_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from strop.study.definition import find\nSTUDY = find('when_finetuning_fails')\n", encoding="utf-8"
    )
    assert find(str(path)).name == "when_finetuning_fails"
    path.write_text("STUDIES = []\n", encoding="utf-8")
    with pytest.raises(InputError, match="defines no STUDY"):
        find(str(path))
    with pytest.raises(InputError, match="no such study file"):
        find(str(tmp_path / "other.py"))


def test_what_a_study_lacks_is_said_with_what_it_has() -> None:
    found = find("when_finetuning_fails")
    with pytest.raises(InputError, match=r"no scale 'huge'\. Choose quick"):
        found.scale("huge")
    with pytest.raises(InputError, match=r"no preset 'as_dreamt'\. Choose corrected"):
        found.preset("as_dreamt")
    with pytest.raises(InputError, match=r"no study 'dreams'\. Choose lion_vs_adamw or lora"):
        find("dreams")


def test_a_study_without_its_baseline_is_refused() -> None:
    with pytest.raises(ValueError, match="preset only lacks the baseline 'base'"):
        study(System("bm25", "BM25", BM25()))


def test_a_claim_about_a_system_that_is_nowhere_is_refused() -> None:
    full = System("full", "full", Tuned(IN_BATCH_FULL, 1))
    assert study(BASE, full, claims=(EFFECT,)).claims
    with pytest.raises(ValueError, match="claim x: no preset has a system 'ful'"):
        study(BASE, full, claims=(replace(EFFECT, system="ful"),))


def test_two_systems_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="share a name"):
        Preset("only", (BASE, replace(BASE, label="another")))


def test_a_recipe_that_needs_negatives_is_refused_without_them() -> None:
    Tuned(IN_BATCH_FULL, 1)
    Tuned(TRIPLET_FULL, 1, Mined(RankWindow()))
    with pytest.raises(ValueError, match="takes no negatives from its batch"):
        Tuned(TRIPLET_FULL, 1)


def test_a_centre_that_is_no_system_of_its_preset_is_refused() -> None:
    knob = System("knob", "knob", Tuned(IN_BATCH_FULL, 1), point="T1", centre="full")
    assert Preset("only", (BASE, replace(knob, centre="base"))).system("knob").point == "T1"
    with pytest.raises(ValueError, match="no system is the centre 'full'"):
        Preset("only", (BASE, knob))


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_of_the_training_groups_is_a_share(share: float) -> None:
    with pytest.raises(ValueError, match="not a share"):
        Tuned(IN_BATCH_FULL, 1, share=share)


def test_a_knob_differs_from_its_centre_by_one_thing() -> None:
    preset = find("when_finetuning_fails").preset("one_knob")
    for knob in preset.systems:
        if knob.centre and knob.point != "all":
            changed = _differing(knob.how, preset.system(knob.centre).how)
            together = {"scoring", "loss", "batching"} if knob.point == "T16" else {"share", "epochs"}
            assert len(changed) == 1 or changed <= together | {"scoring", "loss"}, (knob.name, changed)


def _differing(a: object, b: object) -> set[str]:
    assert isinstance(a, Tuned)
    assert isinstance(b, Tuned)
    outer = {f.name for f in fields(a) if f.name != "recipe" and getattr(a, f.name) != getattr(b, f.name)}
    return outer | {f.name for f in fields(a.recipe) if getattr(a.recipe, f.name) != getattr(b.recipe, f.name)}
