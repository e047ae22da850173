"""The monitor: an observer that looks at the geometry of a training as it goes, and keeps to a share of its time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import numpy as np

from strop.geometry.catalogue import LIVE, diagnose
from strop.geometry.projection import Plane, fit_pca
from strop.geometry.sample import Sample
from strop.geometry.separation import positive_ranks
from strop.models.encoder import Encoder
from strop.monitoring.probe import DOCUMENTS, QUERIES, Look
from strop.records.documents import Group

#: Of the time a run takes, and of its updates: what a monitor takes at most, and looks at.
SHARE, POINTS = 0.03, 50
#: The first updates warm a device up; the next ones are timed, before anything is planned.
_WARM, _TIMED = 2, 5
#: What is drawn of a probe: more points would only cover each other.
_DRAWN_QUERIES, _DRAWN_DOCUMENTS = 100, 300


def affordable(updates: int, batch_size: int, groups: Sequence[Group]) -> float:
    """The share of a whole probe that a run can be watched through within 3 % of its time; 0 for none.

    A whole one where ten looks at it fit, else a smaller one, down to a quarter of it looked at twice. An update costs
    three passes per text, a look one.
    """
    texts = fmean(1 + len(g.positives) + len(g.negatives) for g in groups)
    passes = SHARE * 3 * updates * batch_size * texts / (QUERIES + DOCUMENTS)
    return min(1.0, max(passes / 10, 0.25)) if passes >= 2 * 0.25 else 0.0


def next_look(step: int, updates: int, update_seconds: float, look_seconds: float, spent: float, left: int) -> int:
    """The update to look at next: as many evenly spread looks as `left` and the time allow, and always the last.

    `spent` seconds are gone from the share of the whole run's time, `look_seconds` are kept for the last update.
    """
    affordable = int((SHARE * update_seconds * updates - spent - look_seconds) / look_seconds)
    between = max(0, min(left - 1, affordable))
    return min(updates, step + max(1, -(-(updates - step) // (between + 1))))


@dataclass(slots=True, eq=False)
class Monitor:
    """Geometry of a fixed probe, up to 50 times in a run of `updates`, spread evenly, and after the last update.

    It plans by the clock to take at most 3 % of the run's time, so it looks at a short run less often; the last
    update is looked at in any case. With `fixed` it looks every so many updates, whatever that costs: what stops or
    chooses by geometry must see the same on every machine. Update 0 is the model as it was given.
    """

    look: Look
    base: Sample
    updates: int
    fixed: int | None = None
    draw: Callable[[Mapping[str, Any]], None] | None = None
    seconds: float = 0.0
    _plane: Plane = field(init=False)
    _looks: int = 0
    _next: int | None = None
    _warmed: int | None = None
    _since: float = 0.0

    def __post_init__(self) -> None:
        self._plane = fit_pca(np.concatenate([self.base.queries, self.base.documents]))

    @classmethod
    def of(cls, look: Look, encoder: Encoder, updates: int, **settings: Any) -> Monitor:
        """From the model as it stands: the base of all that follows."""
        started = time.perf_counter()
        base = look(encoder)
        return cls(look, base, updates, seconds=time.perf_counter() - started, **settings)

    @property
    def every(self) -> int:
        return self.fixed or 1

    def __call__(self, step: int, encoder: Encoder) -> Mapping[str, float]:
        """`geometry/…` of the probe, `dev/RR@10` of its queries in its documents, `clock/monitor/s`; or nothing."""
        if not (self.fixed or step in (0, self.updates)) and not self._due(step):
            return {}
        started = time.perf_counter()
        sample = self.base if step == 0 else self.look(encoder)
        geometry = {f"geometry/{name}": value for name, value in diagnose(sample, self.base, LIVE).items()}
        if self.draw:
            self.draw({"step": step, **self._picture(sample)})
        took = time.perf_counter() - started
        self.seconds += took
        self._looks += 1
        return {**geometry, "dev/RR@10": reciprocal_rank(sample), "clock/monitor/s": took}

    def cost(self, run_seconds: float) -> dict[str, float]:
        """What the monitor took of a run: `monitor_looks`, `monitor_seconds` and its share of the run's time."""
        return {
            "monitor_looks": self._looks,
            "monitor_seconds": round(self.seconds, 2),
            "monitor_share": round(self.seconds / run_seconds, 4),
        }

    def _due(self, step: int) -> bool:
        """Whether to look now. Plans once the first updates are timed, and again at every look."""
        training = time.perf_counter() - self.seconds
        if self._warmed is None:
            self._warmed = step + _WARM
        if step == self._warmed:
            self._since = training
        if step not in (self._warmed + _TIMED, self._next):
            return False
        update = (training - self._since) / (step - self._warmed)
        due = step == self._next
        look = self.seconds / max(1, self._looks)
        self._next = next_look(step, self.updates, update, look, self.seconds + due * look, POINTS - self._looks)
        return due

    def _picture(self, sample: Sample) -> dict[str, Any]:
        queries, documents = (
            rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(int)]
            for rows, most in ((sample.queries, _DRAWN_QUERIES), (sample.documents, _DRAWN_DOCUMENTS))
        )
        points = self._plane.points(np.concatenate([queries, documents])).round(4).tolist()
        return {"explained": round(self._plane.explained, 4), "points": points, "queries": len(queries)}


def reciprocal_rank(sample: Sample) -> float:
    """RR@10 of each query's one positive among the sample's documents, in [0, 1]."""
    ranks = positive_ranks(sample)
    return float(np.where(ranks <= 10, 1.0 / ranks, 0.0).mean())
