"""The exhibit `reranking`: what each system reaches, its candidates' ceiling, comparisons, and what ranking takes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from statistics import fmean

from strop.evaluation.comparison import compare_together
from strop.evaluation.measures import evaluate, mean
from strop.evaluation.reordering import JUDGED, ceiling, depth_note
from strop.evaluation.significance import ALPHA, USUAL_SD, minimum_detectable_difference, spread
from strop.records.exhibits.reranking import (
    Candidates,
    CandidateSet,
    RankingCost,
    RerankedSystem,
    Reranking,
    RerankingComparison,
)
from strop.retrieval import stages
from strop.study.schedule import Done
from strop.study.systems import Reranked, WithPositive
from strop.study.tested_systems import BINARY, MEASURES, ByQuery, Tested, measures_of, tested
from strop.study.workbench import Workbench

#: Stages whose time is a search's; others only bring runs together.
_TIMED = frozenset({stages.LEXICAL.name, stages.SEARCH.name, stages.RERANK.name})


def exhibit(bench: Workbench, done: Done) -> Reranking | None:
    """None where no preset reorders candidates.

    A comparison is one that a claim of the paper makes, or of a pipeline with each of its two systems alone; on every
    collection, over the seeds that both have. What is built on random weights has no values.
    """
    panels = [tested(bench, done, p, c) for p in done.presets if p.candidates for c in bench.panels.values()]
    if not panels:
        return None
    return Reranking(
        measure=bench.study.primary_measure,
        panels=tuple(map(_panel, panels)),
        rows=tuple(row for of in panels for row in _rows(of)),
        comparisons=tuple(row for of in panels for row in _comparisons(of)),
        candidates=tuple(row for of in panels for row in _candidates(of)),
        stages=tuple(row for of in panels for row in _stages(of)),
    )


def _means(of: Tested, by_level: Mapping[int, ByQuery]) -> dict[str, dict[str, float]]:
    """The means by grade and measure; from grade 2 on of the binary measures alone, as the others do not change."""
    measures = tuple(dict.fromkeys((of.measure, *MEASURES)))
    return {
        str(level): {m: mean(values[m]) for m in (measures if level == 1 else BINARY)}
        for level, values in by_level.items()
    }


def _panel(of: Tested) -> Candidates:
    first, depth, queries = of.preset.candidates, of.depth, sum(map(bool, of.collection.qrels.values()))
    run = of.runs(first)[0]
    known = not of.random(first)
    measures = measures_of(of.bench)
    best = {level: {m: ceiling(run, of.collection.qrels, m, depth, level) for m in measures} for level in of.levels}
    judged = evaluate(run, of.collection.qrels, (of.measure, JUDGED))
    sd, pair = _spread(of)
    return Candidates(
        **of.place,
        split=of.collection.split,
        queries=queries,
        first=first,
        first_label=of.label(first),
        depth=depth,
        depth_note=depth_note(run, depth),
        value=mean(judged[of.measure]) if known else None,
        judged=mean(judged[JUDGED]),
        ceiling=mean(best[1][of.measure]) if known else None,
        ceilings=_means(of, best) if known else {},
        sd=sd,
        sd_of=pair,
        detectable=minimum_detectable_difference(sd, queries),
    )


def _spread(of: Tested) -> tuple[float, tuple[str, ...]]:
    """SD of per-query differences of the first pair that a claim is about, else of the first two systems that reorder
    candidates; else what is usual."""
    claimed = [(c.system, c.against) for c in of.bench.study.claims if {c.system, c.against} <= of.values.keys()]
    pair = (*claimed, tuple([s for s in of.values if of.reranking(s)][:2]))[0]
    if len(pair) == 2:
        common = [seed for seed in of.values[pair[0]] if seed in of.values[pair[1]]]
        if sd := spread(*(of.by_query(s, of.measure, common or of.values[s]) for s in pair)):
            return sd, pair
    return USUAL_SD, ()


def _rows(of: Tested) -> Iterator[RerankedSystem]:
    for system, by_seed in of.rankings.items():
        means = [_means(of, values) for values in of.values.get(system, {}).values()]
        yield RerankedSystem(
            **of.place,
            system=system,
            label=of.label(system),
            seeds=len(by_seed),
            random=of.random(system),
            values={
                level: {m: fmean(seed[level][m] for seed in means) for m in measures}
                for level, measures in (means[0] if means else {}).items()
            },
        )


def _comparisons(of: Tested) -> list[RerankingComparison]:
    claimed = [(c.system, c.against, c.measure) for c in of.bench.study.claims if c.kind == "effect"]
    apart = [(s, part, of.measure) for s in of.values for part in _alone(of, s)]
    pairs = [
        (a, b, measure, seeds)
        for a, b, measure in dict.fromkeys((*claimed, *apart))
        if {a, b} <= of.values.keys() and (seeds := of.done.common_seeds(of.preset, a, b))[0]
    ]
    compared = compare_together(
        [(of.by_query(a, measure, of_a), of.by_query(b, measure, of_b)) for a, b, measure, (of_a, of_b) in pairs]
    )
    alpha = ALPHA / max(1, len(pairs))  # Holm's threshold for the first of them
    return [
        RerankingComparison(
            **of.place,
            system=a,
            against=b,
            measure=measure,
            queries=c.n,
            seeds=max(map(len, seeds)),
            mean_a=c.mean_a,
            mean_b=c.mean_b,
            difference=c.difference,
            low=c.low,
            high=c.high,
            p=c.p_corrected,
            sd=c.sd,
            won=c.won,
            tied=c.tied,
            lost=c.lost,
            detectable=minimum_detectable_difference(c.sd, c.n, alpha) if c.sd else None,
            needed=c.queries_needed(c.difference, alpha),
        )
        for (a, b, measure, seeds), c in zip(pairs, compared, strict=True)
    ]


def _alone(of: Tested, system: str) -> tuple[str, ...]:
    """What a pipeline is compared with: its first stage alone, and its last stage's model without that first stage. Not
    where its candidates hold the answer: these are another question."""
    how = of.preset.system(system).how
    if not isinstance(how, Reranked) or isinstance(of.preset.system(how.first).how, WithPositive):
        return ()
    return how.first, how.by


def _candidates(of: Tested) -> Iterator[CandidateSet]:
    """Every set of candidates that a model was given, where it was given several."""
    rerankings = {s: reranking for s in of.values if (reranking := of.reranking(s))}
    models = Counter(reranking.by for reranking in rerankings.values())
    for system, reranking in rerankings.items():
        if models[reranking.by] < 2:
            continue
        runs, qrels = of.runs(reranking.first), of.collection.qrels
        yield CandidateSet(
            **of.place,
            by=reranking.by,
            system=system,
            label=of.label(system),
            first=reranking.first,
            first_label=of.label(reranking.first),
            depth=reranking.depth,
            depth_note=depth_note(runs[0], reranking.depth),
            first_value=fmean(mean(evaluate(run, qrels, (of.measure,))[of.measure]) for run in runs),
            ceiling=fmean(mean(ceiling(run, qrels, of.measure, reranking.depth)) for run in runs),
            value=of.mean(system, of.measure),
            judged=of.mean(system, JUDGED),
        )


def _stages(of: Tested) -> Iterator[RankingCost]:
    """What a ranking of the first seed took when it was made; of a reranker the scoring of its pairs."""
    for system, by_seed in of.rankings.items():
        record = next(iter(by_seed.values())).record
        stage, cost = record["stage"]["name"], record.get("cost") or {}
        if stage in _TIMED:
            yield RankingCost(
                **of.place,
                system=system,
                label=of.label(system),
                stage=stage,
                wall_seconds=record["wall_seconds"],
                pairs=cost.get("pairs"),
                tokens=cost.get("tokens"),
                cut=cost.get("cut"),
                ms_per_query=1000 * cost.get("seconds", record["wall_seconds"]) / len(of.collection.queries),
            )
