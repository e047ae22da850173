"""Collections of ir_datasets, by its ids and through its own download and cache; documents stay in its stores."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from strop.collection.assembly import Source, assemble
from strop.collection.lazy_documents import LazyDocuments
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError, excerpt
from strop.records.judgments import Judgment
from strop.records.trec_columns import check_id, grade

PREFIX = "irds:"


class IrdsStore:
    """The documents of one data set, found through ir_datasets' document store."""

    def __init__(self, dataset: Any) -> None:
        self._dataset, self._store = dataset, dataset.docs_store()

    @cached_property
    def _count(self) -> int:
        return sum(1 for _ in self._dataset.docs_iter())  # its own count is missing for some, or only in metadata

    def count(self) -> int:
        return self._count

    def ids(self) -> Iterator[str]:
        return (doc.doc_id for doc in self._dataset.docs_iter())

    def stream(self) -> Iterator[Document]:
        return map(_document, self._dataset.docs_iter())

    def find(self, doc_id: str) -> Document | None:
        try:
            return _document(self._store.get(doc_id))
        except KeyError:
            return None

    def holds(self, doc_id: str) -> bool:
        return self.find(doc_id) is not None


def irds_splits(dataset: str) -> tuple[str, ...]:
    """The splits of an id: the judged ids right under it that share its documents, else its own last part.

    Raises InputError on an unknown id, and on one without any judged split.
    """
    if below := _judged_below(dataset):
        return below
    if _is_judged(dataset):
        return (dataset.rpartition("/")[2],)
    _check_known(dataset)
    remedy = "Name an id of ir_datasets that has documents, queries and qrels"
    raise InputError(f"{PREFIX}{dataset} has no judged split", remedy=remedy)


def read_irds(dataset: str, split: str) -> Collection:
    """One split of an id of ir_datasets, downloaded where its cache lacks it: `dataset/split`, else `dataset` itself.

    `dataset` itself serves when its last part is the split, or when it has one set of judgments (beir/arguana) and the
    split is "test". Reserved are the documents relevant in the ids beside it. Judgments of queries that are not there
    are left out and counted. Raises InputError on an unknown id or split, a failed download, and bad data.
    """
    above, _, last = dataset.rpartition("/")
    if _is_judged(f"{dataset}/{split}"):
        parent, own = dataset, f"{dataset}/{split}"
    elif _is_judged(dataset) and (last == split or (split == "test" and not _judged_below(dataset))):
        parent, own = above, dataset
    else:
        there = ", ".join(irds_splits(dataset))
        raise InputError(f"no split {excerpt(split)}", where=f"{PREFIX}{dataset}", remedy=f"Splits there: {there}")
    with _network_named(own):
        documents = LazyDocuments(IrdsStore(_dataset(own)))
        queries = {q.query_id: Query(q.query_id, _query_text(q)) for q in _dataset(own).queries_iter()}
        for query_id in queries:
            check_id(query_id, f"{PREFIX}{own}", query=True)
        judgments = list(_judgments(own))
        lost = [j for j in judgments if j.query_id not in queries]
        known = {split: [j for j in judgments if j.query_id in queries]}
        source = Source(f"{PREFIX}{own} qrels", "the corpus", "the queries")
        name = dataset if own != dataset else _docs_parent(own)
        beside = {id_: _judgments(id_) for below in _judged_below(parent) if (id_ := f"{parent}/{below}") != own}
        data = assemble(name, split, documents, queries, {**beside, **known}, source)
    if lost:
        left_out = (
            f"{len(lost)} judgments of queries that are not there are left out (first: {excerpt(lost[0].query_id)})"
        )
        return replace(data, warnings=(*data.warnings, left_out))
    return data


def _dataset(name: str) -> Any:
    import ir_datasets  # type: ignore[import-untyped]  # a second of imports: only when needed

    return ir_datasets.registry[name]


def _known_ids() -> list[str]:
    import ir_datasets

    return [str(known) for known in ir_datasets.registry]


def _check_known(name: str) -> None:
    if name not in _known_ids():
        close = difflib.get_close_matches(name, _known_ids(), n=3)
        remedy = f"Close to it: {', '.join(close)}" if close else "Its ids are listed at https://ir-datasets.com"
        problem = f"ir_datasets has no {excerpt(name)}" if name else "no id stands after 'irds:'"
        raise InputError(problem, remedy=remedy)


def _is_judged(name: str) -> bool:
    try:
        dataset = _dataset(name)
    except KeyError:
        return False
    return bool(dataset.has_docs() and dataset.has_queries() and dataset.has_qrels())


def _judged_below(parent: str) -> tuple[str, ...]:
    """The last parts of the judged ids right under `parent` that have the same documents, sorted."""
    below = [(known, last) for known in _known_ids() for above, _, last in [known.rpartition("/")] if above == parent]
    return tuple(sorted(last for name, last in below if _is_judged(name) and _docs_parent(name) != name))


def _docs_parent(name: str) -> str:
    """The shortest id above that has the same documents, or the id itself."""
    import ir_datasets

    return str(ir_datasets.docs_parent_id(name))


def _judgments(name: str) -> Iterator[Judgment]:
    for number, qrel in enumerate(_dataset(name).qrels_iter(), start=1):
        yield Judgment(number, qrel.query_id, qrel.doc_id, grade(str(qrel.relevance), f"{PREFIX}{name} qrels:{number}"))


def _document(doc: Any) -> Document:
    """Title and text (or body) in their own fields; otherwise the default text that ir_datasets gives a document."""
    check_id(doc.doc_id)
    title = getattr(doc, "title", "")
    text = getattr(doc, "text", getattr(doc, "body", None))
    if isinstance(title, str) and isinstance(text, str):
        return Document(doc.doc_id, text, title)
    return Document(doc.doc_id, str(doc.default_text()))


def _query_text(query: Any) -> str:
    return str(query.default_text() if hasattr(query, "default_text") else query.text)


@contextmanager
def _network_named(name: str) -> Iterator[None]:
    """One InputError for whatever ir_datasets raises when a file is neither in its cache nor downloadable."""
    try:
        yield
    except (OSError, RuntimeError, EOFError) as error:
        # requests' exceptions are OSErrors, several failed mirrors a RuntimeError, an unanswered login an EOFError
        from ir_datasets.util import home_path  # type: ignore[import-untyped]

        raise InputError(
            f"{name} needs the network, or its files in ir_datasets' cache ({home_path()}): {error}",
            remedy="Connect, or give a folder in BEIR's or MS MARCO's layout instead",
        ) from error
