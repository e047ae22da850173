"""L6: the sources of negatives as they come out here, and how many of them are false."""

from __future__ import annotations

from dataclasses import replace

from strop.lexical import BM25
from strop.negatives.from_run import RankWindow
from strop.negatives.hidden_positives import Calibration, EveryRank, calibrate, hide
from strop.negatives.positive_relative import PositiveRelative, Scores, run_scores
from strop.negatives.source_report import Source, source_report, table
from strop.negatives.union import named
from strop.nouns import InputError
from strop.points import Evidence, Grid
from strop.studies.lora_out_of_domain.scripts import hidden_negatives
from strop.study import Mined
from strop.workbench import Workbench

WINDOW = RankWindow(1, 100)
MINERS = {"BM25": BM25(), "the base": None}
ESTIMATORS = (PositiveRelative(0.95, ("dense",)), PositiveRelative(0.95, ("dense", "BM25")))


def negatives(bench: Workbench) -> Evidence:
    """L6. What "w/o Neg" trains on by the loader's fallback; and every mined source here, with its false negatives."""
    deep = RankWindow(1, 1000)
    scores: dict[str, Scores] = {
        "dense": run_scores(bench.mining.run(Mined(deep))),
        "BM25": run_scores(bench.mining.run(Mined(deep, BM25()))),
    }
    sources = [
        Source(
            name,
            named(bench.mining.rows(Mined(WINDOW, miner)), name),
            _calibrations(bench, name, Mined(replace(WINDOW, high=200), miner), scores),
        )
        for name, miner in MINERS.items()
    ]
    grid = Grid("Negatives of ranks 1 to 100, one a query", *table(source_report(sources, scores)))
    found = hidden_negatives(bench)
    return replace(found, tables=(*found.tables, grid))


def _calibrations(bench: Workbench, name: str, policy: Mined, scores: dict[str, Scores]) -> list[Calibration]:
    """On training queries with two known positives or more, half of them hidden; none where there are none."""
    train, known = bench.material.train, bench.material.train_documents
    usable = {q: {d: r for d, r in judged.items() if d in known} for q, judged in train.qrels.items()}
    try:
        judged = hide(usable, 0.5, bench.scale.seeds[0])
    except InputError:
        return []
    run = bench.mining.run(policy)
    every = EveryRank(WINDOW.low, WINDOW.high)
    return calibrate(f"{train.name}/{train.split}", judged, run, name, every, scores, ESTIMATORS)
