"""The probe: a fixed sample of texts that every model is looked at through, and how a model sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.collection.panel import first_shuffled
from strop.geometry.pairs import unit
from strop.geometry.sample import Ints, Sample
from strop.models.encoder import Encoder
from strop.models.scoring import Representation, Scoring
from strop.models.tokens import Tokens
from strop.negatives.examples import Examples
from strop.records.documents import Collection, Group
from strop.records.errors import InputError
from strop.retrieval.encode import Vectors, represented
from strop.retrieval.task import ById

#: How many queries and documents a probe has where nothing else is asked for.
QUERIES, DOCUMENTS = 256, 1024
#: Below these there are hardly neighbours or spectra to speak of.
LEAST_QUERIES, LEAST_DOCUMENTS = 4, 50
#: Of a model with one vector per token, so many vectors of each text.
_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """Texts by id, and per query its known relevant documents among them, its own positive first."""

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    relevant: Mapping[str, tuple[str, ...]]

    def sample(self, queries: Representation, documents: Representation, similarity: Scoring) -> Sample:
        """How a model sees these texts, from its searchable vectors of them, in their order.

        With one vector per token the scores are of all tokens, by `similarity`, and the vectors those of at most four
        tokens of each text, spread evenly: pairs of all would be too many. A query's other relevant documents take its
        lowest score: they are neither its positive nor a negative.
        """
        column = {d: i for i, d in enumerate(self.documents)}
        relevant = [[column[d] for d in self.relevant[q]] for q in self.queries]
        positives = np.array([own for own, *_ in relevant])
        if queries.mask is None or documents.mask is None:
            sample = Sample.of(queries.vectors.numpy(), documents.vectors.numpy(), positives)
        else:
            scores = similarity(queries, documents).double().numpy()
            (rows, query_of), (columns, document_of) = _spread(queries), _spread(documents)
            sample = Sample(unit(rows), unit(columns), scores, positives, query_of, document_of)
        for scores_of, (_, *others) in zip(sample.scores, relevant, strict=True):
            scores_of[others] = scores_of.min()
        return sample


def of_collection(collection: Collection, queries: int = QUERIES, documents: int = DOCUMENTS) -> Probe:
    """Judged queries, one positive of each, and other documents, all drawn uniformly, the same on every machine.

    Raises InputError when the collection has fewer of either.
    """
    judged = {
        q: [d for d, grade in of.items() if grade > 0 and d in collection.documents]
        for q, of in collection.qrels.items()
    }
    texts = {q: collection.queries[q].text for q, of in judged.items() if of}
    for have, want, what, option in (
        (len(texts), queries, "queries with a relevant document", "--queries"),
        (len(collection.documents), documents, "documents", "--documents"),
    ):
        if have < want:
            raise InputError(
                f"a probe of {want:,} needs more than the {have:,} {what} of {collection.name}/{collection.split}",
                remedy=f"Give {option} {have} or less, or another collection",
            )
    return _drawn(texts, Contents(collection.documents), judged, queries, documents)


def of_examples(examples: Examples, groups: Sequence[Group], share: float = 1.0) -> Probe | None:
    """As many of the groups' queries and of the examples' documents as a `share` of a whole probe takes.

    None where they tell nothing: with fewer than 4 queries or 50 documents.
    """
    texts = {g.query_id: examples.queries[g.query_id] for g in groups}
    sizes = round(QUERIES * share), round(DOCUMENTS * share)
    if min(len(texts), sizes[0]) < LEAST_QUERIES or min(len(examples.documents), sizes[1]) < LEAST_DOCUMENTS:
        return None
    known: dict[str, set[str]] = {}
    for group in groups:
        known.setdefault(group.query_id, set()).update(group.positives, group.relevant & examples.documents.keys())
    return _drawn(texts, examples.documents, {q: sorted(of) for q, of in known.items()}, *sizes)


def _drawn(texts: ById, contents: ById, relevant: Mapping[str, Sequence[str]], queries: int, documents: int) -> Probe:
    query_ids = sorted(first_shuffled(texts, queries, "0 probe query"))
    own = {q: first_shuffled(relevant[q], 1, f"0 {q} positive")[0] for q in query_ids}
    kept = set(own.values())
    kept.update(first_shuffled((d for d in contents if d not in kept), documents - len(kept), "0 probe document"))
    pool = {d: contents[d] for d in sorted(kept)}
    known = {q: (own[q], *(d for d in relevant[q] if d in pool and d != own[q])) for q in query_ids}
    return Probe({q: texts[q] for q in query_ids}, pool, known)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A probe as tokens, ready to be encoded again and again by the model whose tokens they are."""

    probe: Probe
    queries: Tokens
    documents: Tokens

    @classmethod
    def of(cls, probe: Probe, encoder: Encoder) -> Look:
        queries, documents = list(probe.queries.values()), list(probe.documents.values())
        return cls(probe, encoder.tokenize(queries, "query"), encoder.tokenize(documents, "document"))

    def __call__(self, encoder: Encoder) -> Sample:
        queries = represented(encoder, self.queries, "query")
        return self.probe.sample(queries, represented(encoder, self.documents, "document"), encoder.similarity)


def _spread(texts: Representation) -> tuple[Vectors, Ints]:
    """Vectors `(n, D)` of a few tokens of each text, and the text of each."""
    assert texts.mask is not None
    each = [rows[mask].numpy() for rows, mask in zip(texts.vectors, texts.mask, strict=True)]
    kept = [rows[np.linspace(0, len(rows) - 1, min(len(rows), _TOKENS)).round().astype(int)] for rows in each]
    return np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
