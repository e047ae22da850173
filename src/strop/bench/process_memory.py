"""This process's memory: how much it has, and keeping what is freed, which glibc otherwise returns after every use."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST = 2**31 - 1

#: What Linux reports to a process of itself: proc(5).
STATUS = Path("/proc/self/status")
PEAK_RESET = Path("/proc/self/clear_refs")


def resident(field: str) -> int:
    """Bytes of this process in main memory: `VmRSS` now, `VmHWM` at its peak. Raises OSError where there is no Linux.

    Not `getrusage`, whose peak a new process inherits from the one that started it.
    """
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return 1024 * int(line.split()[1])


def resident_increase(work: Callable[[], object]) -> int:
    """By how many bytes at most this process's resident memory rose during the work. Raises OSError as `resident`."""
    return_freed()  # else what was freed before would count as the work's
    before = resident("VmRSS")
    PEAK_RESET.write_text("5")  # the peak starts anew: proc(5)
    work()
    return resident("VmHWM") - before


def reuse_freed() -> bool:
    """Ask glibc to keep freed memory for the next tensor; False where there is no glibc.

    Otherwise every activation is mapped, zeroed page by page and unmapped again, which on a virtual machine can cost
    more than the arithmetic (`strop bench train`, with and without). Peak memory is not raised.
    """
    mallopt = _glibc("mallopt")
    return bool(mallopt and mallopt(_MMAP_THRESHOLD, 2**30) and mallopt(_TRIM_THRESHOLD, _LARGEST))


def return_freed() -> bool:
    """Give back what was freed, for a command whose next part needs other memory; False where there is none to give."""
    trim = _glibc("malloc_trim")
    return bool(trim and trim(0))


def _glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc's, None where there is no glibc."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except OSError:
        return None
