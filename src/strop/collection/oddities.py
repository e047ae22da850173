"""What official data is known to have wrong with it: counted and told, and an error only beyond a share."""

from __future__ import annotations

from pathlib import Path

from strop.nouns import InputError

#: The share of official data that may be odd (empty documents, judgments of absent ones) before it is an error.
#: ArguAna has 5 absent ones in 1,406; Cranfield has 2 empty documents in 1,400.
TOLERATED_SHARE = 0.01


def empty_documents(count: int, total: int, first: str, path: Path, line: int) -> tuple[str, ...]:
    """A warning of `count` documents without text, if there are any; the `first` of them stands on `line`.

    Raises InputError when they are more than the tolerated share, or when there are no documents at all.
    """
    if not total:
        raise InputError("no documents", where=str(path), remedy="Write a line for each document")
    if not count:
        return ()
    problem = f"{count} of {total} documents have neither title nor text (first: {first!r})"
    if count > TOLERATED_SHARE * total:
        raise InputError(problem, where=f"{path}:{line}", remedy="Give them text or leave them out")
    return (f"{problem}, {path.name}:{line}",)
