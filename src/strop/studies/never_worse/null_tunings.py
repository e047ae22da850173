"""Whole tunings that have nothing to learn: labels are shuffled, and every one of them should end in HOLD."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.collection.fingerprint import with_fingerprint
from strop.models.precision import native
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.formats import fixed
from strop.records.results import read_json, write_json
from strop.records.tuned import TuneRecord
from strop.study.parts import Outcome
from strop.tuning.artifact import RECORD
from strop.tuning.domain import Domain
from strop.tuning.plan import Plan, Round
from strop.tuning.request import Request
from strop.tuning.tune import Tuning

BASE = "all-MiniLM-L6-v2"
#: A part of the embedded collection, small enough to be tuned on over and over.
COLLECTION = "docstrings:accelerate,peft"
TUNINGS = 40
#: One training of the first candidate, whatever the machine; rates are not needed by a plan that is given.
PLAN = Plan("bfloat16", 1, 1, 1, 1, 1, 0, 0, 0, (Round(1, 192),), (0.5, 1.0), ())


@dataclass(frozen=True, slots=True)
class NullTuning:
    """`shuffled`: training answers, or dev answers too. `opened`: whether the test split was."""

    seed: int
    shuffled: str
    decision: str
    opened: bool
    dev_gain: float
    difference: float | None
    bound: float | None


def nulls(store: Store, progress: Progress, names: Sequence[str] = ()) -> Outcome:
    """Forty tunings, and `nulls.json`. Raises InputError when collections are named: there is one for all."""
    if names:
        raise InputError("the null tunings have a collection of their own", remedy="Leave --on and --test out")
    ran = list(null_tunings(store, progress))
    folder = store.root / "results" / "never_worse-nulls"
    folder.mkdir(parents=True, exist_ok=True)
    write_json([asdict(each) for each in ran], folder / "nulls.json")
    rows = [["shuffled", "tunings", "test opened", "HOLD", "highest bound"]]
    for kind in dict.fromkeys(each.shuffled for each in ran):
        of = [each for each in ran if each.shuffled == kind]
        bounds = [each.bound for each in of if each.bound is not None]
        held, opened = (str(sum(flags)) for flags in ([e.decision == "HOLD" for e in of], [e.opened for e in of]))
        rows.append([kind, str(len(of)), opened, held, fixed(max(bounds, default=None))])
    return Outcome(folder, {f"Tunings of {COLLECTION} with shuffled labels": rows})


def null_tunings(store: Store, progress: Progress, tunings: int = TUNINGS) -> Iterator[NullTuning]:
    """Half of them with true dev answers, by which anything learnt looks bad; half with shuffled ones, by which chance
    alone chooses, so that the test split is opened and the certificate must refuse. The test answers are true."""
    whole = Tuning.of(Request(COLLECTION, BASE, (), budget=60), store, lambda line: None, progress)
    for seed in range(tunings):
        too = bool(seed % 2)
        request = replace(whole.request, seed=seed)
        tuning = replace(whole, request=request, domain=shuffled(whole.domain, seed, too))
        record = read_json(TuneRecord, tuning(replace(PLAN, precision=native(PLAN.precision))).path / RECORD)
        gain = record.gain[0] if record.gain else None
        yield NullTuning(
            seed,
            "training and dev answers" if too else "training answers",
            record.decision,
            gain is not None,
            max(point.gain for point in record.path),
            gain.difference if gain else None,
            gain.bound if gain else None,
        )


def shuffled(domain: Domain, seed: int, dev_too: bool) -> Domain:
    """The domain with each training query's answers given to another, and the dev queries' too."""
    groups = domain.examples.groups
    order = _derangement(len(groups), seed)
    answers = [(groups[i].positives, groups[i].relevant) for i in order]
    mixed = [replace(g, positives=own, relevant=known) for g, (own, known) in zip(groups, answers, strict=True)]
    examples = replace(domain.examples, groups=tuple(mixed))
    return replace(domain, examples=examples, dev=_mixed(domain.dev, seed) if dev_too else domain.dev)


def _mixed(dev: Collection, seed: int) -> Collection:
    queries = list(dev.qrels)
    order = _derangement(len(queries), seed)
    qrels = {q: dev.qrels[queries[i]] for q, i in zip(queries, order, strict=True)}
    return with_fingerprint(replace(dev, qrels=qrels))


def _derangement(count: int, seed: int) -> Sequence[int]:
    """A permutation in which nothing keeps its place: a random cycle through all."""
    cycle = np.random.default_rng(seed).permutation(count)
    order = np.empty(count, dtype=np.int64)
    order[cycle] = np.roll(cycle, 1)
    return [int(i) for i in order]
