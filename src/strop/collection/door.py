"""The one door to collections: a name of an embedded one, or a folder in BEIR's layout."""

from __future__ import annotations

from pathlib import Path

from strop.collection.beir import beir_splits, read_beir
from strop.nouns import Collection, InputError


def load(source: str | Path, split: str = "test") -> Collection:
    """One split of a collection.

    Raises InputError, with place, value and remedy, when there is no such source or split, or the data is bad.
    """
    return read_beir(_folder(source), split)


def splits(source: str | Path) -> tuple[str, ...]:
    """The splits that `load` can give. Raises InputError when there is no such source."""
    return beir_splits(_folder(source))


def _folder(source: str | Path) -> Path:
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"there is no collection {str(source)!r}",
            remedy='Possible are "docstrings" (embedded), or the path of a folder with corpus.jsonl, queries.jsonl '
            "and qrels/SPLIT.tsv",
        )
    return folder
