"""What the commands read and write: a collection, judgments, an output that must not exist yet."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

from strop.artifacts.store import store
from strop.commands.options import DOCSTRINGS
from strop.records import writing
from strop.records.documents import Collection, Qrels
from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.text_lines import unreadable

#: torch takes no larger one, of which numpy takes any.
LARGEST_SEED = 2**63 - 1
#: Bytes that file systems take in a name.
LONGEST_NAME = 255


def free(out: str | Path) -> None:
    """Raises InputError when `out` exists, even as a link to nothing, when it is no name for an output, and when its
    folder cannot be written to, or made."""
    _check_name(os.fspath(out))
    out = writing.free(out)
    there = next(folder for folder in out.absolute().parents if os.path.lexists(folder))
    if not (os.path.isdir(there) and os.access(there, os.W_OK)):
        raise InputError("this cannot be written", where=str(out), remedy="Choose a folder that you may write to")


def _check_name(out: str) -> None:
    name = Path(out).name
    if not out.strip() or "\0" in out:
        raise InputError(f"{excerpt(out)} is no name to write to", remedy="Name a file or a folder that is not there")
    if out == "-":
        raise InputError("results are written to files, not to standard output", remedy="Name a file")
    if out.startswith("~") and not os.path.exists(out):
        remedy = "Write the path in full, or leave the quotes out, so that the shell puts your folder there"
        raise InputError("a ~ is not expanded here", where=out, remedy=remedy)
    if len(os.fsencode(name)) > LONGEST_NAME:
        problem = f"the name {excerpt(name)} has {len(os.fsencode(name)):,} bytes"
        raise InputError(problem, remedy=f"Give one of at most {LONGEST_NAME}")


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that torch or numpy does not take."""
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"the seed is {excerpt(seed)}", remedy=f"Give a whole number from 0 to {LARGEST_SEED}")


def is_data(path: str | Path) -> bool:
    """Whether there is something to read that is no folder: a pipe too. Never raises, whatever the name."""
    return os.path.exists(path) and not os.path.isdir(path)


def check_there(*files: str | Path) -> None:
    """Raises InputError on a file that is not there, before anything is loaded to read it."""
    for file in files:
        try:
            os.stat(file)
        except OSError as error:
            raise unreadable(Path(file), error) from None


def check(collection: str, split: str) -> None:
    """Raises InputError when there is no such collection or split, before anything of it is read."""
    from strop.collection import door

    door.check(collection, split)


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

    if is_data(qrels):
        return read_qrels(Path(qrels))
    if not os.path.isdir(qrels) and qrels.partition(":")[0] != DOCSTRINGS:
        raise InputError(f"there are no qrels {excerpt(qrels)}", remedy="Give a qrels file or a collection's folder")
    return load(qrels, split).qrels


def training_folder(run: str, holding: str = "") -> Path:
    """The folder of a training that holds a file, its logbook if none is named. Raises InputError when `run` matches
    none, or several."""
    from strop.monitoring.logbook import ROWS, TRAIN

    if os.path.isdir(run):
        return Path(run)
    root = store().root / TRAIN.name
    folders = sorted(
        (path.parent for path in root.glob(f"*/{holding or ROWS}")), key=lambda folder: folder.stat().st_mtime
    )
    if run == "latest" and folders:
        return folders[-1]
    matching = [folder for folder in folders if run and folder.name.startswith(run)]
    if len(matching) != 1:
        raise InputError(
            f"{len(matching)} trainings have a key that starts with {excerpt(run)}",
            remedy=f"Give a folder, the key of one in {root}, or 'latest'",
        )
    return matching[0]
