"""The certificate: the test split is opened once, for the base and the one model that was chosen, and decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Store
from strop.evaluation.certification import evidence
from strop.models.pretrained import Pretrained
from strop.records.documents import Collection
from strop.records.formats import fixed, signed
from strop.records.runs import Run
from strop.records.tuned import Decision, Evidence, Population, QueryMoved
from strop.tuning.pools import relevant
from strop.tuning.ranking import MEASURE, ranked, values

#: Candidates that a cross-encoder reorders.
CANDIDATES = 50
#: Queries that are listed as won, and as lost.
LISTED = 10


@dataclass(frozen=True, slots=True)
class Terms:
    """What must hold. `gain` is the least certified gain, `margin` the most a guard may fall; with `trade` a certified
    gain is enough."""

    margin: float = 0.02
    gain: float = 0.0
    trade: bool = False


@dataclass(frozen=True, slots=True)
class Certificate:
    decision: Decision
    verdict: str
    reasons: tuple[str, ...]
    alpha: float
    gain: tuple[Evidence, ...]
    guards: tuple[Evidence, ...]
    won: tuple[QueryMoved, ...] = ()
    lost: tuple[QueryMoved, ...] = ()
    truncated: Mapping[str, Evidence] = field(default_factory=dict)
    #: collection -> query -> (the base's value, the tuned model's).
    values: Mapping[str, Mapping[str, tuple[float, float]]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Court:
    """Both models, and how they are asked to rank: in float32."""

    store: Store
    base: Pretrained
    tuned: Pretrained
    progress: Progress = silent

    def runs(self, collection: Collection) -> tuple[Run, Run]:
        first, second = (
            ranked(self.store, model, collection, "float32", CANDIDATES, self.progress)
            for model in (self.base, self.tuned)
        )
        return first, second

    def truncated(self, collection: Collection, dims: int) -> Run:
        return ranked(self.store, self.tuned, collection, "float32", CANDIDATES, self.progress, dims)


def certify(
    court: Court,
    test: Collection,
    populations: tuple[frozenset[str], frozenset[str]],
    guards: Iterable[tuple[str, Collection]],
    terms: Terms,
    alpha: float,
    dims: Sequence[int] = (),
) -> Certificate:
    """Superiority on the test split and non-inferiority on every guard, each at `alpha`: all must hold, so none is
    corrected (intersection-union, Berger 1982). Populations are told apart at half of it each."""
    first, second = court.runs(test)
    base, tuned = values(first, test), values(second, test)
    of_all = evidence(base, tuned, terms.gain, alpha, test.name, test.split, "all")
    names: tuple[Population, Population] = ("known answers", "new answers")
    each = [
        evidence(_only(base, own), _only(tuned, own), 0.0, alpha / 2, test.name, test.split, name)
        for name, own in zip(names, populations, strict=True)
        if own
    ]
    guarded, measured = [], {test.name: _both(base, tuned)}
    for name, collection in guards:
        theirs, ours = (values(run, collection) for run in court.runs(collection))
        guarded.append(evidence(theirs, ours, -terms.margin, alpha, name, collection.split, "all"))
        measured[name] = _both(theirs, ours)
    new = next((e for e in each if e.population == "new answers"), None)
    failed = [e for e in guarded if not e.passed]
    reasons = _reasons(of_all, failed, new, terms)
    harmed = bool(failed) or (new is not None and new.high < 0)
    decision: Decision = "HOLD" if not of_all.passed or (harmed and not terms.trade) else "TRADE" if harmed else "SHIP"
    cut = {}
    for d in dims:
        short = values(court.truncated(test, d), test)
        cut[str(d)] = evidence(base, short, -terms.margin, alpha, test.name, test.split, "all")
    moved = _moved(test, populations[1], base, tuned, first, second)
    won = tuple(query for query in moved if query.tuned > query.base)[:LISTED]
    lost = tuple(query for query in reversed(moved) if query.tuned < query.base)[:LISTED]
    return Certificate(
        decision, _verdict(decision, of_all, each, guarded, terms), tuple(reasons), alpha, (of_all, *each),
        tuple(guarded), won, lost, cut, measured,
    )  # fmt: skip


def beside(
    court: Court, test: Collection, guards: Iterable[tuple[str, Collection]], terms: Terms, alpha: float
) -> tuple[Evidence, ...]:
    """The court's tuned model on the test split and then on each guard, without a verdict."""
    of = []
    for name, collection, threshold in [(test.name, test, 0.0), *((n, c, -terms.margin) for n, c in guards)]:
        base, tuned = (values(run, collection) for run in court.runs(collection))
        of.append(evidence(base, tuned, threshold, alpha, name, collection.split, "all"))
    return tuple(of)


def _verdict(
    decision: Decision, gain: Evidence, each: Sequence[Evidence], guards: Sequence[Evidence], terms: Terms
) -> str:
    figure = f"{signed(gain.difference)} {MEASURE} [{signed(gain.low)}, {signed(gain.high)}]"
    where = f"{gain.collection}, {gain.queries:,} test queries"
    if decision == "HOLD":
        return f"The base is kept: {figure} on {where}."
    held = [e.population for e in each if e.passed]
    there = {e.population for e in each}
    if len(held) == 2:
        population = "for known and for new answers"
    elif held:
        others = there - set(held)
        population = f"for {held[0]}" + (f"; for {others.pop()} the gain is not resolved" if others else "")
    else:
        population = "for the mixture of known and new answers, and for neither alone"
    kept = f"no guard falls by more than {terms.margin:g}" if decision == "SHIP" else "a guard may fall: a trade"
    if not guards:
        kept = "nothing was guarded"
    return f"Better by {figure} on {where}, {population}; {kept}."


def _reasons(gain: Evidence, failed: Sequence[Evidence], new: Evidence | None, terms: Terms) -> list[str]:
    reasons = []
    if not gain.passed:
        least = f"above {terms.gain:g}" if terms.gain else "above 0"
        reasons.append(
            f"The gain is not certified to be {least}: at least {signed(gain.bound)}. {gain.queries:,} queries can be "
            f"expected to certify a gain of {fixed(gain.smallest)}."
        )
    for e in failed:
        what = "falls" if e.high < 0 else "may fall"
        reasons.append(
            f"The guard {e.collection} {what} by more than the margin: {signed(e.difference)}, at worst "
            f"{signed(e.bound)}. {e.queries:,} queries can be expected to certify a margin of {fixed(e.smallest)}."
        )
    if new is not None and new.high < 0:
        reasons.append(f"Queries with new answers lose {fixed(-new.difference)}: the gain is answers learnt by heart.")
    elif new is not None and not new.passed:
        reasons.append(
            f"On the {new.queries:,} queries with new answers nothing is resolved ({signed(new.difference)}); a loss "
            f"below {fixed(new.smallest)} would not have been seen."
        )
    return reasons


def _moved(
    test: Collection,
    new: frozenset[str],
    base: Mapping[str, float],
    tuned: Mapping[str, float],
    first: Run,
    second: Run,
) -> list[QueryMoved]:
    """Queries that differ, from the largest gain to the largest loss."""
    moved = sorted((q for q in base if abs(tuned[q] - base[q]) > 1e-9), key=lambda q: (base[q] - tuned[q], q))
    return [
        QueryMoved(
            q, test.queries[q].text, "new answers" if q in new else "known answers", base[q], tuned[q],
            _rank(first, q, test), _rank(second, q, test),
        )
        for q in moved
    ]  # fmt: skip


def _rank(run: Run, query_id: str, test: Collection) -> int | None:
    answers = relevant(test.qrels[query_id])
    ranking = run.get(query_id)
    return next((i for i, d in enumerate(ranking.doc_ids, start=1) if d in answers), None) if ranking else None


def _only(of: Mapping[str, float], queries: frozenset[str]) -> dict[str, float]:
    return {q: value for q, value in of.items() if q in queries}


def _both(base: Mapping[str, float], tuned: Mapping[str, float]) -> dict[str, tuple[float, float]]:
    return {q: (value, tuned[q]) for q, value in base.items()}
