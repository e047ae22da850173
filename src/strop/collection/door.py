"""The one door to collections: the docstrings, folders in BEIR's or MS MARCO's layout, ir_datasets, and mixtures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from strop.collection.beir import beir_splits, read_beir
from strop.collection.docstrings.pool import SPLITS
from strop.collection.docstrings.reader import NAME, read_docstrings
from strop.collection.irds import PREFIX, irds_splits, read_irds
from strop.collection.mixture import mixture, parts
from strop.collection.trec import is_trec, read_trec, trec_splits
from strop.records.documents import Collection
from strop.records.errors import InputError

#: What gives the names of a source's splits, and what reads one of them.
Reader = tuple[Callable[[], tuple[str, ...]], Callable[[str], Collection]]


def load(source: str | Path, split: str = "test", cache: Path | None = None) -> Collection:
    """One split of a collection, or of several as one (`mixture`).

    A source is `"docstrings"`, `"irds:ID"`, a folder in BEIR's or MS MARCO's layout, or several: `"nfcorpus+scifact"`.
    The docstrings, once extracted, are kept in the folder `cache`. Raises InputError, with place, value and remedy,
    when there is no such source or split, or the data is bad.
    """
    if len(names := parts(source)) > 1:
        return mixture([load(name, split, cache) for name in names])
    return _reader(source, cache)[1](split)


def splits(source: str | Path) -> tuple[str, ...]:
    """The splits that `load` can give; of a mixture, those that all its parts have.

    Raises InputError when there is no such source, or the parts have no split in common.
    """
    if len(names := parts(source)) == 1:
        return _reader(source)[0]()
    each = [_reader(name)[0]() for name in names]
    if common := tuple(split for split in each[0] if all(split in others for others in each)):
        return common
    there = "; ".join(f"{name}: {', '.join(own)}" for name, own in zip(names, each, strict=True))
    raise InputError(f"{'+'.join(names)} have no split in common", remedy=f"Splits there: {there}")


def _reader(source: str | Path, cache: Path | None = None) -> Reader:
    if str(source) == NAME:
        return (lambda: SPLITS), partial(read_docstrings, cache=cache)
    if isinstance(source, str) and source.startswith(PREFIX):
        dataset = source.removeprefix(PREFIX)
        return partial(irds_splits, dataset), partial(read_irds, dataset)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"there is no collection {str(source)!r}",
            remedy=f'Possible are "{NAME}" (embedded), "{PREFIX}ID" of ir_datasets, or the path of a folder with '
            "corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, or with collection.tsv, queries.SPLIT.tsv and "
            "qrels.SPLIT.tsv",
        )
    if is_trec(folder):
        return partial(trec_splits, folder), partial(read_trec, folder)
    return partial(beir_splits, folder), partial(read_beir, folder)
