"""Writing: an output appears whole under its own name, or not at all, and nothing else that lies there is touched."""

from __future__ import annotations

import errno
import filecmp
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from strop.records.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: nobody can tell there whether a private name is still in use, and it stays
    fcntl = None  # type: ignore[assignment]

#: What stands in every private name, which begins with a dot and the name it is for.
_MARK = ".strop-"
#: What a disk, a quota or a limit on the size of files says when no more can be written.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS})


@contextmanager
def whole_file(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """A private file beside `path` to write to; at the end it is on the disk, and has the name.

    With `replace` it takes the place of a file that is there; what a link points to is replaced, not the link. Without,
    raises InputError when something has the name already, or by then. After any error nothing is left. An OSError of a
    full disk names `path`. What a killed process left under a private name for `path` is removed.
    """
    path = Path(os.path.realpath(path)) if replace else free(path)
    if replace and path.exists() and not path.is_file():
        raise InputError("this is no file", where=str(path), remedy="Name a file to write")
    clear_private(path)
    with _private(path, folder=False) as own:
        yield own
        sync(own)
        if replace:
            os.replace(own, path)
        else:
            _link(own, path)
        sync_names(path.parent)


@contextmanager
def whole_folder(path: str | Path, replace: bool = False) -> Iterator[Path]:
    """As `whole_file`, for a folder; an empty folder of that name is no obstacle.

    With `replace` a folder that holds the same already stays as it is, and any other makes way.
    """
    path = Path(path)
    clear_private(path)
    with _private(path, folder=True) as own:
        yield own
        files = [file for file in own.rglob("*") if file.is_file()]
        for file in files:
            sync(file)
        with suppress(OSError):
            path.rmdir()  # an empty one: Windows cannot rename onto it
        try:
            os.rename(own, path)
        except OSError:
            if not os.path.lexists(path):
                raise
            if not (replace and path.is_dir()):
                raise _taken(path) from None
            if not all(_equal(file, path / file.relative_to(own)) for file in files):
                with _private(path, folder=True) as aside:
                    os.rename(path, aside)
                    os.rename(own, path)
        sync_names(path.parent)


def free(path: str | Path) -> Path:
    """The path. Raises InputError when something is there. What killed processes left for it is removed."""
    path = Path(path)
    clear_private(path)
    if os.path.lexists(path):
        raise InputError("this exists already", where=str(path), remedy="Choose another name or remove it")
    return path


def write_text(text: str, path: str | Path, replace: bool = False) -> None:
    """Write a text file in UTF-8, with its line ends as they are, as `whole_file` does."""
    with whole_file(path, replace) as own:
        own.write_text(text, encoding="utf-8", newline="")


def sync(path: Path) -> None:
    """Wait until a file's content is on the disk: a name must never outlive its content in a power failure."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_names(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    with suppress(OSError):  # Windows opens no folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def clear_private(path: str | Path) -> None:
    """Remove what killed processes left beside `path` under private names for it; those in use stay."""
    path = Path(path)
    if fcntl is None or not path.parent.is_dir():
        return
    for left in path.parent.iterdir():
        if left.name.startswith(_prefix(path)):
            with suppress(OSError):  # another user's, or a file system without locks: it stays
                if (lock := _lock(left)) is not None:
                    _remove(left)
                    os.close(lock)


@contextmanager
def naming(path: Path, own: Path) -> Iterator[None]:
    """What could not be written to `own`, or to a disk that is full, is an OSError that names `path` instead: what the
    user knows."""
    try:
        yield
    except Exception as error:
        if code := _unwritten(error, own):
            raise OSError(code, os.strerror(code), str(path)) from error
        raise


def _unwritten(error: Exception, own: Path) -> int:
    """The system's error number; 0 where it is about something else. Libraries have words of their own for a full disk:
    numpy counts, safetensors is no OSError, and shutil.Error lists one reason for each file that it could not copy."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, shutil.Error):
        names = [str(name) for name in (error.filename, error.filename2) if name is not None]
        about = any(name.startswith(str(own)) for name in names) if names else error.errno in _FULL
        return error.errno if about else 0
    words = re.search(r"\d requested and \d+ written|(?:os error |\[Errno )(\d+)", str(error))
    code = int(words[1] or errno.ENOSPC) if words else 0
    return code if code in _FULL else 0


@contextmanager
def _private(path: Path, folder: bool) -> Iterator[Path]:
    """A name of our own, locked for as long as this process lives, so that others know that it is in use."""
    with naming(path, path.parent / _prefix(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        own, lock = _claimed(path, folder)
        try:
            yield own
        finally:
            _remove(own)
            if lock is not None:
                os.close(lock)


def _claimed(path: Path, folder: bool) -> tuple[Path, int | None]:
    while True:
        own = path.parent / f"{_prefix(path)}{secrets.token_hex(4)}"
        if folder:
            own.mkdir()
        else:
            own.touch(exist_ok=False)
        if fcntl is None:
            return own, None
        try:
            lock = _lock(own)
        except OSError:  # a file system without locks, where no leftover is ever removed
            return own, None
        if lock is not None:  # else another process took it for a leftover before it was locked
            return own, lock


def _prefix(path: Path) -> str:
    return f".{path.name[:60]}{_MARK}"  # a name may have 255 bytes, and a character four


def _lock(path: Path) -> int | None:
    """An open descriptor that holds the lock on a file or folder; None where another process does, or it is gone."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.lstat()):
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
    except (FileNotFoundError, BlockingIOError):
        return None
    os.close(descriptor)
    return None


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _link(own: Path, path: Path) -> None:
    """A second name for a file, unless something has that name: a rename would overwrite it."""
    try:
        os.link(own, path)
    except FileExistsError:
        raise _taken(path) from None
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            raise _taken(path) from None
        os.rename(own, path)


def _equal(one: Path, other: Path) -> bool:
    return other.is_file() and filecmp.cmp(one, other, shallow=False)


def _taken(path: Path) -> InputError:
    problem = "something of this name appeared while this command worked"
    return InputError(problem, where=str(path), remedy="It was left as it is: see what it is, or choose another name")
