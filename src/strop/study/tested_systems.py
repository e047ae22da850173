"""The systems of a preset that reorder candidates, as run and measured on one collection."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from statistics import fmean

from strop.artifacts.store import Artifact
from strop.evaluation.measures import evaluate, mean
from strop.evaluation.reordering import JUDGED
from strop.records.documents import Collection
from strop.records.runs import Run
from strop.retrieval import stages
from strop.study.definition import Preset
from strop.study.schedule import Done, Trial
from strop.study.systems import Reranked
from strop.study.workbench import Workbench

#: Measures that tell relevant from not relevant alone, and so depend on the grade that counts as relevant.
BINARY = ("RR@10", "AP", "Rprec", "P@10", "R@10")
#: What is shown of every system, the study's primary measure before it.
MEASURES = ("nDCG@10", *BINARY, JUDGED)

#: measure -> query id -> value.
ByQuery = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Tested:
    """A preset's finished systems on one collection, in the preset's order.

    `values`: system -> seed -> the least grade that counts as relevant, 1 and where there are higher ones 2 -> values.
    """

    bench: Workbench
    done: Done
    preset: Preset
    collection: Collection
    rankings: Mapping[str, Mapping[int, Artifact]]
    values: Mapping[str, Mapping[int, Mapping[int, ByQuery]]]

    @property
    def place(self) -> dict[str, str]:
        return {"preset": self.preset.name, "collection": self.collection.name}

    @property
    def levels(self) -> tuple[int, ...]:
        highest = max((grade for judged in self.collection.qrels.values() for grade in judged.values()), default=1)
        return (1, 2) if highest > 1 else (1,)

    @property
    def depth(self) -> int:
        """How many candidates of a query are put in a new order at most: as many as its first stage finds."""
        scale = self.bench.scale
        return scale.rerank_depth if self.bench.is_given(self.collection) else min(scale.rerank_depth, scale.depth)

    @property
    def measure(self) -> str:
        return self.bench.study.primary_measure

    def label(self, system: str) -> str:
        if system == self.preset.candidates and self.bench.is_given(self.collection):
            return "given run"
        return self.preset.system(system).label

    def random(self, system: str) -> bool:
        """Whether its ranking is built on random weights: then no quality number of it is shown."""
        own = self.bench.study.random_weights and bool(self.preset.trained(system))
        return own or self.preset.is_random(system, self.bench.scale)

    def runs(self, system: str) -> tuple[Run, ...]:
        """Its rankings, one per seed; of a system that is only a part of others, the first seed's."""
        first = self.bench.scale.seeds[0]
        own = self.rankings.get(system) or {first: self.bench.ranking(self.preset, system, first, self.collection)}
        return tuple(map(stages.run_of, own.values()))

    def by_query(self, system: str, measure: str, seeds: Iterable[int]) -> list[Mapping[str, float]]:
        return [self.values[system][seed][1][measure] for seed in seeds]

    def mean(self, system: str, measure: str) -> float:
        return fmean(map(mean, self.by_query(system, measure, self.values[system])))

    def reranking(self, system: str) -> Reranked | None:
        """Whose documents it puts in a new order, by whose model, and how many; None where it does not."""
        return self.preset.reranking(system, self.depth)


def tested(bench: Workbench, done: Done, preset: Preset, collection: Collection) -> Tested:
    own = collection.name == bench.own.test.name
    runs = done.runs if own else {trial: of[collection.name] for trial, of in done.out_of_domain.items()}
    rankings = {
        system.name: {seed: runs[Trial(preset, system.name, seed)] for seed in seeds}
        for system in preset.systems
        if (seeds := done.seeds(preset, system.name))
    }
    blank = Tested(bench, done, preset, collection, rankings, {})
    measures = measures_of(bench)
    values = {
        system: {
            seed: {level: evaluate(stages.run_of(a), collection.qrels, measures, level) for level in blank.levels}
            for seed, a in of.items()
        }
        for system, of in rankings.items()
        if not blank.random(system)
    }
    return replace(blank, values=values)


def measures_of(bench: Workbench) -> tuple[str, ...]:
    """Those shown, and those of the claims."""
    claimed = (c.measure for c in bench.study.claims if c.kind == "effect")
    return tuple(dict.fromkeys((bench.study.primary_measure, *MEASURES, *claimed)))
