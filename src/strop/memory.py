"""Memory: keep what is freed. On Linux the C library hands large blocks back to the system after every operation."""

from __future__ import annotations

import ctypes
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST = 2**31 - 1


def reuse_freed() -> bool:
    """Ask glibc to keep freed memory for the next tensor; False where there is no glibc.

    Otherwise every activation is mapped, zeroed page by page and unmapped again, which on a virtual machine can cost
    more than the arithmetic (`strop bench train`, with and without). Peak memory is not raised.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, 2**30) and mallopt(_TRIM_THRESHOLD, _LARGEST))
