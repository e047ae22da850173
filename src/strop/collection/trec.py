"""A folder in MS MARCO's layout, read raw and strictly: collection.tsv, queries.SPLIT.tsv, qrels.SPLIT.tsv."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from strop.collection.fingerprint import fingerprint
from strop.collection.judgments import Source, checked_qrels, empty_documents, relevant_elsewhere, trec_judgments
from strop.collection.lazy_documents import LazyDocuments
from strop.collection.line_index import index_lines, line_number
from strop.collection.line_store import LineStore
from strop.collection.text_lines import shown, text_lines
from strop.records.documents import Collection, Query
from strop.records.errors import InputError

PASSAGES = "collection.tsv"
_LAYOUT = f"Such a folder holds {PASSAGES}, queries.SPLIT.tsv and qrels.SPLIT.tsv"


def is_trec(folder: Path) -> bool:
    return (folder / PASSAGES).is_file()


def trec_splits(folder: str | Path) -> tuple[str, ...]:
    """The splits that have a qrels file, sorted: `dev`, `dev.small`, `train`. Raises InputError when there is none."""
    folder = Path(folder)
    names = (path.name.removeprefix("qrels.").removesuffix(".tsv") for path in folder.glob("qrels.?*.tsv"))
    if found := tuple(sorted(names)):
        return found
    raise InputError("no qrels.SPLIT.tsv", where=str(folder), remedy=_LAYOUT)


def read_trec(folder: str | Path, split: str) -> Collection:
    """One split of such a folder; its name is the folder's, and its passages stay on disk.

    Queries are those judged in the split; how many others there are is warned of. Reserved are the passages relevant
    in other splits and not judged in this one. No character quotes another: a line is a row, its first tab divides
    it. Raises InputError with file, line, value and remedy on anything malformed.
    """
    folder = Path(folder)
    names = trec_splits(folder)
    if split not in names:
        raise InputError(f"no split {split!r}", where=str(folder), remedy=f"Splits there: {', '.join(names)}")
    documents, warnings = _documents(folder / PASSAGES)
    texts = _queries(folder / f"queries.{split}.tsv")
    paths = {name: folder / f"qrels.{name}.tsv" for name in names}
    source = Source(str(paths[split]), PASSAGES, f"queries.{split}.tsv")
    qrels, more = checked_qrels(trec_judgments(paths[split]), source, documents, texts)
    others = (trec_judgments(path) for name, path in paths.items() if name != split)
    reserved = relevant_elsewhere(others, qrels, documents)
    queries = {query_id: texts[query_id] for query_id in qrels}
    if unjudged := len(texts) - len(queries):
        more += (f"{unjudged} of {len(texts)} queries have no judgment and are left out ({source.queries})",)
    return Collection(
        name=folder.resolve().name,
        split=split,
        documents=documents,
        queries=queries,
        qrels=qrels,
        fingerprint=fingerprint(documents, queries, qrels, reserved),
        reserved=reserved,
        warnings=warnings + more,
    )


def _documents(path: Path) -> tuple[LazyDocuments, tuple[str, ...]]:
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", where=str(path), remedy=_LAYOUT) from None
    return _indexed(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _indexed(path: Path, size: int, changed: int) -> tuple[LazyDocuments, tuple[str, ...]]:
    """Kept for the splits that follow: size and time of change are there to tell a file from what it was."""
    index = index_lines(path)
    store = LineStore(path, index)
    row = index.empty[0] if index.empty else 0
    line = line_number(path, int(index.starts[row]))
    return LazyDocuments(store), empty_documents(len(index.empty), store.count(), store.id_of(row), path, line)


def _queries(path: Path) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for number, line in text_lines(path):
        query_id, _, text = line.partition("\t")
        if not text.strip() or not query_id or query_id.split() != [query_id]:
            raise InputError(
                f"{shown(line)} is not an id without white space, a tab and a text",
                where=f"{path}:{number}",
                remedy="A line reads: id, one tab, text",
            )
        if query_id in queries:
            raise InputError(
                f"query {query_id!r} is already there", where=f"{path}:{number}", remedy="Keep one line for each query"
            )
        queries[query_id] = Query(query_id, text)
    return queries
