"""One split of a collection, put together from documents, queries and judgments that are checked against each other."""

from __future__ import annotations

from collections.abc import Collection as Ids
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError, excerpt
from strop.records.judgments import Judgment

#: The share of official data that may be odd (empty documents, judgments of absent ones) before it is an error.
#: ArguAna has 5 absent ones in 1,406; Cranfield has 2 empty documents in 1,400.
TOLERATED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class Source:
    """What errors and warnings call the places that judgments, documents and queries come from."""

    qrels: str
    documents: str
    queries: str


def assemble(
    name: str,
    split: str,
    documents: Mapping[str, Document],
    queries: Mapping[str, Query],
    judgments: Mapping[str, Iterable[Judgment]],
    source: Source,
    warnings: tuple[str, ...] = (),
) -> Collection:
    """One of the splits that `judgments` has: its judged queries, and all documents.

    Reserved are the documents that are relevant in other splits and not judged in this one. Judgments of absent
    documents stay in the qrels (they count as never retrieved) and are warned of. Raises InputError on a judged query
    that is not there or has no text, on contradicting judgments, on a split without judgments, and when 1 % of the
    judgments or more name absent documents.
    """
    qrels, oddities = _checked_qrels(judgments[split], source, documents, queries)
    others = (j for name, judged in judgments.items() if name != split for j in judged)
    relevant = {j.doc_id for j in others if j.relevance > 0 and j.doc_id in documents}
    reserved = frozenset(relevant.difference(*qrels.values()))
    judged = {query_id: queries[query_id] for query_id in qrels}
    return with_fingerprint(
        Collection(name, split, documents, judged, qrels, "", reserved=reserved, warnings=warnings + oddities)
    )


def check_split(split: str, splits: Sequence[str], where: str) -> None:
    """Raises InputError unless `split` is one of `splits`."""
    if split not in splits:
        raise InputError(f"no split {excerpt(split)}", where=where, remedy=f"Splits there: {', '.join(splits)}")


def empty_documents(empty: Sequence[tuple[int, str]], total: int, path: Path) -> tuple[str, ...]:
    """A warning of the documents that have no text, given as (line, id), if there are any.

    Raises InputError when they are more than the tolerated share, or when there are no documents at all.
    """
    if not total:
        raise InputError("no documents", where=str(path), remedy="Write a line for each document")
    if not empty:
        return ()
    line, first = empty[0]
    problem = f"{len(empty)} of {total} documents have neither title nor text (first: {excerpt(first)})"
    if len(empty) > TOLERATED_SHARE * total:
        raise InputError(problem, where=f"{path}:{line}", remedy="Give them text or leave them out")
    return (f"{problem}, {path.name}:{line}",)


def _checked_qrels(
    judgments: Iterable[Judgment], source: Source, doc_ids: Ids[str], queries: Mapping[str, Query]
) -> tuple[dict[str, dict[str, int]], tuple[str, ...]]:
    """The qrels, and a sentence on each oddity that official data is known to have."""
    qrels: dict[str, dict[str, int]] = {}
    absent: list[Judgment] = []
    repeated: list[Judgment] = []
    for judgment in judgments:
        line, query_id, doc_id, relevance = judgment
        if query_id not in queries:
            problem = f"query {excerpt(query_id)} is judged but not in {source.queries}"
            raise InputError(problem, where=f"{source.qrels}:{line}", remedy="Add the query or drop the line")
        if not queries[query_id].text.strip():
            problem = f"query {excerpt(query_id)} is judged and has an empty text in {source.queries}"
            raise InputError(problem, where=f"{source.qrels}:{line}", remedy="Write its text or drop its judgments")
        judged = qrels.setdefault(query_id, {})
        if doc_id in judged:
            repeated.append(judgment)
            if judged[doc_id] != relevance:
                grades = f"relevance {relevance}, and {judged[doc_id]} above"
                raise InputError(
                    f"document {excerpt(doc_id)} has {grades}, for query {excerpt(query_id)}",
                    where=f"{source.qrels}:{line}",
                    remedy="Keep one judgment for each query and document",
                )
        elif doc_id not in doc_ids:
            absent.append(judgment)
        judged[doc_id] = relevance
    total = sum(map(len, qrels.values()))
    if not total:
        raise InputError("the split is empty", where=source.qrels, remedy="Give it at least one judgment")
    warnings: list[str] = []
    if absent:
        first = absent[0]
        problem = f"{len(absent)} of {total} judgments name a document that is not in {source.documents}"
        if len(absent) >= TOLERATED_SHARE * total:
            where = f"{source.qrels}:{first.line}"
            raise InputError(
                f"{problem} (first: {excerpt(first.doc_id)})", where=where, remedy="Add the documents or drop the lines"
            )
        warnings.append(f"{problem} ({_first(first, source)}); they are never retrieved")
    if repeated:
        warnings.append(f"{len(repeated)} judgments are repeated ({_first(repeated[0], source)})")
    return qrels, tuple(warnings)


def _first(judgment: Judgment, source: Source) -> str:
    return f"first: {excerpt(judgment.doc_id)}, {Path(source.qrels).name}:{judgment.line}"
