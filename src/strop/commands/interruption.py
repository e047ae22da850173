"""What an interrupted command says. Little is loaded here: it can be interrupted before anything else is there."""

from __future__ import annotations

import os
import signal
from contextlib import suppress


def interrupted() -> int:
    """The exit code of an interruption, after its one line. A second Ctrl-C finds nobody who listens."""
    with suppress(ValueError):  # not the main thread, where no signal arrives
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):  # standard error is closed, or a pipe that nobody reads
        os.write(2, b"stopped; the same command continues from here\n")
    return 130
