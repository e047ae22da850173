"""Broken inputs through every door: a case of each kind in turn, and a kind that is through begins again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from random import Random

from campaign import (
    collection_folders,
    environments,
    kept_work,
    model_folders,
    ranked_files,
    training_files,
    typed_values,
)
from campaign.breakages import in_turn
from campaign.command import Strop
from campaign.verdicts import Attacks, Case

DOORS: Mapping[str, Attacks] = {
    **ranked_files.DOORS,
    **collection_folders.DOORS,
    **training_files.DOORS,
    **model_folders.DOORS,
    **kept_work.DOORS,
    **typed_values.DOORS,
    **environments.DOORS,
}


def cases(strop: Strop, work: Path, seed: int) -> Iterator[Case]:
    return in_turn([_for_ever(door, strop, work / str(number), seed) for number, door in enumerate(DOORS.values())])


def _for_ever(door: Attacks, strop: Strop, work: Path, seed: int) -> Iterator[Case]:
    work.mkdir()
    for again in count():
        yield from door(strop, work, Random(f"{seed} {again}"))
