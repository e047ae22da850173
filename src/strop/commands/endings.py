"""How a command ends: what it raises becomes one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import typer

from strop.commands import streams
from strop.commands.interruption import interrupted
from strop.records.errors import InputError, InputWarning, NonFiniteLossError, WorkerError, excerpt, one_line

#: Set, it shows the traceback of a fault of strop's own in place of one line.
TRACEBACK = "STROP_TRACEBACK"
#: What typer raises for a command line that it cannot read, in every version of it.
_Refused: Any = typer.BadParameter.__mro__[2]
#: A file that fails so is one that the user named, and no disk's fault.
_NAMED_WRONG = {errno.ENAMETOOLONG, errno.ELOOP, errno.EILSEQ}
DONE, FAILED, UNUSABLE, PIPE_CLOSED = 0, 1, 2, 141


def run(words: Sequence[str]) -> int:
    """Run the command of these words. KeyboardInterrupt is left to the caller until a command has begun."""
    streams.open_streams()
    with _warnings():
        try:
            return _ran(words)
        except KeyboardInterrupt:
            return interrupted()
        except SystemExit as end:  # what a library does whose output nobody reads
            return end.code if isinstance(end.code, int) else FAILED
        except BaseException as error:
            if os.environ.get(TRACEBACK) and _is_fault(error):
                raise
            return _ended(error, words)
        finally:
            streams.abandon()


def _ran(words: Sequence[str]) -> int:
    if odd := next((word for word in words if not _is_text(word)), None):
        raise InputError(f"{excerpt(odd)} is not UTF-8", remedy="Rename the file, or use a terminal in UTF-8")

    from strop.bench.process_memory import reuse_freed
    from strop.commands.tree import invoke

    # Threads that spin while they wait cost threefold once another program wants a core. torch reads this as it loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    reuse_freed()
    try:
        code = invoke(words)
    except typer.Exit as end:
        code = end.exit_code
    streams.flush()
    return code


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:  # bytes of a file's name that are not of the terminal's encoding
        return False
    return True


def _ended(error: BaseException, words: Sequence[str]) -> int:
    if type(error).__name__ == "NoArgsIsHelpError":  # of a group without a command; older versions just show it
        error.show()  # type: ignore[attr-defined]
        return UNUSABLE
    if isinstance(error, _Refused):
        return _said("error", _refusal(error, words), UNUSABLE)
    if isinstance(error, InputError):
        return _said("error", str(error), UNUSABLE)
    if isinstance(error, OSError):
        return _system_s(error)
    if isinstance(error, (NonFiniteLossError, WorkerError)):
        return _said("stopped", str(error), FAILED)
    if isinstance(error, typer.Abort):
        return _said("stopped", "the input ended", FAILED)
    if reason := _exhausted(error):
        return _said("stopped", reason, FAILED)
    return _said(f"strop failed: {type(error).__name__}", _fault(error, words), FAILED)


def _refusal(error: Any, words: Sequence[str]) -> str:
    """What typer says of a command line, with long words cut."""
    text = error.format_message()
    for word in {part for typed in words for part in (typed, typed.partition("=")[2])}:
        if len(word) > len(excerpt(word)) - 2:
            text = text.replace(repr(word), excerpt(word)).replace(word, excerpt(word)[1:-1])
    context = getattr(error, "ctx", None)
    help_of = context.command_path if context else "strop"
    return f"{text.rstrip('.')}. '{help_of} --help' tells more"


def _system_s(error: OSError) -> int:
    """The line of what the operating system refuses: a full disk, a folder that one may not write to, a name."""
    if isinstance(error, BrokenPipeError) and error.filename is None:
        return PIPE_CLOSED  # who reads has what he wanted
    if error.errno in _NAMED_WRONG and error.filename is not None:
        named = excerpt(os.fsdecode(error.filename))
        return _said("error", f"{named}: {error.strerror}. Give another name", UNUSABLE)
    if streams.broken(error):
        return _said("stopped", f"{error}: standard output", FAILED)
    if error.filename is None:
        return _said("stopped", f"{error}: in {_store_root().absolute()} or {Path.cwd()}", FAILED)
    return _said("stopped", str(error), FAILED)


def _exhausted(error: BaseException) -> str:
    """The reason, where memory ran out, a library's write failed, or a value is nested without an end; else empty."""
    kind, text = type(error).__name__, str(error)
    if isinstance(error, MemoryError) or kind == "OutOfMemoryError" or "can't allocate memory" in text:
        return f"out of memory{f' ({text})' if text else ''}; smaller batches, lengths or depths need less"
    if isinstance(error, RecursionError):
        return f"nested too deeply ({text})"
    if kind == "SafetensorError" and "os error" in text:
        return f"{text}: in {_store_root().absolute()}"
    return ""


def _is_fault(error: BaseException) -> bool:
    expected = InputError, OSError, NonFiniteLossError, WorkerError, typer.Abort, _Refused
    return not (isinstance(error, expected) or _exhausted(error))


def _fault(error: BaseException, words: Sequence[str]) -> str:
    log = _logged(error, words)
    report = f"report it with the log at {log}" if log else f"set {TRACEBACK}=1 to see where"
    return f"{error} – this is a fault of strop; {report}"


def _logged(error: BaseException, words: Sequence[str]) -> Path | None:
    """The file, for its owner's eyes only, that now holds the traceback: in the store, else where temporary files go;
    None where neither can be written."""
    text = "".join(traceback.format_exception(error))
    for folder in (_store_root() / "failures", Path(tempfile.gettempdir())):
        path = folder.absolute() / f"strop-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        with suppress(OSError, ValueError):
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(f"strop {' '.join(map(repr, words))}\n{sys.version}\n\n{text}")
            return path
    return None


def _store_root() -> Path:
    from strop.artifacts.store import store

    return store().root


def _said(kind: str, text: str, code: int) -> int:
    colour = typer.colors.RED
    with suppress(OSError, ValueError):  # nobody can be told
        typer.secho(one_line(f"{kind}: {text}"), err=True, fg=colour)
    return code


@contextmanager
def _warnings() -> Iterator[None]:
    """Ours on one line each; others as Python shows them."""

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, InputWarning):
            typer.secho(one_line(f"warning: {message}"), err=True, fg=typer.colors.YELLOW)
        else:
            others(message, category, *place, **more)

    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        others, warnings.showwarning = warnings.showwarning, show
        yield
