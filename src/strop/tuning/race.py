"""The race: successive halving of candidates on dev queries, and the walk from the base to the winner's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from strop.artifacts.store import Artifact
from strop.models.pretrained import Pretrained
from strop.monitoring.alarms import alarms
from strop.monitoring.logbook import ROWS, read_logbook
from strop.records.tuned import End, Point, Tried
from strop.training.recipes import Recipe
from strop.training.stage import Training, tuned_model
from strop.tuning.candidates import Candidate
from strop.tuning.looks import Panel
from strop.tuning.plan import RACE_SHARES, Plan
from strop.tuning.selection import Judge, Worth
from strop.tuning.trials import Trials

#: From here on a certificate is called probable.
PROBABLE = 0.8
#: Snapshots of the last training; the late ones are averaged.
SNAPSHOTS, LATE = 5, 3


@dataclass(frozen=True, eq=False)
class Stop:
    """A point between the base and the mean of some tuned weights, and what it is worth on dev queries."""

    point: Point
    worth: Worth
    weights: tuple[Pretrained, ...]


@dataclass(frozen=True, eq=False)
class Finish:
    """The last training, the ends of the two paths, and its alarms as sentences."""

    candidate: Candidate
    artifact: Artifact
    training: Training
    ends: Mapping[str, tuple[Pretrained, ...]]
    alarms: tuple[str, ...]


def race(
    candidates: Sequence[Candidate], plan: Plan, trials: Trials, panel: Panel, judge: Judge
) -> tuple[Finish, list[Tried], list[Stop]]:
    """Each round trains the candidates that are left on more pairs and keeps the better half by score. The last round
    trains the winner once more, on the most pairs, with snapshots. The stops are the looks of all rounds but the
    last: where a short training is best, it is there to be chosen."""
    left, tried, stops = list(candidates[: plan.rounds[0].candidates]), list[Tried](), list[Stop]()
    for number, of in enumerate(plan.rounds[:-1], start=1):
        results = list[tuple[Candidate, Artifact, Training, Worth]]()
        for candidate in left:
            artifact, training = trials(candidate, plan.pairs(candidate, of))
            place, weights = len(tried) + len(results), (tuned_model(artifact),)
            looks = [_look("last", weights, share, panel, judge, place) for share in RACE_SHARES]
            best = max(looks, key=lambda stop: stop.worth.score)
            results.append((candidate, artifact, training, best.worth))
            stops += looks
        ranking = sorted(results, key=lambda result: -result[3].score)  # stable: of equals the earlier stays
        left = [candidate for candidate, *_ in ranking[: max(1, len(left) // 2)]]
        for candidate, artifact, training, worth in results:
            tried.append(_tried(number, candidate, artifact, training, worth, candidate in left))
    winner, last = left[0], plan.rounds[-1]
    artifact, training = trials(winner, plan.pairs(winner, last), SNAPSHOTS)
    late = [training.snapshot(trials.store, step) for step in training.snapshot_steps[-LATE:]]
    ends = {"last": (tuned_model(artifact),), "average": tuple(map(tuned_model, late))}
    tried.append(_tried(len(plan.rounds), winner, artifact, training, judge(panel(ends["last"], 1.0)), True))
    return Finish(winner, artifact, training, ends, raised(artifact)), tried, stops


def walk(finish: Finish, plan: Plan, panel: Panel, judge: Judge) -> list[Stop]:
    """Points on both paths of the last training."""
    paths: tuple[tuple[End, Sequence[float]], ...] = (("last", plan.shares), ("average", plan.average_shares))
    return [_look(end, finish.ends[end], share, panel, judge) for end, shares in paths for share in shares]


def choose(stops: Sequence[Stop]) -> tuple[list[Point], Stop | None]:
    """All points, and one of those allowed: of those that will probably be certified the one of the highest score, or
    else the one most likely to be; of equals the nearest to the base."""

    def rank(stop: Stop) -> tuple[bool, float, float]:
        probable = stop.worth.likely >= PROBABLE
        return probable, stop.worth.score if probable else stop.worth.likely, -stop.point.share

    best = max((stop for stop in stops if stop.point.allowed), key=rank, default=None)
    return [replace(stop.point, chosen=stop is best) for stop in stops], best


def _look(
    end: End, weights: tuple[Pretrained, ...], share: float, panel: Panel, judge: Judge, training: int = -1
) -> Stop:
    look = panel(weights, share)
    worth = judge(look)
    point = Point(
        end, share, worth.gain, worth.guards, look.overlap, worth.allowed, False, worth.reason, training, worth.likely
    )
    return Stop(point, worth, weights)


def _tried(
    number: int, candidate: Candidate, artifact: Artifact, training: Training, worth: Worth, kept: bool
) -> Tried:
    reason = worth.reason if not kept else ""
    return Tried(
        name=candidate.name,
        round=number,
        settings=settings(training.recipe),
        pairs=pairs_of(training),
        updates=training.recipe.updates,
        seconds=float(artifact.record["wall_seconds"]),
        gain=worth.gain,
        guards=worth.guards,
        score=worth.score,
        kept=kept,
        reason=reason,
    )


def pairs_of(training: Training) -> int:
    """How many pairs it is trained on, each time counted."""
    return training.recipe.updates * training.recipe.batching.size


def settings(recipe: Recipe) -> dict[str, str]:
    """The recipe as `--set` would write it: field -> value, dots for inner fields."""

    def flat(value: Any, prefix: str) -> dict[str, str]:
        if not is_dataclass(value):
            return {prefix: ",".join(map(str, value)) if isinstance(value, tuple) else str(value)}
        inner = {f.name: getattr(value, f.name) for f in fields(value)}
        out = {prefix: type(value).__name__} if prefix else {}
        for name, each in inner.items():
            out |= flat(each, f"{prefix}.{name}" if prefix else name)
        return out

    return flat(recipe, "")


def raised(artifact: Artifact) -> tuple[str, ...]:
    """The alarms of a training, as sentences."""
    if not (artifact.path / ROWS).is_file():
        return ()
    course = read_logbook(artifact.path)
    return tuple(f"update {a.step}, {a.name}: {a.sentence}" for a in alarms(course.series, course.about))
