"""The fusion of runs as a Python call: TREC runs in, a TREC run out."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from strop.commands import free, judgments
from strop.evaluate import read_judged_run
from strop.fuse import CombMNZ, Fusion, MinMax, ReciprocalRank, ZScore
from strop.fuse_tuning import Tuned, tuned, weight_grid
from strop.nouns import InputError, InputWarning
from strop.runs import read_run, write_run

METHODS: Mapping[str, Fusion] = {"rrf": ReciprocalRank(), "minmax": MinMax(), "zscore": ZScore(), "combmnz": CombMNZ()}


def fuse(
    out: str | Path,
    runs: Sequence[str | Path],
    method: str = "rrf",
    weights: tuple[float, ...] = (),
    tune_on: str | None = None,
    dev_runs: Sequence[str | Path] = (),
    split: str = "dev",
    measure: str = "nDCG@10",
) -> Tuned | None:
    """Write the TREC run that `method` (of `METHODS`) makes of `runs`; its tag is the method's name.

    `weights` are one for each run. With `tune_on`, qrels or a collection whose `split` is judged, they are chosen for
    `measure` on `dev_runs`, one for each run and in the same order, and what was found is returned. Raises InputError
    when a query to tune on is among those to fuse: the result could not be measured honestly.
    """
    free(out)
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}", remedy=f"Choose one of {', '.join(METHODS)}")
    if len(runs) < 2:
        raise InputError("there is one run only", remedy="Give two or more")
    chosen = METHODS[method]
    if isinstance(chosen, CombMNZ):
        if weights or tune_on is not None:
            raise InputError(f"{method} takes no weights", remedy="Leave them out, or choose another method")
    elif weights and tune_on is not None:
        raise InputError("weights are given and to be tuned as well", remedy="Leave one of them out")
    else:
        chosen = replace(chosen, weights=weights)
    if (tune_on is None and dev_runs) or (tune_on is not None and len(dev_runs) != len(runs)):
        raise InputError(
            f"{len(dev_runs)} dev runs for {len(runs)} runs",
            remedy="With qrels to tune on give one for each run, in the same order; without, none",
        )
    read = [read_run(path) for path in runs]
    found = None
    if tune_on is not None and not isinstance(chosen, CombMNZ):
        judged = judgments(tune_on, split)
        if shared := [query_id for run in read for query_id in run if query_id in judged]:
            raise InputError(
                f"{len(set(shared)):,} queries to tune on are among those to fuse (first: {shared[0]!r})",
                remedy="Tune on other queries than those you measure",
            )
        found = tuned(chosen, [read_judged_run(p, judged) for p in dev_runs], judged, measure, weight_grid(len(runs)))
        chosen = found.method
    fused = chosen(read)
    for path, run in zip(runs, read, strict=True):
        if len(run) < len(fused):
            lacking = f"{len(fused) - len(run):,} of {len(fused):,} queries are not in it"
            warnings.warn(f"{path}: {lacking}, and it has no say there", InputWarning, stacklevel=2)
    write_run(fused, out, method)
    return found
