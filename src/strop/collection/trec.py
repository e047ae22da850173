"""A folder in MS MARCO's layout, read raw and strictly: collection.tsv, queries.SPLIT.tsv, qrels.SPLIT.tsv."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from strop.collection.assembly import Source, assemble, check_split, empty_documents
from strop.collection.fingerprint import with_fingerprint
from strop.collection.lazy_documents import LazyDocuments
from strop.collection.line_store import LineStore
from strop.records.documents import Collection, Query
from strop.records.errors import InputError, excerpt
from strop.records.judgments import judgments
from strop.records.text_lines import packed_or_not, text_lines, unreadable
from strop.records.trec_columns import check_id

PASSAGES = "collection.tsv"
_LAYOUT = f"Such a folder holds {PASSAGES}, queries.SPLIT.tsv and qrels.SPLIT.tsv"


def is_trec(folder: Path) -> bool:
    """Whether a folder is in MS MARCO's layout, or would be if it had its passages: then these are what it lacks."""
    others = trec_judged(folder) and not packed_or_not(folder / "corpus.jsonl").exists()
    return bool(others) or packed_or_not(folder / PASSAGES).is_file()


def trec_splits(folder: str | Path) -> tuple[str, ...]:
    """The splits that have a qrels file, sorted: `dev`, `dev.small`, `train`. Raises InputError when there is none."""
    if splits := trec_judged(Path(folder)):
        return splits
    raise InputError("no qrels.SPLIT.tsv", where=str(folder), remedy=_LAYOUT)


def trec_judged(folder: Path) -> tuple[str, ...]:
    """The same splits, none for a folder of passages alone."""
    names = (path.name.removesuffix(".gz") for ending in ("", ".gz") for path in folder.glob(f"qrels.?*.tsv{ending}"))
    return tuple(sorted({name.removeprefix("qrels.").removesuffix(".tsv") for name in names}))


def trec_documents(folder: Path) -> Collection:
    """The passages of collection.tsv without any query, checked as `read_trec` checks them; the split is empty."""
    documents, warnings = _documents(packed_or_not(folder / PASSAGES))
    return with_fingerprint(Collection(folder.resolve().name, "", documents, {}, {}, "", warnings=warnings))


def read_trec(folder: str | Path, split: str) -> Collection:
    """One split of such a folder, put together as `assemble` does; its name is the folder's, its passages stay on disk.

    How many queries of the split have no judgment is warned of. No character quotes another: each line is one row, and
    its first tab ends the id. Queries and judgments may be packed with gzip. Raises InputError with file, line, value
    and remedy on anything malformed.
    """
    folder = Path(folder)
    names = trec_splits(folder)
    check_split(split, names, str(folder))
    documents, warnings = _documents(packed_or_not(folder / PASSAGES))
    queries = _queries(packed_or_not(folder / f"queries.{split}.tsv"))
    qrels = {name: packed_or_not(folder / f"qrels.{name}.tsv") for name in names}
    source = Source(str(qrels[split]), PASSAGES, f"queries.{split}.tsv")
    judged = {name: judgments(path) for name, path in qrels.items()}
    data = assemble(folder.resolve().name, split, documents, queries, judged, source, warnings)
    if unjudged := len(queries) - len(data.queries):
        left_out = f"{unjudged} of {len(queries)} queries have no judgment and are left out ({source.queries})"
        return replace(data, warnings=(*data.warnings, left_out))
    return data


def _documents(path: Path) -> tuple[LazyDocuments, tuple[str, ...]]:
    try:
        state = path.stat()
    except OSError as error:
        raise unreadable(path, error, _LAYOUT) from None
    return _indexed(path.resolve(), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1)
def _indexed(path: Path, size: int, changed: int) -> tuple[LazyDocuments, tuple[str, ...]]:
    """Cached for the splits that follow; size and time of change are arguments so that a changed file is read anew."""
    store = LineStore(path)
    return LazyDocuments(store), empty_documents(store.empty, store.count(), path)


def _queries(path: Path) -> dict[str, Query]:
    queries: dict[str, Query] = {}
    for number, line in text_lines(path):
        query_id, tab, text = line.partition("\t")
        if not tab or not query_id:
            problem = f"{excerpt(line)} is not an id, a tab and a text"
            raise InputError(problem, where=f"{path}:{number}", remedy="A line reads: id, one tab, text")
        check_id(query_id, f"{path}:{number}", query=True)
        if query_id in queries:
            problem = f"query {excerpt(query_id)} is already there"
            raise InputError(problem, where=f"{path}:{number}", remedy="Keep one line for each query")
        queries[query_id] = Query(query_id, text)
    return queries
