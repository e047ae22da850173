"""The one door to collections: the docstrings, folders in BEIR's or MS MARCO's layout, ir_datasets, and mixtures."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from strop.collection.assembly import check_split
from strop.collection.beir import beir_documents, beir_judged, beir_splits, read_beir, read_beir_splits
from strop.collection.docstrings.reader import NAME, docstring_splits, is_docstrings, read_docstrings
from strop.collection.fingerprint import with_fingerprint
from strop.collection.irds import PREFIX, irds_splits, read_irds
from strop.collection.mixture import mixture, parts
from strop.collection.trec import is_trec, read_trec, trec_documents, trec_judged, trec_splits
from strop.records.documents import Collection
from strop.records.errors import InputError, excerpt

#: What gives the names of a source's splits, and what reads one of them.
Reader = tuple[Callable[[], tuple[str, ...]], Callable[[str], Collection]]


def load(source: str | Path, split: str = "test", cache: Path | None = None) -> Collection:
    """One split of a collection, or of several as one (`mixture`).

    A source is `"docstrings"`, some packages of it (`"docstrings:numpy,scipy"`), `"irds:ID"`, a folder in BEIR's or MS
    MARCO's layout, or several: `"nfcorpus+scifact"`. The docstrings, once extracted, are kept in the folder `cache`.
    Raises InputError, with place, value and remedy, when there is no such source or split, or the data is bad.
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


def every_split(source: str | Path, cache: Path | None = None) -> list[Collection]:
    """What `load` gives for each of `splits`, in their order, to be read through: documents are on disk where they can
    be, and read once for all splits of a folder. Raises InputError as `load` does."""
    if len(names := parts(source)) > 1:
        each = [dict(zip(splits(name), every_split(name, cache), strict=True)) for name in names]
        return [mixture([own[split] for own in each]) for split in splits(source)]
    if (folder := _folder(source)) is not None and not is_trec(folder):
        return read_beir_splits(folder)
    there, read = _reader(source, cache)
    return [read(split) for split in there()]


def check(source: str | Path, split: str) -> None:
    """Raises InputError, as `load` does, when there is no such source or split; nothing is read but names of files."""
    for name in parts(source):
        there = splits(name)
        if not name.startswith(PREFIX):  # an id may also be the split itself
            check_split(split, there, name)


def has_judgments(source: str | Path) -> bool:
    """Whether a source has judged queries, so that `splits` and `load` can read it; a folder may hold documents alone.

    Of a mixture, whether each part has. Raises InputError when there is no such source.
    """
    if len(names := parts(source)) > 1:
        return all(has_judgments(name) for name in names)
    if (folder := _folder(source)) is None:
        return bool(splits(source))
    return bool(trec_judged(folder) if is_trec(folder) else beir_judged(folder))


def documents(source: str | Path, cache: Path | None = None) -> Collection:
    """A source's documents without queries and judgments, whether it has any or not; the split is empty.

    Of a folder no other file than that of its documents is read. Raises InputError as `load` does.
    """
    if len(names := parts(source)) > 1:
        return mixture([documents(name, cache) for name in names])
    if (folder := _folder(source)) is None:
        judged = load(source, splits(source)[0], cache)
        return with_fingerprint(replace(judged, split="", queries={}, qrels={}, reserved=frozenset()))
    return trec_documents(folder) if is_trec(folder) else beir_documents(folder)


def _reader(source: str | Path, cache: Path | None = None) -> Reader:
    if (folder := _folder(source)) is not None:
        if is_trec(folder):
            return partial(trec_splits, folder), partial(read_trec, folder)
        return partial(beir_splits, folder), partial(read_beir, folder)
    if is_docstrings(source):
        return partial(docstring_splits, str(source)), partial(read_docstrings, str(source), cache=cache)
    dataset = str(source).removeprefix(PREFIX)
    return partial(irds_splits, dataset), partial(read_irds, dataset)


def _folder(source: str | Path) -> Path | None:
    """The folder that a source is; None for the docstrings and ir_datasets. Raises InputError when there is none."""
    if is_docstrings(source) or (isinstance(source, str) and source.startswith(PREFIX)):
        return None
    folder = Path(source)
    if not str(source) or not os.path.isdir(folder):  # of whatever name, where Path.is_dir may raise
        raise InputError(
            f"there is no collection {excerpt(str(source))}",
            remedy=f'Possible are "{NAME}" (embedded), "{NAME}:PACKAGE", "{PREFIX}ID" of ir_datasets, or the path of a '
            "folder with corpus.jsonl, queries.jsonl and qrels/SPLIT.tsv, or with collection.tsv, queries.SPLIT.tsv "
            "and qrels.SPLIT.tsv",
        )
    return folder
