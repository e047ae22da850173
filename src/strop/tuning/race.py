"""The race: successive halving of candidates on dev queries, and the walk from the base to the winner's weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from strop.artifacts.store import Artifact
from strop.models.pretrained import Pretrained
from strop.monitoring.alarms import alarms
from strop.monitoring.logbook import ROWS, read_logbook
from strop.records.tuned import Point, Tried
from strop.training.recipes import Recipe
from strop.training.stage import Training, tuned_model
from strop.tuning.candidates import Candidate
from strop.tuning.looks import Panel
from strop.tuning.plan import RACE_SHARES, Plan
from strop.tuning.selection import Judge, Worth
from strop.tuning.trials import Trials

#: Snapshots of the last training; the late ones are averaged.
SNAPSHOTS, LATE = 5, 3


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
) -> tuple[Finish, list[Tried]]:
    """Each round trains the candidates that are left on more pairs and keeps the better half by score. The last round
    trains the winner once more, on the most pairs, with snapshots."""
    left, tried = list(candidates[: plan.rounds[0].candidates]), list[Tried]()
    for number, of in enumerate(plan.rounds[:-1], start=1):
        results = []
        for candidate in left:
            artifact, training = trials(candidate, plan.pairs(candidate, of))
            looks = [judge(panel([tuned_model(artifact)], share)) for share in RACE_SHARES]
            results.append((candidate, artifact, training, max(looks, key=lambda worth: worth.score)))
        ranking = sorted(results, key=lambda result: -result[3].score)  # stable: of equals the earlier stays
        left = [candidate for candidate, *_ in ranking[: max(1, len(left) // 2)]]
        for candidate, artifact, training, worth in results:
            tried.append(_tried(number, candidate, artifact, training, worth, candidate in left))
    winner, last = left[0], plan.rounds[-1]
    artifact, training = trials(winner, plan.pairs(winner, last), SNAPSHOTS)
    late = [training.snapshot(trials.store, step) for step in training.snapshot_steps[-LATE:]]
    ends = {"last": (tuned_model(artifact),), "average": tuple(map(tuned_model, late))}
    tried.append(_tried(len(plan.rounds), winner, artifact, training, judge(panel(ends["last"], 1.0)), True))
    return Finish(winner, artifact, training, ends, raised(artifact)), tried


def walk(finish: Finish, plan: Plan, panel: Panel, judge: Judge) -> list[Point]:
    """Points on both paths; the allowed one of the highest score is chosen, of equals the nearest to the base."""
    seen = []
    for end, shares in (("last", plan.shares), ("average", plan.average_shares)):
        for share in shares:
            look = panel(finish.ends[end], share)
            worth = judge(look)
            point = Point(end, share, worth.gain, worth.guards, look.overlap, worth.allowed, False, worth.reason)  # type: ignore[arg-type]
            seen.append((worth.score, point))
    allowed = [(score, -point.share, i) for i, (score, point) in enumerate(seen) if point.allowed]
    best = max(allowed)[2] if allowed else None
    return [replace(point, chosen=i == best) for i, (_, point) in enumerate(seen)]


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
