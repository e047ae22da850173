"""How good a rule's checkpoints are, beside the oracle's and the last ones, over several runs and all their queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from strop.evaluation.comparison import UNRESOLVED, verdict
from strop.evaluation.significance import holm, percentile_interval, randomisation_p
from strop.monitoring.selection import oracle_step
from strop.records.errors import InputError, excerpt
from strop.records.exhibits.checkpoints import Estimate, RuleAbout
from strop.study.checkpoints.predictors import Checkpoint

Floats = npt.NDArray[np.float64]
#: (run, collection) -> a value for each query of that collection, in order of query ids.
PerQuery = Mapping[tuple[str, str], Floats]

SPLITS, RESAMPLES = 20, 2_000
#: The rule that the others are compared with.
BASELINE = "last"


def rule_table(
    checkpoints: Sequence[Checkpoint],
    chosen: Mapping[str, Mapping[str, int]],
) -> tuple[RuleAbout, ...]:
    """Every rule's score in the order given, then the oracle's. `chosen`: rule -> run -> update; 0 is the base.

    The oracle picks each run's best checkpoint on one random half of the queries and counts on the other, either way
    round, over 20 fixed splits. Raises InputError where a rule chose no checkpoint or an unknown one, or BASELINE is no
    rule.
    """
    courses = _courses(checkpoints)
    if BASELINE not in chosen:
        raise InputError(
            f"{excerpt(BASELINE)} is none of the rules {sorted(chosen)}", remedy="Name the rule to compare with"
        )
    oracle = {course: _halved_oracle(of_step) for course, of_step in courses.items()}
    gains: dict[str, PerQuery] = {}
    for rule, steps in chosen.items():
        for run, collection in courses:
            if steps.get(run, -1) not in courses[run, collection]:
                raise InputError(
                    f"{rule} chose update {steps.get(run)} of {run}, which was not tested on {collection}",
                    remedy="Test every checkpoint that a rule may choose",
                )
        gains[rule] = {(run, name): of_step[steps[run]] for (run, name), of_step in courses.items()}
    gains["oracle"] = oracle
    contrasts = {rule: _minus(gain, gains[BASELINE]) for rule, gain in gains.items()}
    tested = [rule for rule in chosen if rule != BASELINE]
    corrected = dict(zip(tested, holm([_over_runs(contrasts[rule]) for rule in tested]), strict=True))
    runs = len({run for run, _ in courses})
    queries = sum({collection: len(values) for (_, collection), values in oracle.items()}.values())
    table = []
    for rule, gain in gains.items():
        regret, over, p = hierarchical(_minus(oracle, gain)), hierarchical(contrasts[rule]), corrected.get(rule)
        worded = f"{_word(over, p)} ({runs} runs, {queries} queries)"
        table.append(RuleAbout(rule, runs, queries, hierarchical(gain), regret, over, p, worded))
    return tuple(table)


def _word(over_baseline: Estimate, p: float | None) -> str:
    if p is None:
        return "–"
    word = verdict(over_baseline.mean, over_baseline.low, over_baseline.high, p)
    return word if word == UNRESOLVED else f"{word} than the baseline"


def hierarchical(values: PerQuery, resamples: int = RESAMPLES) -> Estimate:
    """The mean over (run, collection) of means over queries; 95 % percentile interval over drawn runs and queries.

    A drawn run brings all its collections; one draw of a collection's queries serves all runs (they are crossed).
    Runs are first moved apart by sqrt(R / (R - 1)), as `significance` does, since R drawn from R vary that much less.
    """
    rng = np.random.default_rng(0)
    runs = sorted({run for run, _ in values})
    mean = float(np.mean([v.mean() for v in values.values()]))
    apart = (len(runs) / (len(runs) - 1)) ** 0.5 - 1 if len(runs) > 1 else 0.0
    counts = rng.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), resamples)
    total, weight = np.zeros(resamples), np.zeros(resamples)
    for collection in sorted({name for _, name in values}):
        mine = [run for run in runs if (run, collection) in values]
        rows = np.stack([values[run, collection] for run in mine])
        n = rows.shape[1]
        means = rng.multinomial(n, np.full(n, 1 / n), resamples) / n @ rows.T + apart * (rows.mean(axis=1) - mean)
        times = counts[:, [runs.index(run) for run in mine]]
        total += (times * means).sum(axis=1)
        weight += times.sum(axis=1)
    return Estimate(mean, *percentile_interval(total / weight))


def _courses(checkpoints: Sequence[Checkpoint]) -> dict[tuple[str, str], dict[int, Floats]]:
    """(run, collection) -> update -> differences in order of query ids, update 0 as zeros."""
    queries = {c.collection: sorted(c.differences) for c in checkpoints}
    courses: dict[tuple[str, str], dict[int, Floats]] = {}
    for c in checkpoints:
        if sorted(c.differences) != queries[c.collection] or len(c.differences) < 2:
            raise InputError(
                f"{c.run} at update {c.step} was not tested on the queries others of {c.collection} were, or on one",
                remedy="Test every checkpoint of a collection on the same queries",
            )
        course = courses.setdefault((c.run, c.collection), {0: np.zeros(len(c.differences))})
        course[c.step] = np.array([c.differences[q] for q in queries[c.collection]], dtype=np.float64)
    return courses


def _halved_oracle(of_step: Mapping[int, Floats]) -> Floats:
    """Each query's difference at the update that was best on the half without it, averaged over splits."""
    n = len(of_step[0])
    differences = np.zeros(n)
    for seed in range(SPLITS):
        half = np.random.default_rng(seed).permutation(n) < n // 2
        for known in (half, ~half):
            step = oracle_step({step: float(v[known].mean()) for step, v in of_step.items()})
            differences[~known] += of_step[step][~known] / SPLITS
    return differences


def _minus(a: PerQuery, b: PerQuery) -> PerQuery:
    return {course: values - b[course] for course, values in a.items()}


def _over_runs(values: PerQuery) -> float:
    """p of the paired randomisation test whose units are runs: signs of whole runs are drawn."""
    runs = sorted({run for run, _ in values})
    return randomisation_p([np.mean([v.mean() for (of, _), v in values.items() if of == run]) for run in runs])
