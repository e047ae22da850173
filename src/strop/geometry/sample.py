"""What a diagnostic is, and what it measures: one model's vectors and scores of a fixed sample of texts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from strop.geometry.pairs import Floats, Vectors, unit
from strop.records.errors import InputError

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Unit vectors of queries `(V, D)` and documents `(W, D)`, scores `(Q, N)`, and each query's positive.

    `positives` `(Q,)` are columns of `scores`. With one vector per text V = Q and W = N; with one per token there are
    more, and `query_of` `(V,)` and `document_of` `(W,)` are the text each belongs to.
    """

    queries: Floats
    documents: Floats
    scores: Floats
    positives: Ints
    query_of: Ints
    document_of: Ints

    @classmethod
    def of(cls, queries: Vectors, documents: Vectors, positives: Ints) -> Sample:
        """One vector per text; scores are the dot products of the vectors as they are, not normalised."""
        q, d = np.asarray(queries, dtype=np.float64), np.asarray(documents, dtype=np.float64)
        return cls(unit(q), unit(d), q @ d.T, np.asarray(positives), np.arange(len(q)), np.arange(len(d)))

    @property
    def single(self) -> bool:
        """Whether each text has one vector."""
        return (len(self.queries), len(self.documents)) == self.scores.shape

    def half(self, rng: np.random.Generator) -> Sample:
        """Half of the queries with their positives, and half of the other documents, drawn without replacement."""
        count, pool = self.scores.shape
        queries = np.sort(rng.permutation(count)[: max(2, count // 2)])
        kept = np.zeros(pool, dtype=bool)
        kept[self.positives[queries]] = True
        others = rng.permutation(np.setdiff1d(np.arange(pool), self.positives))
        kept[others[: len(others) // 2]] = True
        column = np.cumsum(kept) - 1
        of_queries, of_documents = np.isin(self.query_of, queries), kept[self.document_of]
        return Sample(
            self.queries[of_queries],
            self.documents[of_documents],
            self.scores[np.ix_(queries, np.flatnonzero(kept))],
            column[self.positives[queries]],
            np.searchsorted(queries, self.query_of[of_queries]),
            column[self.document_of[of_documents]],
        )


def check_same_texts(sample: Sample, base: Sample) -> None:
    """Raises InputError where two samples cannot be of the same queries, positives and documents in the same order."""
    if sample.scores.shape != base.scores.shape or not np.array_equal(sample.positives, base.positives):
        raise InputError(
            f"samples of {sample.scores.shape} and {base.scores.shape} queries and documents, or with different "
            "positives, are not of the same texts",
            remedy="Measure the model and its base on the same sample",
        )


Good = Literal["higher", "lower", "neither"]
#: What a diagnostic requires of the vectors; models with one vector per token or another dimension may not fulfil it.
Needs = Literal["nothing more", "one vector per text", "as many vectors as the base", "vectors in the base's space"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A named number of a sample, or of a sample compared with its base's.

    A call raises InputError where `applies` is false, or where the two samples are of different texts.
    """

    #: Becomes the measure `geometry/NAME`.
    name: str
    #: One phrase for a reader.
    meaning: str
    #: The ends of the range; may be infinite.
    low: float
    high: float
    #: The direction in which search quality is expected to grow; "neither" where nothing is known.
    good: Good
    #: The paper that defines it.
    source: str
    #: A number of one sample; None where `relative` is given.
    absolute: Callable[[Sample], float] | None = None
    #: A number of (sample, base), of the same texts.
    relative: Callable[[Sample, Sample], float] | None = None
    #: What the vectors must be like.
    needs: Needs = "nothing more"

    def __call__(self, sample: Sample, base: Sample | None = None) -> float:
        if not self.applies(sample, base):
            need = self.needs if base or self.absolute else "a base"
            raise InputError(f"{self.name} needs {need}", remedy="Leave it out where `applies` is false")
        if self.absolute:
            return self.absolute(sample)
        assert self.relative
        assert base is not None
        check_same_texts(sample, base)
        return self.relative(sample, base)

    def applies(self, sample: Sample, base: Sample | None = None) -> bool:
        """Whether it is defined for these vectors. A relative one never applies without a base."""
        if self.relative and base is None:
            return False
        samples = [sample, base] if self.relative and base else [sample]
        match self.needs:
            case "one vector per text":
                return all(one.single for one in samples)
            case "as many vectors as the base":
                return len({(len(one.queries), len(one.documents)) for one in samples}) == 1
            case "vectors in the base's space":
                return len({(one.queries.shape, one.documents.shape) for one in samples}) == 1
        return True
