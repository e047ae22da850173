"""The race: `strop tune` beside other ways to fine-tune on the same pairs, tested by the same certificate."""

from __future__ import annotations

import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress
from strop.artifacts.store import Artifact, Store
from strop.bench.process_memory import resident_increase
from strop.collection import door
from strop.evaluation.certification import evidence
from strop.models.pretrained import Pretrained
from strop.records.errors import InputError
from strop.records.formats import DASH, duration, signed
from strop.records.plain import to_plain
from strop.records.results import read_json, write_json
from strop.records.tuned import Evidence, TuneRecord
from strop.studies.never_worse.runners import RUNNERS, Made
from strop.study.parts import Outcome
from strop.training.stage import tuned_model
from strop.tuning.artifact import RECORD
from strop.tuning.certificate import Certificate, Court, Terms, certify
from strop.tuning.domain import TRAIN
from strop.tuning.plan import Plan, Round
from strop.tuning.pools import pool
from strop.tuning.ranking import MEASURE
from strop.tuning.request import Request
from strop.tuning.trials import tokens_of_pair
from strop.tuning.tune import Tuning

BASE = "all-MiniLM-L6-v2"
TUNE = "strop tune"
SEEDS = (42, 43, 44)
#: What every runner may train on, each pair counted as often as it is seen; all trainings of `strop tune` together.
PAIRS = 2560
#: Queries and documents that a model is tested on: of the collection that it was trained on, and of a guard.
TEST, GUARD = (400, 2000), (200, 1000)
#: One-sided, of every rival. `strop tune` decides more strictly: each of its seeds is one more look at the test split.
ALPHA = 0.05
#: In the folder of a race: a file with each cell and one with every query's value.
CELLS, VALUES = "cells", ".values.json"
#: Candidates and pairs of each by round, half of all pairs for the last one: as `strop tune` plans half an hour.
ROUNDS = Round(4, PAIRS // 16), Round(2, PAIRS // 8), Round(1, PAIRS // 2)


@dataclass(frozen=True, slots=True)
class Cell:
    """One runner on one collection with one seed. `key` hashes what it was made of. Evidence is that of the model that
    a user is left with: of a tuning that ends in HOLD the base. `train_seconds` are of training alone, `memory` is by
    how many bytes all of it raised the process at most: None where that is not known."""

    key: str
    collection: str
    runner: str
    seed: int
    pairs: int
    train_seconds: float
    memory: int | None
    decision: str
    gain: tuple[Evidence, ...]
    guards: tuple[Evidence, ...]


#: collection -> query -> the measure.
Values = Mapping[str, Mapping[str, float]]


def race(store: Store, progress: Progress, names: Sequence[str]) -> Outcome:
    """Collections with training queries are tuned on, guarded by all others. Cells of an earlier race whose folder is
    named are not made again. Raises InputError for fewer than two collections, or none to tune on."""
    earlier = [Path(name) for name in names if (Path(name) / CELLS).is_dir()]
    sources = [name for name in names if Path(name) not in earlier]
    trained = [name for name in sources if TRAIN in door.splits(name)]
    if len(sources) < 2 or not trained:
        raise InputError(
            "a race needs collections that guard each other, and one with training queries",
            remedy="Name them: --on A --test B --test C",
        )
    folder = store.root / "results" / f"never_worse-race-{content_key(sources)[:8]}"
    for each in earlier:
        shutil.copytree(each / CELLS, folder / CELLS, dirs_exist_ok=True, copy_function=_copied)
    cells = []
    for seed in SEEDS:
        for source in trained:
            guards = tuple(name for name in sources if name != source)
            for cell in run(store, progress, source, guards, seed, folder / CELLS):
                cells.append(cell)
                write_json([to_plain(each) for each in cells], folder / "race.json")
    return Outcome(folder, tables(cells, folder / CELLS))


def _copied(source: str, target: str) -> None:
    """Unless it is there: what this race has made stays."""
    if not Path(target).exists():
        shutil.copy2(source, target)


def run(
    store: Store, progress: Progress, source: str, guards: tuple[str, ...], seed: int, folder: Path
) -> Iterator[Cell]:
    """Every runner on one collection. A cell that lies in the folder is not made again."""
    tuning = Tuning.of(Request(source, BASE, guards, seed=seed), store, lambda line: None, progress)
    assert tuning.domain.test is not None
    tuning = replace(
        tuning,
        domain=replace(tuning.domain, test=pool(tuning.domain.test, *TEST)),
        guards=tuple(replace(guard, certify=pool(guard.certify, *GUARD)) for guard in tuning.guards),
    )
    place = folder / tuning.domain.name.replace(":", "-") / str(seed)
    for name in (TUNE, *RUNNERS):
        key = content_key([tuning.inputs, seed, name, PAIRS])[:20]
        path = _path(place, name)
        if path.is_file() and (there := read_json(Cell, path)).key == key:
            yield there
            continue
        cell, base, tuned = _tuned(tuning, key) if name == TUNE else _rival(tuning, name, key)
        place.mkdir(parents=True, exist_ok=True)
        write_json(base, place / f"base{VALUES}")
        write_json(tuned, path.with_suffix(VALUES))
        write_json(to_plain(cell), path)
        yield cell


def _tuned(tuning: Tuning, key: str) -> tuple[Cell, Values, Values]:
    """`strop tune` with a plan that no clock has a part in. What it holds back is the base again."""
    made: list[Artifact] = []
    memory = _memory(lambda: made.append(tuning(_plan(tuning))))
    record = read_json(TuneRecord, made[0].path / RECORD)
    pairs, seconds = sum(each.pairs for each in record.tried), sum(each.seconds for each in record.tried)
    model = tuning.base if record.decision == "HOLD" else tuned_model(made[0])
    of = _certificate(tuning, model)
    cell = Cell(
        key, tuning.domain.name, TUNE, tuning.request.seed, pairs, seconds, memory, record.decision, of.gain, of.guards
    )
    return cell, *_apart(of)


def _rival(tuning: Tuning, name: str, key: str) -> tuple[Cell, Values, Values]:
    made: list[Made] = []
    memory = _memory(lambda: made.append(RUNNERS[name](tuning, PAIRS)))
    of = _certificate(tuning, made[0].model)
    pairs, seconds = made[0].pairs, made[0].seconds
    cell = Cell(
        key, tuning.domain.name, name, tuning.request.seed, pairs, seconds, memory, of.decision, of.gain, of.guards
    )
    return cell, *_apart(of)


def _apart(certificate: Certificate) -> tuple[Values, Values]:
    base, tuned = (
        {name: {query: round(both[i], 6) for query, both in of.items()} for name, of in certificate.values.items()}
        for i in (0, 1)
    )
    return base, tuned


def _certificate(tuning: Tuning, model: Pretrained) -> Certificate:
    test = tuning.domain.test
    assert test is not None
    court = Court(tuning.store, tuning.base, model, tuning.phases.progress)
    guards = [(guard.name, guard.certify) for guard in tuning.guards]
    return certify(court, test, tuning.domain.populations(test), guards, Terms(), ALPHA)


def _plan(tuning: Tuning) -> Plan:
    """The same on every machine: rates and seconds are of no consequence."""
    query, document = tokens_of_pair(tuning.base, tuning.domain.examples, None)
    return Plan("float32", 1, 1, query, document, document, 1, 1, 1, ROUNDS)


def _memory(work: Callable[[], object]) -> int | None:
    try:
        return resident_increase(work)
    except OSError:
        work()
        return None


def _path(place: Path, runner: str) -> Path:
    return place / (re.sub("[^a-z0-9]+", "-", runner.lower()).strip("-") + ".json")


def tables(cells: Sequence[Cell], folder: Path) -> dict[str, list[list[str]]]:
    """A table for each collection, a row for each runner: over its seeds, with what a user is left with."""
    of: dict[str, dict[str, list[Cell]]] = {}
    for cell in cells:
        of.setdefault(cell.collection, {}).setdefault(cell.runner, []).append(cell)
    head = ["", "seeds", "verdicts", "in domain", "new answers", "worst guard", "", "training", "MiB"]
    return {
        f"Tuned on {name}: differences from {BASE} in {MEASURE}, 95 % intervals": [
            head, *(_line(runner, some, folder) for runner, some in runners.items())
        ]
        for name, runners in of.items()
    }  # fmt: skip


def _line(runner: str, cells: Sequence[Cell], folder: Path) -> list[str]:
    verdicts = Counter(cell.decision for cell in cells)
    gain, *guards = (averaged(cells, folder, name) for name in _measured(cells[0]))
    worst = min(guards, key=lambda e: e.difference)
    new = [e.difference for cell in cells for e in cell.gain if e.population == "new answers"]
    memory = [cell.memory for cell in cells if cell.memory is not None]
    return [
        runner,
        str(len(cells)),
        ", ".join(f"{n} {decision}" for decision, n in verdicts.items()),
        _said(gain),
        signed(fmean(new)) if new else DASH,
        _said(worst),
        worst.collection,
        duration(fmean(cell.train_seconds for cell in cells)),
        f"{max(memory) / 2**20:,.0f}" if memory else DASH,
    ]


def averaged(cells: Sequence[Cell], folder: Path, collection: str) -> Evidence:
    """Of one runner, with every query's mean over the seeds that have it: those of a guard are dealt out by seed."""
    base, tuned = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for cell in cells:
        place = folder / cell.collection.replace(":", "-") / str(cell.seed)
        for values, path in ((base, place / f"base{VALUES}"), (tuned, _path(place, cell.runner).with_suffix(VALUES))):
            for query, value in read_json(dict[str, dict[str, float]], path)[collection].items():
                values[query].append(value)
    first, second = ({query: fmean(of) for query, of in values.items()} for values in (base, tuned))
    return evidence(first, second, 0.0, ALPHA, collection, "test")


def _measured(cell: Cell) -> list[str]:
    return [e.collection for e in (cell.gain[0], *cell.guards)]


def _said(e: Evidence) -> str:
    return f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]"
