"""Standard output and error, whatever they are: closed, full, a pipe that nobody reads, or of a narrow encoding."""

from __future__ import annotations

import codecs
import os
import sys
import traceback
from contextlib import suppress
from typing import TextIO

#: What an encoding that lacks them is given for our own characters.
_PLAIN = {
    "✓": "yes", "✗": "no", "▲": "^", "▼": "v", "■": "#", "…": "...", "–": "-", "—": "-", "−": "-", "≥": ">=",
    "≤": "<=", "±": "+-", "×": "x", "·": ".", "→": "->", "•": "-",
}  # fmt: skip


def open_streams() -> None:
    """Give standard streams that are closed the null device, so that no file that is opened takes their place; and
    make those that are open write any text."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the least number that is free
    codecs.register_error("strop", _replaced)
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="strop")


def _replaced(error: UnicodeError) -> tuple[str, int]:
    """For a stretch that cannot be encoded: a like character of ASCII, or its number as Python escapes it."""
    assert isinstance(error, UnicodeEncodeError)
    stretch = error.object[error.start : error.end]
    return "".join(_PLAIN.get(character) or ascii(character)[1:-1] for character in stretch), error.end


def broken(error: OSError) -> bool:
    """Whether what raised it was writing to a standard stream."""
    *_, (writer, _) = traceback.walk_tb(error.__traceback__)
    module = str(writer.f_globals.get("__name__"))
    return error.filename is None and (module == __name__ or module.partition(".")[0] in ("rich", "typer", "click"))


def flush() -> None:
    """Write out what is left. Raises OSError where it cannot be written."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def abandon() -> None:
    """Let what could not be written go, so that Python does not try, and complain, once more as it ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        if not _flushes(stream):
            with suppress(OSError, ValueError):
                assert stream is not None
                os.dup2(null, stream.fileno())
    os.close(null)


def _flushes(stream: TextIO | None) -> bool:
    try:
        if stream is not None:
            stream.flush()
    except (OSError, ValueError):
        return False
    return True
