"""A knob: a tuned system of a study with one thing changed."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from strop.study.systems import System, Tuned

_OWN = frozenset(field.name for field in fields(Tuned)) - {"recipe"}


def knob(centre: System, name: str, label: str, point: str, **changes: Any) -> System:
    """The centre but for `changes`: fields of `Tuned` (negatives, epochs, …) or else of its recipe.

    `point` names the open question that the knob answers.
    """
    assert isinstance(centre.how, Tuned)
    own = {field: value for field, value in changes.items() if field in _OWN}
    recipe = replace(centre.how.recipe, **{field: value for field, value in changes.items() if field not in _OWN})
    return System(name, label, replace(centre.how, recipe=recipe, **own), point=point, centre=centre.name)
