"""What the commands read and write: a collection, judgments, an output that must not exist yet."""

from __future__ import annotations

import os
import shutil
import warnings
from contextlib import suppress
from pathlib import Path

from strop.artifacts.store import store
from strop.commands.options import DOCSTRINGS
from strop.monitoring.logbook import ROWS, TRAIN
from strop.records import writing
from strop.records.documents import Collection, Qrels
from strop.records.errors import InputError, InputWarning


def free(out: str | Path) -> None:
    """Make the folder of `out`. Raises InputError when `out` exists or its folder cannot be written to."""
    out = writing.free(out)
    with suppress(OSError):
        out.parent.mkdir(parents=True, exist_ok=True)
    if not (out.parent.is_dir() and os.access(out.parent, os.W_OK)):
        raise InputError("this cannot be written", where=str(out), remedy="Choose a folder that you may write to")


def copy(source: Path, out: str | Path) -> None:
    """Copy a file of the store to where the user wants it."""
    with writing.whole_file(out) as own:
        shutil.copyfile(source, own)


def load(collection: str, split: str) -> Collection:
    """One split of a collection, with its oddities as warnings."""
    from strop.collection import door

    data = door.load(collection, split, store().docstrings)
    for oddity in data.warnings:
        warn(f"{data.name}: {oddity}", stacklevel=4)
    return data


def warn(problem: str, stacklevel: int = 3) -> None:
    """Warn, by default, whoever called the call."""
    warnings.warn(problem, InputWarning, stacklevel)


def judgments(qrels: str, split: str) -> Qrels:
    """The judgments of a qrels file, TREC's or BEIR's, or of a collection's split. Raises InputError on others."""
    from strop.records.judgments import read_qrels

    path = Path(qrels)
    if path.exists() and not path.is_dir():  # a pipe is no file, and can be read
        return read_qrels(path)
    if not path.is_dir() and qrels.partition(":")[0] != DOCSTRINGS:
        raise InputError(f"there are no qrels {qrels!r}", remedy="Give a qrels file or a collection's folder")
    return load(qrels, split).qrels


def training_folder(run: str, holding: str = ROWS) -> Path:
    """The folder of a training that holds a file. Raises InputError when `run` matches none, or several."""
    if Path(run).is_dir():
        return Path(run)
    root = store().root / TRAIN.name
    folders = sorted((path.parent for path in root.glob(f"*/{holding}")), key=lambda folder: folder.stat().st_mtime)
    if run == "latest" and folders:
        return folders[-1]
    matching = [folder for folder in folders if folder.name.startswith(run)]
    if len(matching) != 1:
        raise InputError(
            f"{len(matching)} trainings have a key that starts with {run!r}",
            remedy=f"Give a folder, the key of one in {root}, or 'latest'",
        )
    return matching[0]
