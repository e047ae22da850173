"""Schedule: a study as trials, a system of a preset at a seed each, run in order within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from strop.artifacts.store import Artifact
from strop.study.definition import Preset, Scale, Study
from strop.study.systems import Tuned
from strop.study.workbench import Workbench


@dataclass(frozen=True, slots=True)
class Trial:
    """One system of one preset at one seed."""

    preset: Preset
    system: str
    seed: int

    @property
    def tuned(self) -> Tuned | None:
        """How its system is tuned, if it is."""
        return self.preset.tuned(self.system) if self.preset.system(self.system).way.is_tuned else None

    @property
    def trained(self) -> bool:
        """Whether a training ends with it, rather than at a later epoch."""
        return self.tuned is not None and self.tuned.after in (None, self.tuned.epochs)

    def __str__(self) -> str:
        return f"{self.preset.name}/{self.system}, seed {self.seed}"


def schedule(study: Study, scale: Scale, presets: Sequence[str] = ()) -> tuple[Trial, ...]:
    """The trials in the order to run: preset by preset, each seed of all its systems before the next seed. What is not
    trained, or is built on random weights, runs with the first seed alone."""
    trials = []
    for name in presets or scale.presets:
        preset = study.preset(name)
        for seed in scale.seeds[: scale.presets.get(name, 1)]:
            for system in preset.systems:
                seeded = preset.trained(system.name) and not preset.is_random(system.name, scale)
                if (not scale.systems or system.name in scale.systems) and (seeded or seed == scale.seeds[0]):
                    trials.append(Trial(preset, system.name, seed))
    return tuple(trials)


@dataclass(frozen=True, slots=True)
class Done:
    """The outcome of a schedule: the Run of each trial, and the training of those that train.

    `out_of_domain` has the Runs over the other collections, by name.
    """

    runs: Mapping[Trial, Artifact]
    trained: Mapping[Trial, Artifact]
    unfinished: tuple[Trial, ...]
    out_of_domain: Mapping[Trial, Mapping[str, Artifact]] = field(default_factory=dict)

    @property
    def presets(self) -> tuple[Preset, ...]:
        """Those with a run, in the order they were run."""
        return tuple(dict.fromkeys(trial.preset for trial in self.runs))

    @property
    def whole(self) -> frozenset[tuple[str, str]]:
        """(preset, system) of every system whose seeds are all there."""
        unfinished = {(trial.preset.name, trial.system) for trial in self.unfinished}
        return frozenset((trial.preset.name, trial.system) for trial in self.runs) - unfinished

    def seeds(self, preset: Preset, system: str) -> tuple[int, ...]:
        """The seeds of which a run is there."""
        return tuple(trial.seed for trial in self.runs if trial.preset == preset and trial.system == system)

    def common_seeds(self, preset: Preset, a: str, b: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The seeds to compare two systems over: of tuned ones those that both have; what is not tuned has one."""
        of_a, of_b = self.seeds(preset, a), self.seeds(preset, b)
        if preset.trained(a) and preset.trained(b):
            of_a = of_b = tuple(seed for seed in of_a if seed in of_b)
        return of_a, of_b


def run_trials(bench: Workbench, trials: Sequence[Trial], budget: float | None = None) -> Done:
    """Every trial that is not there yet, in order, until the next would pass `budget` seconds.

    What needs a training is expected to take as long as the longest so far; all else always runs. A preset without a
    finished training has no runs: its untuned systems show nothing.
    """
    runs: dict[Trial, Artifact] = {}
    trained: dict[Trial, Artifact] = {}
    out_of_domain: dict[Trial, dict[str, Artifact]] = {}
    others = [c for c in bench.panels.values() if c is not bench.own.test]
    unfinished = []
    started, longest = time.perf_counter(), 0.0
    for trial in trials:
        key = (trial.preset, trial.system, trial.seed)
        begun = time.perf_counter()
        late = budget is not None and begun - started + longest > budget
        needs_training = trial.preset.trained(trial.system)
        if late and needs_training and not bench.is_ready(*key):
            unfinished.append(trial)
            continue
        if trial.trained:
            trained[trial] = bench.training(*key)
        runs[trial] = bench.ranking(*key)
        out_of_domain[trial] = {c.name: bench.ranking(*key, c) for c in others}
        if needs_training:
            longest = max(longest, time.perf_counter() - begun)
    complete = {t.preset for t in trained} | ({t.preset for t in trials} - {t.preset for t in unfinished})
    runs = {trial: run for trial, run in runs.items() if trial.preset in complete}
    return Done(runs, trained, tuple(unfinished), {trial: out_of_domain[trial] for trial in runs})
