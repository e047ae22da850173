"""The probe: a fixed sample of texts that every model is looked at through, and how a model sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from strop.collection.lazy_documents import Contents
from strop.collection.panel import first_shuffled, shuffled
from strop.geometry.pairs import unit
from strop.geometry.sample import Ints, Sample
from strop.models.encoder import Encoder, Role
from strop.models.scoring import MaxSim, Representation, Scoring
from strop.models.tokens import Tokens
from strop.negatives.examples import Examples
from strop.records.documents import Collection, Group
from strop.records.errors import InputError
from strop.retrieval.encode import Vectors, encode, encode_tokens

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

    def sample(self, queries: Vectors, documents: Vectors) -> Sample:
        """What a model's searchable vectors of these texts, in their order, come to: one vector a text."""
        return self.judged(Sample.of(queries, documents, self.positives))

    def token_sample(self, queries: Sequence[Vectors], documents: Sequence[Vectors], similarity: Scoring) -> Sample:
        """Of a model with a vector a token: scores from all tokens `(tokens, D)` of each text, vectors of at most four
        of them, spread evenly, since pairs of all would be too many."""
        scores = similarity(_padded(queries), _padded(documents)).double().numpy()
        asked, query_of = _spread(queries)
        found, document_of = _spread(documents)
        return self.judged(Sample(unit(asked), unit(found), scores, self.positives, query_of, document_of))

    def judged(self, sample: Sample) -> Sample:
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
    wanted = round(QUERIES * share), round(DOCUMENTS * share)
    if min(len(texts), wanted[0]) < LEAST_QUERIES or min(len(examples.documents), wanted[1]) < LEAST_DOCUMENTS:
        return None
    known: dict[str, set[str]] = {}
    for group in groups:
        known.setdefault(group.query_id, set()).update(group.positives, group.relevant & examples.documents.keys())
    return _drawn(texts, examples.documents, {q: sorted(of) for q, of in known.items()}, *wanted, seed)


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
        roles: tuple[tuple[Tokens, Role], ...] = ((self.queries, "query"), (self.documents, "document"))
        if isinstance(encoder.similarity, MaxSim):
            tokens = [encode_tokens(encoder, texts, role) for texts, role in roles]
            return self.probe.token_sample(tokens[0], tokens[1], encoder.similarity)
        asked, found = (
            encode(encoder, texts, role, np.empty((len(texts), encoder.dimension), dtype=np.float32))
            for texts, role in roles
        )
        return self.probe.sample(asked, found)


def _padded(texts: Sequence[Vectors]) -> Representation:
    longest = max(len(rows) for rows in texts)
    vectors = np.zeros((len(texts), longest, texts[0].shape[1]), dtype=np.float32)
    mask = np.zeros((len(texts), longest), dtype=bool)
    for i, rows in enumerate(texts):
        vectors[i, : len(rows)], mask[i, : len(rows)] = rows, True
    return Representation(torch.from_numpy(vectors), torch.from_numpy(mask))


def _spread(texts: Sequence[Vectors]) -> tuple[Vectors, Ints]:
    kept = [rows[np.linspace(0, len(rows) - 1, min(len(rows), _TOKENS)).round().astype(int)] for rows in texts]
    return np.concatenate(kept), np.repeat(np.arange(len(kept)), [len(rows) for rows in kept])
