"""A study that trains in bfloat16, where that would be emulated: in float32, told and recorded."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_study import small_study

from strop.records.errors import InputWarning
from strop.study.definition import Preset, Study, find
from strop.study.native_precision import DEVIATION, in_native_precision
from strop.study.systems import Tuned


def precisions(presets: tuple[Preset, ...]) -> set[str]:
    return {s.how.recipe.precision for preset in presets for s in preset.systems if isinstance(s.how, Tuned)}


@pytest.mark.parametrize("name", ["lion_vs_adamw", "when_finetuning_fails"])
def test_every_recipe_is_in_float32_and_each_scale_says_so(name: str) -> None:
    study = find(name)
    assert "bfloat16" in precisions(study.presets)
    with pytest.warns(InputWarning, match="float32 where the study trains in bfloat16: nothing here"):
        here = in_native_precision(study)
    assert precisions(here.presets) == {"float32"}
    assert [s.deviations for s in here.scales] == [(*s.deviations, DEVIATION) for s in study.scales]
    assert replace(here, presets=study.presets, scales=study.scales) == study


@pytest.mark.usefixtures("bfloat16")
def test_it_stays_as_it_is_where_bfloat16_is_native() -> None:
    study = find("lion_vs_adamw")
    assert in_native_precision(study) is study


def test_nothing_is_said_of_a_study_in_float32(tmp_path: Path) -> None:
    study: Study = small_study(tmp_path)
    assert in_native_precision(study) is study
