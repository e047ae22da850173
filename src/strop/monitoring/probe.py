"""The probe: a fixed sample of texts that every model is looked at through, and how a model sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.collection.panel import first_shuffled, shuffled
from strop.geometry.pairs import unit
from strop.geometry.sample import Ints, Sample
from strop.models.encoder import Encoder
from strop.models.scoring import Representation, Scoring
from strop.models.tokens import Tokens
from strop.negatives.examples import Examples
from strop.records.documents import Collection, Group
from strop.records.errors import InputError
from strop.retrieval.encode import Vectors, represented

#: How many queries and documents a probe has where nothing else is asked for.
QUERIES, DOCUMENTS = 256, 1024
#: Below these there are hardly neighbours or spectra to speak of.
LEAST_QUERIES, LEAST_DOCUMENTS = 4, 50
#: Of a model with a vector a token, as many vectors of each text.
_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """Texts by id, and per query its known relevant documents among them, its own positive first."""

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    relevant: Mapping[str, tuple[str, ...]]

    @property
    def positives(self) -> Ints:
        """The column of each query's own positive."""
        column = {d: i for i, d in enumerate(self.documents)}
        return np.array([column[self.relevant[q][0]] for q in self.queries])

    def sample(self, queries: Representation, documents: Representation, similarity: Scoring) -> Sample:
        """How a model sees these texts, from its searchable vectors of them, in their order.

        With one vector per token the scores are of all tokens, by `similarity`, and the vectors those of at most four
        tokens of each text, spread evenly: pairs of all would be too many.
        """
        if queries.mask is None or documents.mask is None:
            return self._judged(Sample.of(queries.vectors.numpy(), documents.vectors.numpy(), self.positives))
        scores = similarity(queries, documents).double().numpy()
        (rows, query_of), (columns, document_of) = _spread(queries), _spread(documents)
        return self._judged(Sample(unit(rows), unit(columns), scores, self.positives, query_of, document_of))

    def _judged(self, sample: Sample) -> Sample:
        """A query's other relevant documents take its lowest score: they are neither its positive nor a negative."""
        column = {d: i for i, d in enumerate(self.documents)}
        for i, query_id in enumerate(self.queries):
            sample.scores[i, [column[d] for d in self.relevant[query_id][1:]]] = sample.scores[i].min()
        return sample


def of_collection(collection: Collection, queries: int = QUERIES, documents: int = DOCUMENTS, seed: int = 0) -> Probe:
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
    return _drawn(texts, Contents(collection.documents), judged, queries, documents, seed)


def of_examples(examples: Examples, groups: Sequence[Group], share: float = 1.0, seed: int = 0) -> Probe | None:
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
    return _drawn(texts, examples.documents, {q: sorted(of) for q, of in known.items()}, *sizes, seed)


def _drawn(
    texts: Mapping[str, str],
    contents: Mapping[str, str],
    relevant: Mapping[str, Sequence[str]],
    queries: int,
    documents: int,
    seed: int,
) -> Probe:
    chosen = sorted(first_shuffled(texts, queries, f"{seed} probe query"))
    own = {q: shuffled(relevant[q], f"{seed} {q} positive")[0] for q in chosen}
    kept = set(own.values())
    kept.update(first_shuffled((d for d in contents if d not in kept), documents - len(kept), f"{seed} probe document"))
    pool = {d: contents[d] for d in sorted(kept)}
    return Probe(
        {q: texts[q] for q in chosen},
        pool,
        {q: (own[q], *(d for d in relevant[q] if d in pool and d != own[q])) for q in chosen},
    )


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
        """How the model sees the probe now."""
        queries = represented(encoder, self.queries, "query")
        return self.probe.sample(queries, represented(encoder, self.documents, "document"), encoder.similarity)


def _spread(texts: Representation) -> tuple[Vectors, Ints]:
    """Vectors `(n, D)` of a few tokens of each text, and the text of each."""
    assert texts.mask is not None
    each = [rows[mask].numpy() for rows, mask in zip(texts.vectors, texts.mask, strict=True)]
    kept = [rows[np.linspace(0, len(rows) - 1, min(len(rows), _TOKENS)).round().astype(int)] for rows in each]
    return np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
