"""What a study of rerankers shows: what each system reaches, its candidates' ceiling, pairs, and what ranking takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from strop.artifacts.store import Artifact
from strop.evaluation.comparison import compare_together
from strop.evaluation.measures import evaluate, mean
from strop.evaluation.reordering import JUDGED, ceiling, depth_note
from strop.evaluation.significance import ALPHA, USUAL_SD, Values, minimum_detectable_difference, queries_needed, spread
from strop.records.documents import Collection
from strop.records.runs import Run
from strop.retrieval import stages
from strop.study.definition import Preset
from strop.study.schedule import Done
from strop.study.systems import Reranked, WithPositive
from strop.study.workbench import Workbench

#: Measures that tell relevant from not relevant alone, and so depend on the grade that counts as relevant.
BINARY = ("RR@10", "AP", "Rprec", "P@10", "R@10")
#: What is shown of every system, the study's primary measure before it.
MEASURES = ("nDCG@10", *BINARY, JUDGED)
#: Stages whose time is a search's; others only bring runs together.
_TIMED = frozenset({stages.LEXICAL.name, stages.SEARCH.name, stages.RERANK.name})

#: measure -> query id -> value.
ByQuery = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Tested:
    """A preset's finished systems on one collection, in the preset's order.

    `values`: system -> seed -> the least grade that counts as relevant, 1 and where there are higher ones 2 -> values.
    """

    bench: Workbench
    preset: Preset
    collection: Collection
    found: Mapping[str, Mapping[int, Artifact]]
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
        """Whether random weights had a say in its ranking: then no quality number of it is shown."""
        own = self.bench.study.random_weights and bool(self.preset.trained(system))
        return own or self.preset.is_random(system, self.bench.scale)

    def runs(self, system: str) -> tuple[Run, ...]:
        """Its rankings, one a seed; of a part of others that was not asked for, the first seed's."""
        first = self.bench.scale.seeds[0]
        found = self.found.get(system) or {first: self.bench.ranking(self.preset, system, first, self.collection)}
        return tuple(map(stages.run_of, found.values()))

    def mean(self, system: str, measure: str, level: int = 1) -> float:
        return fmean(mean(of[level][measure]) for of in self.values[system].values())

    def candidates(self, system: str) -> tuple[str, str, int] | None:
        """(whose documents it puts in a new order, the system whose model does, how many); None where it does not."""
        reranking = self.preset.reranking(system, self.depth)
        return (reranking.first, reranking.by, reranking.depth) if reranking else None


def exhibit(bench: Workbench, done: Done) -> dict[str, Any]:
    """Plain values: `measure`, `panels`, `rows`, `comparisons`, `candidates` and `stages`. Empty where no preset
    reorders candidates.

    A comparison is one that a claim of the paper makes, or of a pipeline with each of its two systems alone; on every
    collection, over the seeds that both have; its p is by Holm over those of a preset and collection. What random
    weights had a say in has no values.
    """
    tested = [_tested(bench, done, p, c) for p in done.presets if p.candidates for c in bench.panels.values()]
    if not tested:
        return {}
    return {
        "measure": bench.study.primary_measure,
        "panels": [_panel(of) for of in tested],
        "rows": [row for of in tested for row in _rows(of)],
        "comparisons": [row for of in tested for row in _comparisons(of)],
        "candidates": [row for of in tested for row in _candidates(of)],
        "stages": [row for of in tested for row in _stages(of)],
    }


def _tested(bench: Workbench, done: Done, preset: Preset, collection: Collection) -> Tested:
    own = collection.name == bench.own.test.name
    found: dict[str, dict[int, Artifact]] = {s.name: {} for s in preset.systems}
    for cell, artifact in done.runs.items():
        if cell.preset == preset:
            found[cell.system][cell.seed] = artifact if own else done.out_of_domain[cell][collection.name]
    found = {system: of for system, of in found.items() if of}
    blank = Tested(bench, preset, collection, found, {})
    measures = _measures(bench)
    values = {
        system: {
            seed: {level: evaluate(stages.run_of(a), collection.qrels, measures, level) for level in blank.levels}
            for seed, a in of.items()
        }
        for system, of in found.items()
        if not blank.random(system)
    }
    return Tested(bench, preset, collection, found, values)


def _measures(bench: Workbench) -> tuple[str, ...]:
    """Those shown, and those of the claims."""
    claimed = (c.measure for c in bench.study.claims if c.kind == "effect")
    return tuple(dict.fromkeys((bench.study.primary_measure, *MEASURES, *claimed)))


def _means(of: Tested, found: Mapping[int, ByQuery]) -> dict[str, dict[str, float]]:
    """The means by grade and measure; from grade 2 on of the binary measures alone, as the others do not change."""
    shown = tuple(dict.fromkeys((of.measure, *MEASURES)))
    return {
        str(level): {m: mean(values[m]) for m in (shown if level == 1 else BINARY)} for level, values in found.items()
    }


def _panel(of: Tested) -> dict[str, Any]:
    first, depth, queries = of.preset.candidates, of.depth, sum(map(bool, of.collection.qrels.values()))
    run = of.runs(first)[0]
    known = not of.random(first)
    best = {
        level: {m: ceiling(run, of.collection.qrels, m, depth, level) for m in _measures(of.bench)}
        for level in of.levels
    }
    judged = evaluate(run, of.collection.qrels, (of.measure, JUDGED))
    sd, pair = _spread(of)
    return {
        **of.place,
        "split": of.collection.split,
        "queries": queries,
        "first": first,
        "first_label": of.label(first),
        "depth": depth,
        "depth_note": depth_note(run, depth),
        "value": mean(judged[of.measure]) if known else None,
        "judged": mean(judged[JUDGED]),
        "ceiling": mean(best[1][of.measure]) if known else None,
        "ceilings": _means(of, best) if known else {},
        "sd": sd,
        "sd_of": list(pair),
        "detectable": minimum_detectable_difference(sd, queries),
    }


def _spread(of: Tested) -> tuple[float, tuple[str, ...]]:
    """SD of per-query differences of the first pair that a claim is about, else of the first two systems that reorder
    candidates; else what is usual."""
    claimed = [(c.system, c.against) for c in of.bench.study.claims if {c.system, c.against} <= of.values.keys()]
    pair = (*claimed, tuple([s for s in of.values if of.candidates(s)][:2]))[0]
    if len(pair) == 2:
        seeds = [seed for seed in of.values[pair[0]] if seed in of.values[pair[1]]]
        each = [tuple(seeds) or tuple(of.values[s]) for s in pair]
        if sd := spread(*(_by_query(of, s, of.measure, at) for s, at in zip(pair, each, strict=True))):
            return sd, pair
    return USUAL_SD, ()


def _by_query(of: Tested, system: str, measure: str, seeds: tuple[int, ...]) -> Values:
    return [of.values[system][seed][1][measure] for seed in seeds]


def _rows(of: Tested) -> Iterator[dict[str, Any]]:
    for system, by_seed in of.found.items():
        means = [_means(of, found) for found in of.values.get(system, {}).values()]
        yield {
            **of.place,
            "system": system,
            "label": of.label(system),
            "seeds": len(by_seed),
            "random": of.random(system),
            "values": {
                level: {m: fmean(seed[level][m] for seed in means) for m in named}
                for level, named in (means[0] if means else {}).items()
            },
        }


def _comparisons(of: Tested) -> list[dict[str, Any]]:
    claimed = [(c.system, c.against, c.measure) for c in of.bench.study.claims if c.kind == "effect"]
    apart = [(s, part, of.measure) for s in of.values for part in _alone(of, s)]
    pairs = []
    for a, b, measure in dict.fromkeys((*claimed, *apart)):
        if not {a, b} <= of.values.keys():
            continue
        seeds = [tuple(of.values[system]) for system in (a, b)]
        if of.preset.trained(a) and of.preset.trained(b):
            seeds = [tuple(seed for seed in seeds[0] if seed in seeds[1])] * 2
        if seeds[0]:
            pairs.append((a, b, measure, seeds))
    compared = compare_together(
        [(_by_query(of, a, measure, of_a), _by_query(of, b, measure, of_b)) for a, b, measure, (of_a, of_b) in pairs]
    )
    alpha = ALPHA / max(1, len(pairs))  # Holm's threshold for the first of them
    return [
        {
            **of.place,
            "system": a,
            "against": b,
            "measure": measure,
            "queries": c.n,
            "seeds": max(map(len, seeds)),
            **{key: getattr(c, key) for key in ("mean_a", "mean_b", "difference", "low", "high")},
            "p": c.p_corrected,
            **{key: getattr(c, key) for key in ("sd", "won", "tied", "lost")},
            "detectable": minimum_detectable_difference(c.sd, c.n, alpha) if c.sd else None,
            "needed": queries_needed(c.difference, c.sd, alpha) if c.sd and c.difference else None,
        }
        for (a, b, measure, seeds), c in zip(pairs, compared, strict=True)
    ]


def _alone(of: Tested, system: str) -> tuple[str, ...]:
    """What a pipeline is compared with: its first stage alone, and its last stage's model without that first stage. Not
    where its candidates hold the answer: these are another question."""
    how = of.preset.system(system).how
    if not isinstance(how, Reranked) or isinstance(of.preset.system(how.first).how, WithPositive):
        return ()
    return how.first, how.by


def _candidates(of: Tested) -> Iterator[dict[str, Any]]:
    """Every set of candidates that a model was given, where it was given several."""
    given = {s: about for s in of.values if (about := of.candidates(s))}
    models = [by for _, by, _ in given.values()]
    for system, (first, by, depth) in given.items():
        if models.count(by) < 2:
            continue
        runs, qrels = of.runs(first), of.collection.qrels
        yield {
            **of.place,
            "by": by,
            "system": system,
            "label": of.label(system),
            "first": first,
            "first_label": of.label(first),
            "depth": depth,
            "depth_note": depth_note(runs[0], depth),
            "first_value": fmean(mean(evaluate(run, qrels, (of.measure,))[of.measure]) for run in runs),
            "ceiling": fmean(mean(ceiling(run, qrels, of.measure, depth)) for run in runs),
            "value": of.mean(system, of.measure),
            "judged": of.mean(system, JUDGED),
        }


def _stages(of: Tested) -> Iterator[dict[str, Any]]:
    """What a ranking of the first seed took when it was made; of a reranker the scoring of its pairs."""
    for system, by_seed in of.found.items():
        record = next(iter(by_seed.values())).record
        stage, cost = record["stage"]["name"], record.get("cost") or {}
        if stage in _TIMED:
            queries = len(of.collection.queries)
            yield {
                **of.place,
                "system": system,
                "label": of.label(system),
                "stage": stage,
                "wall_seconds": record["wall_seconds"],
                "pairs": cost.get("pairs"),
                "tokens": cost.get("tokens"),
                "cut": cost.get("cut"),
                "ms_per_query": 1000 * cost.get("seconds", record["wall_seconds"]) / queries,
            }
