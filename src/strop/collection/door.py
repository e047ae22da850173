"""The one door to collections: a name of an embedded one, or a folder in BEIR's layout."""

from __future__ import annotations

from pathlib import Path

from strop.collection.beir import beir_splits, read_beir
from strop.collection.docstring_pool import SPLITS
from strop.collection.docstrings import NAME, read_docstrings
from strop.nouns import Collection, InputError


def load(source: str | Path, split: str = "test", cache: Path | None = None) -> Collection:
    """One split of a collection: `"docstrings"`, or a folder in BEIR's layout.

    `cache` is a folder in which the docstrings, once extracted, are kept. Raises InputError, with place, value and
    remedy, when there is no such source or split, or the data is bad.
    """
    return read_docstrings(split, cache) if str(source) == NAME else read_beir(_folder(source), split)


def splits(source: str | Path) -> tuple[str, ...]:
    """The splits that `load` can give. Raises InputError when there is no such source."""
    return SPLITS if str(source) == NAME else beir_splits(_folder(source))


def _folder(source: str | Path) -> Path:
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(
            f"there is no collection {str(source)!r}",
            remedy=f'Possible are "{NAME}" (embedded), or the path of a folder with corpus.jsonl, queries.jsonl '
            "and qrels/SPLIT.tsv",
        )
    return folder
