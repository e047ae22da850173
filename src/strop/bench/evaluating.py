"""Measuring a large run from file to table: `strop evaluate` beside the command of ir_measures."""

from __future__ import annotations

import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from strop.artifacts.progress import Progress
from strop.bench.comparison import Plan, Report, compared
from strop.bench.interleaved import Build, Turn, alone, in_turns, warmed
from strop.evaluation.measures import MEASURES
from strop.records.errors import WorkerError

#: Of the run; up to `JUDGED` documents are judged per query.
QUERIES, LINES, JUDGED, DOCUMENTS = 7000, 1000, 40, 8_841_823
OURS, PEER = "strop", "ir_measures"
_STROP = (sys.executable, "-c", "import sys; from strop.commands.app import main; sys.exit(main())", "evaluate")
_IR_MEASURES = (sys.executable, "-m", "ir_measures")
_FIGURE = re.compile(r"\s*(\S+)\s+([01]\.\d{4})\s*")
_SECONDS = 5e-6  # of both, and once of writing, per line

#: Measure -> its mean as it is printed.
Figures = dict[str, str]


def plan(rounds: int, progress: Progress) -> Plan:
    return Plan(_SECONDS * QUERIES * LINES * (rounds + 2), partial(_report, rounds, progress))


def _report(rounds: int, progress: Progress) -> Report:
    what = f"evaluate {QUERIES:,} queries of {LINES:,} lines, {len(MEASURES)} measures"
    with tempfile.TemporaryDirectory() as place:
        run, qrels = Path(place) / "run.trec", Path(place) / "qrels"
        alone(write, run, qrels, QUERIES, LINES)
        sides: dict[str, Build] = {
            OURS: partial(command, (*_STROP, str(run), "--qrels", str(qrels))),
            PEER: partial(command, (*_IR_MEASURES, str(qrels), str(run), *MEASURES)),
        }
        times = in_turns(what, sides, rounds, progress)
    return Report((compared(what, times, OURS, PEER, agreement(times[OURS].outcome, times[PEER].outcome)),))


def write(run: Path, qrels: Path, queries: int, lines: int) -> None:
    """A run with falling scores and judgments of it: two thirds of the judged documents are found."""
    rng = random.Random(0)
    with run.open("w") as ranked, qrels.open("w") as judged:
        for query in range(queries):
            documents = rng.sample(range(DOCUMENTS), lines)
            for document in rng.sample(documents, min(rng.randint(1, JUDGED), lines)):
                judged.write(f"{query} 0 {document + DOCUMENTS * (rng.random() < 1 / 3)} {rng.choice((0, 1, 1, 2))}\n")
            scores = (40 - (rank + 0.9 * rng.random()) / lines for rank in range(lines))
            rows = enumerate(zip(documents, scores, strict=True), start=1)
            ranked.writelines(f"{query} Q0 {document} {rank} {score:.6f} bench\n" for rank, (document, score) in rows)


def command(words: Sequence[str]) -> tuple[Turn, Figures]:
    """A command that prints figures. Raises WorkerError when it fails."""

    def work() -> Figures:
        ended = subprocess.run(words, capture_output=True, text=True)
        if ended.returncode:
            raise WorkerError(f"{words[-1]}: {ended.stderr.strip()[-200:]}")
        return {match[1]: match[2] for line in ended.stdout.splitlines() if (match := _FIGURE.fullmatch(line))}

    return warmed(work)


def agreement(ours: Figures, theirs: Figures) -> str:
    """In words: whether both print the same."""
    other = [name for name in MEASURES if ours[name] != theirs[name]]
    return f"{', '.join(other)} differ" if other else "the same figures"
