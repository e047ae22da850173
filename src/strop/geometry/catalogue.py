"""The diagnostics, each with its name, meaning, range, good direction and source; and the ones a monitor computes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from strop.geometry.drift import cka, neighbour_overlap, procrustes, rank_displacement, shift
from strop.geometry.gap import centroid_gap, separable
from strop.geometry.hubness import anti_hubs, document_hub_skew, hub_skew
from strop.geometry.pairs import Vectors, alignment, cosine_quantile, mean_cosine, uniformity
from strop.geometry.sample import Diagnostic, Good, Needs, Sample
from strop.geometry.separation import auc, margin, standardised_margin
from strop.geometry.spectrum import STEEPEST, effective_rank, isoscore, spectrum_decay


def _roles(
    name: str,
    meaning: str,
    low: float,
    high: float,
    good: Good,
    source: str,
    of: Callable[[Vectors], float],
    needs: Needs = "nothing more",
) -> tuple[Diagnostic, Diagnostic]:
    """The same number of the queries and of the documents: NAME/query and NAME/document."""

    def queries(sample: Sample) -> float:
        return of(sample.queries)

    def documents(sample: Sample) -> float:
        return of(sample.documents)

    fixed = (low, high, good, source)
    return (
        Diagnostic(f"{name}/query", f"{meaning} (queries)", *fixed, absolute=queries, needs=needs),
        Diagnostic(f"{name}/document", f"{meaning} (documents)", *fixed, absolute=documents, needs=needs),
    )


def _moved(
    name: str, meaning: str, high: float, source: str, of: Callable[[Vectors, Vectors], float], needs: Needs
) -> Diagnostic:
    """A number of a model's documents beside its base's."""

    def documents(sample: Sample, base: Sample) -> float:
        return of(sample.documents, base.documents)

    return Diagnostic(f"{name}/document", meaning, 0.0, high, "neither", source, relative=documents, needs=needs)


def _aligned(sample: Sample) -> float:
    return alignment(sample.queries, sample.documents[sample.positives])


_INF = math.inf
_WANG, _RADOVANOVIC = "Wang and Isola 2020 (arXiv 2005.10242)", "Radovanović et al. 2010 (JMLR 11)"
_COSINES = "Ethayarajh 2019 (arXiv 1909.00512), its quantile"

# A table: name, meaning, ends of the range, good direction, source, function, needs.
# fmt: off
ABSOLUTE: tuple[Diagnostic, ...] = (
    Diagnostic("alignment", "mean squared distance of a query to its positive",
        0.0, 4.0, "lower", _WANG, absolute=_aligned, needs="one vector per text"),
    *_roles("uniformity", "log of the mean of exp(-2 d^2) over pairs; less is more even",
        -8.0, 0.0, "lower", _WANG, uniformity),
    *_roles("mean_cosine", "mean cosine of two different vectors; 1 is collapse",
        -1.0, 1.0, "lower", "Ethayarajh 2019 (arXiv 1909.00512)", mean_cosine),
    *_roles("cosine_5%", "cosine below which 5 % of pairs lie",
        -1.0, 1.0, "lower", _COSINES, lambda rows: cosine_quantile(rows, 0.05), needs="one vector per text"),
    *_roles("cosine_95%", "cosine below which 95 % of pairs lie",
        -1.0, 1.0, "lower", _COSINES, lambda rows: cosine_quantile(rows, 0.95), needs="one vector per text"),
    *_roles("effective_rank", "how many directions the vectors use, by the entropy of their singular values",
        1.0, _INF, "higher", "Roy and Vetterli 2007 (EUSIPCO)", effective_rank),
    *_roles("isoscore", "how evenly variance is spread over all directions; 1 is isotropic, 0 a line",
        0.0, 1.0, "higher", "Rudman et al. 2022 (arXiv 2108.07344)", isoscore),
    *_roles("spectrum_decay", "exponent at which the covariance's eigenvalues fall, ranks 10 to 100",
        0.0, STEEPEST, "neither", "Agrawal et al. 2022 (alpha-ReQ, NeurIPS)", spectrum_decay),
    Diagnostic("hub_skew", "skewness of how many queries have a document in their top 10",
        -_INF, _INF, "lower", _RADOVANOVIC, absolute=hub_skew),
    Diagnostic("hub_skew/document", "skewness of how many documents have a document among their 10 nearest",
        -_INF, _INF, "lower", _RADOVANOVIC, absolute=document_hub_skew, needs="one vector per text"),
    Diagnostic("anti_hubs", "share of documents in no query's top 10",
        0.0, 1.0, "lower", _RADOVANOVIC, absolute=anti_hubs),
    Diagnostic("gap/centroid", "distance of the mean query to the mean document",
        0.0, 2.0, "neither", "Liang et al. 2022 (arXiv 2203.02053)", absolute=centroid_gap),
    Diagnostic("gap/separable", "probability that a linear rule tells a query from its positive; 0.5 is chance",
        0.0, 1.0, "neither", "Airola et al. 2011 (CSDA 55), for ridge regression", absolute=separable,
        needs="one vector per text"),
    Diagnostic("auc", "probability that a positive outscores another document of the sample",
        0.0, 1.0, "higher", "Hanley and McNeil 1982 (Radiology 143), query by query", absolute=auc),
    Diagnostic("margin", "median of score(positive) - score(best other), in the model's own scores",
        -_INF, _INF, "higher", "ours", absolute=margin),
    Diagnostic("standardised_margin", "median of score(positive) - score(best other), in SDs of the query's scores",
        -_INF, _INF, "higher", "ours", absolute=standardised_margin),
)

RELATIVE: tuple[Diagnostic, ...] = (
    _moved("cka", "linear CKA with the base; 1 is no change but rotation and scale",
        1.0, "Kornblith et al. 2019 (arXiv 1905.00414)", cka, "as many vectors as the base"),
    _moved("procrustes", "what the best rotation onto the base leaves; 0 is no change but rotation and scale",
        1.0, "Schönemann 1966 (Psychometrika 31), scaled", procrustes, "as many vectors as the base"),
    _moved("overlap@10", "share of a document's 10 nearest that are so under the base; 1 is no change",
        1.0, "ours", neighbour_overlap, "one vector per text"),
    _moved("shift", "1 - the mean cosine with the base's vector of the same text; 0 is no change",
        2.0, "ours", shift, "vectors in the base's space"),
    Diagnostic("rank_displacement", "mean log2 of the positive's rank by its rank under the base; 0 is no change",
        -_INF, _INF, "lower", "ours", relative=rank_displacement),
)
# fmt: on

#: What a monitor leaves out: these cost more than they add to the others.
#: `diagnose(sample, base, LIVE)` takes 0.13 s of one core's time (time.thread_time, one BLAS thread, two virtual cores)
#: for 256 queries, 1,024 documents and 384 dimensions; all of them take 0.27 s.
_SLOW = ("cosine_5%", "cosine_95%", "spectrum_decay", "hub_skew/document", "gap/separable", "procrustes")
LIVE: tuple[Diagnostic, ...] = tuple(one for one in (*ABSOLUTE, *RELATIVE) if not one.name.startswith(_SLOW))


def diagnose(sample: Sample, base: Sample | None, diagnostics: Iterable[Diagnostic]) -> dict[str, float]:
    """name -> value of those that apply to this sample and base. Raises InputError where the texts differ."""
    return {one.name: one(sample, base) for one in diagnostics if one.applies(sample, base)}
