"""Free memory: how many bytes a training may still take on the device it runs on, whoever set the limit."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import torch

#: What a group of processes may use and uses, by the version of Linux' control groups, and of that the cached files,
#: which make way: cgroups(7).
_CGROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


def free_bytes(device: torch.device) -> int:
    """On a GPU what its driver has left and what torch took and does not use; elsewhere the least of what the machine
    has available and what the limits on this process leave of it."""
    if device.type == "cuda":
        left, _ = torch.cuda.mem_get_info(device)
        return left + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    available = int(psutil.virtual_memory().available)  # MemAvailable on Linux
    return max(0, min([available, *_left_by_cgroups(Path("/")), *_left_by_ulimit()]))


def _left_by_cgroups(root: Path) -> Iterator[int]:
    """What each group that this process is in leaves of its limit, up to the outermost that is seen from here."""
    try:
        groups = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        version, mount = (1, "sys/fs/cgroup/memory") if controllers else (2, "sys/fs/cgroup")
        innermost = root / mount / path.lstrip("/")
        for folder in (innermost, *innermost.parents):
            if not folder.is_relative_to(root / mount):
                break
            try:
                yield _left(folder, *_CGROUP_FILES[version])
            except (OSError, ValueError):
                continue  # no limit, or a container that sees its own group only, as the mount itself


def _left(folder: Path, limit: str, usage: str, cached: str) -> int:
    """Raises ValueError for "max", which is no limit."""
    most, used = (int((folder / name).read_text(encoding="utf-8")) for name in (limit, usage))
    stat = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="utf-8").splitlines())
    return most - used + int(stat.get(cached, 0))


def _left_by_ulimit() -> Iterator[int]:
    """What `ulimit -v` leaves of address space."""
    if sys.platform == "win32":
        return
    import resource

    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    if most != resource.RLIM_INFINITY:
        yield most - psutil.Process().memory_info().vms
