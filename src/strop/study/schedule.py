"""Cells: a study as systems of presets at seeds, in the order to run them, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strop.artifacts.store import Artifact
from strop.study.definition import Preset, Scale, Study
from strop.study.systems import Tuned
from strop.study.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Cell:
    """One system of one preset at one seed."""

    preset: Preset
    system: str
    seed: int

    @property
    def trained(self) -> bool:
        """Whether a training ends with it; one that is taken after an earlier epoch is shown with the last."""
        how = self.preset.system(self.system).how
        return isinstance(how, Tuned) and how.after in (None, how.epochs)

    def __str__(self) -> str:
        return f"{self.preset.name}/{self.system}, seed {self.seed}"


def cells(study: Study, scale: Scale, presets: Sequence[str] = ()) -> tuple[Cell, ...]:
    """In the order to run: preset by preset, each seed of all its systems before the next seed; of what is not trained,
    and of what random weights have a say in, the first seed alone."""
    planned = []
    for name in presets or scale.presets:
        preset = study.preset(name)
        for seed in scale.seeds[: scale.presets.get(name, 1)]:
            for system in preset.systems:
                wanted = not scale.systems or system.name in scale.systems
                seeded = preset.trained(system.name) and not preset.is_random(system.name, scale)
                if wanted and (seeded or seed == scale.seeds[0]):
                    planned.append(Cell(preset, system.name, seed))
    return tuple(planned)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of the cells that were run: the Run of each, and the training of those that train.

    `elsewhere` has the Runs over the other collections, by name.
    """

    runs: Mapping[Cell, Artifact]
    trained: Mapping[Cell, Artifact]
    unfinished: tuple[Cell, ...]
    elsewhere: Mapping[Cell, Mapping[str, Artifact]] = field(default_factory=dict)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """Those with a run, in the order they were run."""
        return tuple(dict.fromkeys(cell.preset for cell in self.runs))

    @property
    def whole(self) -> frozenset[tuple[str, str]]:
        """(preset, system) of every system whose seeds are all there."""
        left = {(cell.preset.name, cell.system) for cell in self.unfinished}
        return frozenset((cell.preset.name, cell.system) for cell in self.runs) - left


def run_cells(bench: Workbench, planned: Sequence[Cell], budget: float | None = None) -> Done:
    """Every cell that is not there yet, in order, until the next would pass `budget` seconds.

    What needs a training is expected to take as long as the longest so far; all else always runs. A budget of 0 so
    only collects what is there. A preset of which no training is there has no runs: its untuned systems tell nothing.
    """
    runs: dict[Cell, Artifact] = {}
    trained: dict[Cell, Artifact] = {}
    elsewhere: dict[Cell, dict[str, Artifact]] = {}
    others = [c for c in bench.panels.values() if c is not bench.material.test]
    unfinished = []
    started, longest = time.perf_counter(), 0.0
    for cell in planned:
        begun = time.perf_counter()
        late = budget is not None and begun - started + longest > budget
        needs = cell.preset.trained(cell.system)
        if late and needs and not bench.is_ready(cell.preset, cell.system, cell.seed):
            unfinished.append(cell)
            continue
        if cell.trained:
            trained[cell] = bench.training(cell.preset, cell.system, cell.seed)
        runs[cell] = bench.ranking(cell.preset, cell.system, cell.seed)
        elsewhere[cell] = {c.name: bench.ranking(cell.preset, cell.system, cell.seed, c) for c in others}
        if needs:
            longest = max(longest, time.perf_counter() - begun)
    told = {c.preset for c in trained} | ({c.preset for c in planned} - {c.preset for c in unfinished})
    shown = {c: run for c, run in runs.items() if c.preset in told}
    return Done(shown, trained, tuple(unfinished), {c: elsewhere[c] for c in shown})
