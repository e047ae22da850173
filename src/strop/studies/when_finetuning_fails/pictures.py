"""The pictures of several models under several seeds, and the numbers beside them: the exhibit `projection`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np

from strop.geometry.pairs import Floats, Vectors, alignment, uniformity, unit
from strop.geometry.projection import (
    MIN_DIST,
    NEIGHBOURS,
    clumping,
    joint_umap,
    nearest,
    overlap,
    trustworthiness,
    umap,
)
from strop.geometry.spectrum import effective_rank
from strop.records.errors import InputError, excerpt
from strop.records.exhibits.projection import Fit, Projection, ProjectionOverlap, ProjectionPanel, VectorsAbout

#: (fit, normalised): the paper's own, the same on unit vectors, and all models in one picture.
FITS: tuple[tuple[Fit, bool], ...] = (("separate", False), ("separate", True), ("joint", True))
PAPER, UNIT, JOINT = FITS
#: How many of a fit's seeds keep their points: the paper's is shown a second time, under another seed.
_DRAWN_SEEDS = {PAPER: 2, UNIT: 0, JOINT: 1}
_DRAWN_PAIRS = 200


def exhibit(models: Mapping[str, tuple[Vectors, Vectors]], seeds: Sequence[int], baseline: str) -> Projection:
    """Every picture of every model, and what can be said without one.

    `models`: system -> queries `(P, D)` and their positives `(P, D)`, as the model gives them, not normalised; the
    same texts under every model. All P pairs are fitted; at most 200, spread evenly, keep their points.

    Overlaps compare pictures of unlike seeds, so that they differ by the model alone. Raises InputError with
    fewer than two seeds, without the baseline, or where systems were given different numbers of texts.
    """
    if len(set(seeds)) < 2 or baseline not in models:
        raise InputError(
            f"seeds {list(seeds)} and baseline {excerpt(baseline)} of {list(models)} leave nothing to compare with",
            remedy="Give two different seeds at least, and a baseline among the models",
        )
    stacked = {name: np.concatenate([queries, positives]) for name, (queries, positives) in models.items()}
    if len({len(rows) for rows in stacked.values()}) != 1:
        raise InputError("models were given different texts", remedy="Encode the same pairs with every model")
    pairs = len(models[baseline][0])
    kept = np.linspace(0, pairs - 1, min(pairs, _DRAWN_PAIRS)).round().astype(int)
    plotted = np.concatenate([kept, kept + pairs])
    panels: list[ProjectionPanel] = []
    overlaps: list[ProjectionOverlap] = []
    for fit in FITS:
        rows: Mapping[str, Vectors] = {name: unit(v) for name, v in stacked.items()} if fit[1] else stacked
        pictures = {seed: _pictures(fit, rows, seed) for seed in seeds}
        with_points = seeds[: _DRAWN_SEEDS[fit]]
        panels += [
            ProjectionPanel(
                *fit,
                seed,
                name,
                trustworthiness=round(trustworthiness(rows[name], points), 4),
                clumping=round(clumping(points), 4),
                points=tuple((x, y) for x, y in points[plotted].round(3).tolist()) if seed in with_points else None,
            )
            for seed, of_seed in pictures.items()
            for name, points in of_seed.items()
        ]
        overlaps += _overlaps(fit, pictures, baseline)
    return Projection(
        baseline=baseline,
        seeds=tuple(seeds),
        pairs=pairs,
        drawn_pairs=len(kept),
        neighbours=NEIGHBOURS,
        min_dist=MIN_DIST,
        panels=tuple(panels),
        table=tuple(_geometry(name, *of_model) for name, of_model in models.items()),
        overlaps=tuple(overlaps),
    )


def _pictures(fit: tuple[Fit, bool], rows: Mapping[str, Vectors], seed: int) -> dict[str, Floats]:
    return joint_umap(rows, seed) if fit[0] == "joint" else {name: umap(v, seed) for name, v in rows.items()}


def _overlaps(
    fit: tuple[Fit, bool], pictures: Mapping[int, Mapping[str, Floats]], baseline: str
) -> list[ProjectionOverlap]:
    """Neighbourhoods shared between pictures of unlike seeds, each system's with its own and with the baseline's."""
    near = {seed: {name: nearest(points) for name, points in of.items()} for seed, of in pictures.items()}

    def shared(name: str, other: str) -> float:
        pairs = permutations(near, 2)
        return round(float(np.mean([overlap(near[one][name], near[two][other]) for one, two in pairs])), 4)

    return [
        ProjectionOverlap(*fit, name, seed_overlap=shared(name, name), model_overlap=shared(name, baseline))
        for name in next(iter(pictures.values()))
    ]


def _geometry(name: str, queries: Vectors, positives: Vectors) -> VectorsAbout:
    lengths = np.linalg.norm(np.concatenate([queries, positives]), axis=1)
    return VectorsAbout(
        system=name,
        length=(round(float(lengths.mean()), 4), round(float(lengths.std()), 4)),
        alignment=round(alignment(queries, positives), 4),
        uniformity_queries=round(uniformity(queries), 4),
        uniformity_positives=round(uniformity(positives), 4),
        effective_rank_queries=round(effective_rank(unit(queries)), 2),
        effective_rank_positives=round(effective_rank(unit(positives)), 2),
    )
