"""What every diagnostic looks at: one model's vectors and scores of a fixed sample of texts."""

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

    `positives` `(Q,)` is a column of `scores`. A model with one vector a text has V = Q and W = N. One with a vector a
    token has more: `query_of` `(V,)` and `document_of` `(W,)` say whose each is.
    """

    queries: Floats
    documents: Floats
    scores: Floats
    positives: Ints
    query_of: Ints
    document_of: Ints

    @classmethod
    def of(cls, queries: Vectors, documents: Vectors, positives: Ints) -> Sample:
        """One vector a text, scored by their product as they come (not normalised)."""
        asked, found = np.asarray(queries, dtype=np.float64), np.asarray(documents, dtype=np.float64)
        rows = np.arange(len(asked)), np.arange(len(found))
        return cls(unit(asked), unit(found), asked @ found.T, np.asarray(positives), *rows)

    @property
    def single(self) -> bool:
        """Whether each text has one vector."""
        return (len(self.queries), len(self.documents)) == self.scores.shape

    def half(self, rng: np.random.Generator) -> Sample:
        """Half of the queries with their positives, and half of the other documents, drawn without replacement."""
        count, pool = self.scores.shape
        asked = np.sort(rng.permutation(count)[: max(2, count // 2)])
        kept = np.zeros(pool, dtype=bool)
        kept[self.positives[asked]] = True
        others = rng.permutation(np.setdiff1d(np.arange(pool), self.positives))
        kept[others[: len(others) // 2]] = True
        found = np.flatnonzero(kept)
        column = np.cumsum(kept) - 1
        mine, theirs = np.isin(self.query_of, asked), kept[self.document_of]
        return Sample(
            self.queries[mine],
            self.documents[theirs],
            self.scores[np.ix_(asked, found)],
            column[self.positives[asked]],
            np.searchsorted(asked, self.query_of[mine]),
            column[self.document_of[theirs]],
        )


def check_same_texts(sample: Sample, base: Sample) -> None:
    """Raises InputError where two samples cannot be of the same queries, positives and documents in the same order."""
    if sample.scores.shape != base.scores.shape or not np.array_equal(sample.positives, base.positives):
        raise InputError(
            f"samples of {sample.scores.shape} and {base.scores.shape} queries and documents, or with other positives, "
            "are not of the same texts",
            remedy="Look at the model and its base through the same probe",
        )


Good = Literal["higher", "lower", "neither"]
#: What a diagnostic asks of the vectors: a model with a vector a token, or of another dimension, may lack it.
Needs = Literal["nothing more", "one vector a text", "as many vectors as the base", "vectors in the base's space"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """A named number of a sample, or of a sample beside its base's: its range, its good direction, its source.

    `name` becomes the measure `geometry/NAME`. `good` is what search quality is expected to want, "neither" where
    nothing is known. `relative` takes (sample, base) of the same texts. A call raises InputError where `applies` says
    no, or where the samples are of different texts.
    """

    name: str
    meaning: str
    low: float
    high: float
    good: Good
    source: str
    absolute: Callable[[Sample], float] | None = None
    relative: Callable[[Sample, Sample], float] | None = None
    needs: Needs = "nothing more"

    def __call__(self, sample: Sample, base: Sample | None = None) -> float:
        if not self.applies(sample, base):
            wanted = self.needs if base or self.absolute else "a base"
            raise InputError(f"{self.name} needs {wanted}", remedy="Ask `applies` first, and leave it out")
        if self.absolute:
            return self.absolute(sample)
        assert self.relative
        assert base is not None
        check_same_texts(sample, base)
        return self.relative(sample, base)

    def applies(self, sample: Sample, base: Sample | None = None) -> bool:
        """Whether these vectors can be asked for it. A relative one never applies without a base."""
        seen = [sample]
        if self.relative:
            if base is None:
                return False
            seen.append(base)
        shapes = [(one.queries.shape, one.documents.shape) for one in seen]
        match self.needs:
            case "one vector a text":
                return all(one.single for one in seen)
            case "as many vectors as the base":
                return len({(len_q, len_d) for (len_q, _), (len_d, _) in shapes}) == 1
            case "vectors in the base's space":
                return len(set(shapes)) == 1
        return True
