"""Which diagnostics predict that a checkpoint searches worse than the base. With few runs mostly: not resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy  # type: ignore[import-untyped]

from strop.evaluation.significance import holm, significant
from strop.records.errors import InputError
from strop.records.exhibits.checkpoints import PredictorAbout

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

PERMUTATIONS = 1_999


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """One checkpoint of a run on one test collection; update 0, the base, is none of them.

    `diagnostics`: name -> value relative to the base's. `differences`: query id -> test value minus the base's.
    """

    run: str
    family: str
    collection: str
    step: int
    diagnostics: Mapping[str, float]
    differences: Mapping[str, float]


def predictors(checkpoints: Sequence[Checkpoint], trivial: Sequence[str] = ()) -> tuple[PredictorAbout, ...]:
    """Every diagnostic, in the order of the first checkpoint's; `trivial` names those to be beaten.

    It predicts when its `p_holm` is significant and each R², and what it has over the trivial ones, is above 0.

    The permutation test gives whole runs' outcomes to other runs tested on the same collections, so that checkpoints
    of one run, which resemble each other, count once, and a trend with the update that all runs share is no evidence.
    Raises InputError with fewer than two families, or where a diagnostic is missing or not finite.
    """
    rows = sorted(checkpoints, key=lambda c: (c.run, c.collection, c.step))
    names = list(checkpoints[0].diagnostics) if checkpoints else []
    families, collections = np.array([c.family for c in rows]), np.array([c.collection for c in rows])
    if len(set(families)) < 2:
        raise InputError("all runs are of one recipe family", remedy="Give runs of two families at least")
    if unknown := set(trivial) - set(names):
        raise InputError(f"nobody measured {sorted(unknown)}", remedy=f"Name some of {', '.join(names)}")
    values = {name: np.array([c.diagnostics.get(name, np.nan) for c in rows]) for name in names}
    for name, x in values.items():
        if not np.isfinite(x).all():
            bad = rows[int(np.argmin(np.isfinite(x)))]
            raise InputError(f"{bad.run} has no finite {name} at update {bad.step}", remedy="Leave the diagnostic out")
    y = np.array([np.mean(list(c.differences.values())) for c in rows])
    several, permuted = len(set(collections)) > 1, y[_permutations(rows)]
    r2 = {name: float(_r2(x, y, families)) for name, x in values.items()}
    p = {
        n: float(((_r2(x, permuted, families) >= r2[n] - 1e-12).sum() + 1) / (len(permuted) + 1))
        for n, x in values.items()
    }
    tested = [name for name in names if name not in trivial]
    corrected = dict(zip(tested, holm([p[name] for name in tested]), strict=True))
    best = max((r2[name] for name in trivial), default=None)
    runs, of = len({c.run for c in rows}), (len(set(families)), len(set(collections)))
    n = f"{runs} runs of {of[0]} families, {of[1]} collections"
    table = []
    for name, x in values.items():
        over_trivial = r2[name] - best if best is not None and name in corrected else None
        r2_collection = float(_r2(x, y, collections)) if several else None
        better = all(value is None or value > 0 for value in (r2[name], r2_collection, over_trivial))
        predicts = name in corrected and significant(corrected[name]) and better
        table.append(
            PredictorAbout(
                name=name,
                trivial=name in trivial,
                checkpoints=len(rows),
                runs=runs,
                families=of[0],
                collections=of[1],
                spearman=_spearman(x, y),
                r2_family=r2[name],
                auc_family=_auc(y < 0, -_left_out(x, y, families)[0]),
                r2_collection=r2_collection,
                auc_collection=_auc(y < 0, -_left_out(x, y, collections)[0]) if several else None,
                p=p[name],
                p_holm=corrected.get(name),
                over_trivial=over_trivial,
                verdict=f"{'predicts' if predicts else 'not resolved'} ({n})",
            )
        )
    return tuple(table)


def _left_out(x: Floats, y: Floats, groups: npt.NDArray[np.str_]) -> tuple[Floats, Floats]:
    """For each group what a line through all others predicts, and the others' mean. `y` is (..., n)."""
    predicted, others = np.empty(y.shape), np.empty(y.shape)
    for group in np.unique(groups):
        out = groups == group
        centre, mean = x[~out].mean(), y[..., ~out].mean(axis=-1, keepdims=True)
        spread = x[~out] - centre
        squares = float(spread @ spread)
        slope = (y[..., ~out] @ spread)[..., None] / squares if squares > 1e-24 else np.zeros_like(mean)
        predicted[..., out], others[..., out] = mean + slope * (x[out] - centre), mean
    return predicted, others


def _r2(x: Floats, y: Floats, groups: npt.NDArray[np.str_]) -> Floats:
    predicted, others = _left_out(x, y, groups)
    missed, plain = np.square(y - predicted).sum(axis=-1), np.square(y - others).sum(axis=-1)
    share: Floats = 1 - missed / np.where(plain > 0, plain, 1.0)
    return share


def _spearman(x: Floats, y: Floats) -> float:
    """0 where one of them is constant: it orders nothing."""
    return float(scipy.stats.spearmanr(x, y).statistic) if np.ptp(x) > 0 and np.ptp(y) > 0 else 0.0


def _auc(worse: npt.NDArray[np.bool_], score: Floats) -> float | None:
    """The chance that a worse checkpoint scores above another one, ties counting half."""
    if worse.all() or not worse.any():
        return None
    won = scipy.stats.mannwhitneyu(score[worse], score[~worse], method="asymptotic").statistic
    return float(won / (worse.sum() * (~worse).sum()))


def _permutations(rows: Sequence[Checkpoint]) -> Ints:
    """(permutations, rows): whose outcome each row gets. A run with more checkpoints gives those nearest in order."""
    rng = np.random.default_rng(0)
    places: dict[str, dict[str, list[int]]] = {}
    for i, row in enumerate(rows):
        places.setdefault(row.run, {}).setdefault(row.collection, []).append(i)
    alike: dict[tuple[str, ...], list[str]] = {}
    for run, of_collection in places.items():
        alike.setdefault(tuple(of_collection), []).append(run)
    index = np.empty((PERMUTATIONS, len(rows)), dtype=np.int64)
    for runs in alike.values():
        donors = rng.permuted(np.tile(np.arange(len(runs)), (PERMUTATIONS, 1)), axis=1)
        for which, run in enumerate(runs):
            for collection, mine in places[run].items():
                offered = np.array([_spread(places[donor][collection], len(mine)) for donor in runs])
                index[:, mine] = offered[donors[:, which]]
    return index


def _spread(items: Sequence[int], count: int) -> list[int]:
    """`count` of the items in order, evenly spread; some twice where there are fewer."""
    return [items[k] for k in np.rint(np.linspace(0, len(items) - 1, count)).astype(int)]
