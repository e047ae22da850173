"""The nouns every room shares: documents, queries, judgments, collections and training groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: query id -> document id -> graded relevance, as in a TREC qrels file.
Qrels = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Document:
    """One retrievable unit. `domain` names where it came from (a package, a site), or is empty."""

    id: str
    text: str
    title: str = ""
    domain: str = ""

    @property
    def contents(self) -> str:
        """Title and body joined by one space: the only text any retriever sees (BEIR's convention)."""
        return f"{self.title} {self.text}".strip()


@dataclass(frozen=True, slots=True)
class Query:
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, the judged queries of one split, and their judgments.

    `reserved` are documents that belong to other splits only: they are searched like the rest, but never serve
    as training material. `fingerprint` is a SHA-256 over contents and judgments: equal data, equal artifacts.
    `warnings` are the counted oddities of official data, to be shown once.
    """

    name: str
    split: str
    documents: Mapping[str, Document]
    queries: Mapping[str, Query]
    qrels: Qrels
    fingerprint: str
    reserved: frozenset[str] = field(default_factory=frozenset)
    warnings: tuple[str, ...] = ()

    def own_document(self, query_id: str) -> str | None:
        """The document that *is* the query, which must not be retrieved for itself (ArguAna).

        The same id alone is not enough: Cranfield numbers queries and documents alike without relation.
        """
        document = self.documents.get(query_id)
        if document is not None and self.queries[query_id].text.strip() in document.contents:
            return query_id
        return None


@dataclass(frozen=True, slots=True)
class Group:
    """One training example: a query, its positives, its negatives, and where each negative came from.

    `relevant` holds every judged positive of the query, whether used here or not: in a batch none of them may
    count as a negative. `teacher`: document id -> a teacher's score of it for this query, finite, on any scale; of its
    positives and negatives, and maybe of more. It takes no part in the hash.
    """

    query_id: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    relevant: frozenset[str] = field(default_factory=frozenset)
    teacher: Mapping[str, float] = field(default_factory=dict, hash=False)
