"""The values that every room shares: documents, queries, judgments, collections and training groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

#: query id -> document id -> graded relevance, as in a TREC qrels file.
Qrels = Mapping[str, Mapping[str, int]]


def normal(text: str) -> str:
    """A text but for case and white space: two with the same one are called equal."""
    return " ".join(text.casefold().split())


@dataclass(frozen=True, slots=True)
class Document:
    """One retrievable unit; `domain` names its origin (a package, a site), or is empty."""

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
    """What is searched for, in words."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Documents, the judged queries of one split, and their judgments.

    `reserved` are documents that belong to other splits only: they are searched like the rest, but never trained on.
    `fingerprint` is a SHA-256 over contents and judgments: equal data, equal artifacts. `warnings` are the oddities of
    official data, counted, to be printed once.
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
        """The document that *is* the query and must not be retrieved for it (ArguAna), or None.

        It has the query's id and its text, with or without the title, and is not judged relevant for it. An id alone
        says nothing: many collections number queries and documents alike, without any relation or as pairs.
        """
        document = self.documents.get(query_id)
        if document is None or self.qrels.get(query_id, {}).get(query_id, 0) > 0:
            return None
        text = self.queries[query_id].text.strip()
        return query_id if text in (document.text.strip(), document.contents) else None


@dataclass(frozen=True, slots=True)
class Group:
    """One training example: a query, its positives, its negatives, and where each negative came from.

    `relevant` holds every judged positive of the query, used here or not: in a batch none of them may count as a
    negative. `teacher` maps document ids, of positives, negatives and maybe more, to a teacher's finite scores for this
    query, on any scale; it is not hashed. `sources` has one name per negative, or none at all.
    """

    query_id: str
    positives: tuple[str, ...]
    negatives: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    relevant: frozenset[str] = field(default_factory=frozenset)
    teacher: Mapping[str, float] = field(default_factory=dict, hash=False)

    @property
    def sourced(self) -> list[tuple[str, str]]:
        """(negative, source) pairs; the source is "" where the group names none."""
        return list(zip(self.negatives, self.sources or ("",) * len(self.negatives), strict=True))

    def with_negatives(self, sourced: Iterable[tuple[str, str]]) -> Group:
        """The same group with other (negative, source) pairs."""
        pairs = tuple(sourced)
        return replace(self, negatives=tuple(d for d, _ in pairs), sources=tuple(source for _, source in pairs))
