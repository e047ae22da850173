"""Vectors that lie in tight groups."""

from __future__ import annotations

import numpy as np

from strop.geometry.pairs import Floats


def islands(rows: int, dimensions: int = 12, count: int = 4, seed: int = 0) -> Floats:
    """Tight groups around far centres: row i belongs to group i mod `count`."""
    rng = np.random.default_rng(seed)
    centres = 10 * rng.normal(size=(count, dimensions))
    return centres[np.arange(rows) % count] + rng.normal(size=(rows, dimensions))
