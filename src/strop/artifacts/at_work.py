"""Whether a process makes an artifact just now: a killed one leaves its folder behind, but not its lock."""

from __future__ import annotations

import os
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows, where the lock of another cannot be asked for
    fcntl = None  # type: ignore[assignment]


def at_work(folder: Path) -> bool | None:
    """Of the `.partial` folder of a store's artifact; None for any other folder, and where nobody can tell."""
    if folder.suffix != ".partial" or fcntl is None:
        return None
    try:
        lock = os.open(folder.with_suffix(".lock"), os.O_RDONLY)
    except FileNotFoundError:  # whoever let go of it removed it
        return False
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return None
    finally:
        os.close(lock)
    return False
