"""The parts of the study, by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.studies.never_worse.gate import gate
from strop.study.parts import Outcome, Part


def nulls(store: Store, progress: Progress, names: Sequence[str]) -> Outcome:
    from strop.studies.never_worse.null_tunings import nulls  # with torch, which the gate alone does without

    return nulls(store, progress, names)


def race(store: Store, progress: Progress, names: Sequence[str]) -> Outcome:
    from strop.studies.never_worse.race import race

    return race(store, progress, names)


PARTS: Mapping[str, Part] = {"gate": gate, "nulls": nulls, "race": race}
