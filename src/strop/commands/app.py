"""The `strop` command as a shell starts it. Nothing else is loaded before Ctrl-C has one line for an answer."""

from __future__ import annotations

import gc
import sys

from strop.commands.interruption import interrupted


def main() -> int:
    """Run the command that was typed and return its exit code: 0 done, 1 failed, 2 unusable input, 130 interrupted.

    Whatever happens ends in one line on standard error, and in no traceback.
    """
    gc.set_threshold(10_000)  # imports and a study's many small values, and Python would look for cycles every 700
    try:
        from strop.commands.endings import run

        return run(sys.argv[1:])
    except KeyboardInterrupt:
        return interrupted()
