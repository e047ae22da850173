"""How much a diagnostic depends on which texts were sampled."""

from __future__ import annotations

import numpy as np

from strop.geometry.sample import Diagnostic, Sample, check_same_texts
from strop.records.errors import InputError


def interval(
    diagnostic: Diagnostic, sample: Sample, base: Sample | None = None, replicates: int = 100, seed: int = 0
) -> tuple[float, float, float]:
    """A diagnostic's value and its approximate 95 % interval over the choice of texts: (value, low, high).

    value ± 1.96 SD of the diagnostic over random halves of the texts, cut off at its range. Halves are drawn without
    replacement: for a mean, the variance over halves is that of the mean of the full sample, while a bootstrap would
    duplicate texts, which looks like collapse to measures of pairs. A relative diagnostic uses the same half of both
    models. For almost independent pairs (isotropic directions) the interval is up to 1.7 times too wide. Raises
    InputError with fewer than four queries or two replicates, or where the texts of the two samples differ.
    Politis and Romano 1994 (Annals of Statistics 22), for halves as in Shao and Wu 1989 (same journal, 17).
    """
    if len(sample.positives) < 4 or replicates < 2:
        raise InputError(
            f"{len(sample.positives)} queries in {replicates} replicates are too few for halves",
            remedy="Give four queries and two replicates at least",
        )
    if base is not None:
        check_same_texts(sample, base)
    value = diagnostic(sample, base)
    halves = []
    for replicate in range(replicates):
        mine, theirs = (np.random.default_rng([seed, replicate]) for _ in range(2))
        halves.append(diagnostic(sample.half(mine), base and base.half(theirs)))
    reach = 1.96 * float(np.std(halves, ddof=1))
    return value, max(diagnostic.low, value - reach), min(diagnostic.high, value + reach)
