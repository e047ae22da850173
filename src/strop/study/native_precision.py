"""A study where its bfloat16 would be emulated: in float32, which is told and recorded."""

from __future__ import annotations

import warnings
from dataclasses import replace

from strop.models.precision import LACKING, has_bfloat16
from strop.records.errors import InputWarning
from strop.study.definition import Study
from strop.study.systems import System, Tuned

DEVIATION = f"float32 where the study trains in bfloat16: {LACKING}"


def in_native_precision(study: Study) -> Study:
    """The study itself; or with every recipe in float32, a warning, and one more deviation of each scale."""
    half = any(_asks_for_half(system) for preset in study.presets for system in preset.systems)
    if not half or has_bfloat16():
        return study
    warnings.warn(DEVIATION, InputWarning, stacklevel=2)
    presets = tuple(replace(p, systems=tuple(map(_in_float32, p.systems))) for p in study.presets)
    scales = tuple(replace(scale, deviations=(*scale.deviations, DEVIATION)) for scale in study.scales)
    return replace(study, presets=presets, scales=scales)


def _asks_for_half(system: System) -> bool:
    """A recipe of its own, or the distillation of first layers."""
    start = system.way.initial
    own = isinstance(system.how, Tuned) and system.how.recipe.precision == "bfloat16"
    return own or (start is not None and start.layers is not None)


def _in_float32(system: System) -> System:
    if not isinstance(system.how, Tuned):
        return system
    return replace(system, how=replace(system.how, recipe=replace(system.how.recipe, precision="float32")))
