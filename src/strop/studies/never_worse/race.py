"""The race: `strop tune` beside sentence-transformers' own default on the same pairs, on the same test queries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.bench.library_training import library_trained
from strop.records.errors import InputError
from strop.records.formats import DASH, duration, signed
from strop.records.plain import to_plain
from strop.records.results import read_json, write_json
from strop.records.tuned import Evidence, TuneRecord
from strop.study.parts import Outcome
from strop.training.stage import tuned_model
from strop.tuning.artifact import RECORD
from strop.tuning.certificate import Court, Terms, certify
from strop.tuning.request import BUDGET, Request
from strop.tuning.tune import Tuning

BASE = "all-MiniLM-L6-v2"
LIBRARY = "sentence-transformers' default"


@dataclass(frozen=True, slots=True)
class Ran:
    """What one runner came to on one collection: seconds of its training alone, its verdict, and the evidence."""

    collection: str
    runner: str
    pairs: int
    train_seconds: float
    decision: str
    gain: tuple[Evidence, ...]
    guards: tuple[Evidence, ...]


def race(store: Store, progress: Progress, names: Sequence[str]) -> Outcome:
    """The named collections, two or more, at the default budget; `race.json`. Raises InputError for fewer."""
    if len(names) < 2:
        raise InputError("a race needs collections that guard each other", remedy="Name them: --on A --test B --test C")
    ran = list(runs(store, progress, names))
    folder = store.root / "results" / f"never_worse-race-{content_key(list(names))[:8]}"
    folder.mkdir(parents=True, exist_ok=True)
    write_json([to_plain(each) for each in ran], folder / "race.json")
    of_guards = [Path(name).name for name in names]
    rows = [["", "training", "verdict", "in domain", "new answers", *(f"guard {name}" for name in of_guards)]]
    for each in ran:
        guards = {e.collection: e for e in each.guards}
        new = next((e for e in each.gain if e.population == "new answers"), None)
        of = [each.gain[0] if each.gain else None, new, *map(guards.get, of_guards)]
        rows.append([f"{each.runner}, {each.collection}", duration(each.train_seconds), each.decision, *map(_said, of)])
    return Outcome(folder, {f"Differences from {BASE} in nDCG@10, 95 % intervals": rows})


def _said(e: Evidence | None) -> str:
    return DASH if e is None else f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]"


def runs(
    store: Store, progress: Progress, sources: Sequence[str], budget: float = BUDGET, seed: int = 42
) -> Iterator[Ran]:
    """Each collection is tuned with all the others as guards, by `strop tune` and then by the library."""
    for source in sources:
        guards = tuple(other for other in sources if other != source)
        tuning = Tuning.of(Request(source, BASE, guards, budget, seed=seed), store, lambda line: None, progress)
        record = read_json(TuneRecord, tuning().path / RECORD)
        yield _ours(record)
        yield _theirs(tuning, record, store, progress)


def _ours(record: TuneRecord) -> Ran:
    trained = sum(each.seconds for each in record.tried)
    return Ran(
        record.collection, "strop tune", record.tried[-1].pairs, trained, record.decision, record.gain, record.guards
    )


def _theirs(tuning: Tuning, record: TuneRecord, store: Store, progress: Progress) -> Ran:
    """One epoch over the pairs that the last training of `strop tune` drew from, tested as it was."""
    own = tuning.domain
    assert own.test is not None
    pairs = own.examples.only(own.examples.groups[: record.tried[-1].pairs])
    trained = library_trained(store, tuning.base, pairs, tuning.request.seed, progress)
    court = Court(store, tuning.base, tuned_model(trained), record.precision, progress)  # type: ignore[arg-type]
    guards = [(guard.name, guard.certify) for guard in tuning.guards]
    of = certify(court, own.test, own.populations(own.test), guards, Terms(), record.alpha)
    seconds = float(trained.record["train_seconds"])
    return Ran(own.name, LIBRARY, trained.record["pairs"], seconds, of.decision, of.gain, of.guards)
