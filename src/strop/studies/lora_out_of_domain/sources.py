"""L6: the sources of negatives as they come out here, and how many of them are false."""

from __future__ import annotations

from dataclasses import replace

from strop.negatives.audit.calibration import EveryRank
from strop.negatives.audit.sources import Source, table
from strop.negatives.filters import Scores, run_scores
from strop.negatives.from_run import RankWindow
from strop.negatives.union import named
from strop.retrieval.lexical import BM25
from strop.studies.lora_out_of_domain.scripts import hidden_negatives
from strop.study.mining import calibrations
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence, Grid
from strop.study.workbench import Workbench

WINDOW = RankWindow(1, 100)
MINERS = {"BM25": BM25(), "the base": None}


def negatives(bench: Workbench) -> Evidence:
    """ "Without negatives" may still mean one negative: where there is no hard one, the loader falls back to others.

    Beside it every mined source here, with its false negatives.
    """
    deep = RankWindow(1, 1000)
    mining = bench.data.mining
    miners = {"dense": None, "BM25": BM25()}
    scores: dict[str, Scores] = {name: run_scores(mining.run(Mined(deep, miner))) for name, miner in miners.items()}
    every = EveryRank(WINDOW.low, WINDOW.high)
    sources = [
        Source(
            name,
            named(bench.data.mining.rows(Mined(WINDOW, miner)), name),
            calibrations(bench.data.mining, Mined(replace(WINDOW, high=200), miner), name, every, scores),
        )
        for name, miner in MINERS.items()
    ]
    grid = Grid("Negatives of ranks 1 to 100, one per query", *table(sources, scores))
    evidence = hidden_negatives(bench)
    return replace(evidence, tables=(*evidence.tables, grid))
