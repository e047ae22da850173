"""Faults at a command's own file operations: it is killed at one, finds the disk full from one on, or is held up.

`begin` runs in the command's process before it starts. What it does is told by $CAMPAIGN_FAULT, a `Fault` as JSON.
"""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import random
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NoReturn

VARIABLE = "CAMPAIGN_FAULT"
#: What `Strop` is told to call.
BEFORE = "campaign.faults:begin"
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
#: Audit events of what changes a folder, and where their arguments have the path and the folder it is relative to.
_CHANGES = {"os.rename": (1, 3), "os.mkdir": (0, 2), "os.remove": (0, 1), "os.rmdir": (0, 1), "os.link": (1, 3),
            "os.symlink": (1, 2), "os.truncate": (0, None)}  # fmt: skip
_TAKING = {"open", "write", "os.mkdir", "os.link", "os.symlink", "allocate"}
_HELD_UP = 0.6


@dataclass(frozen=True, slots=True)
class Fault:
    """Operations below `root` are numbered from 1; each is a line of the file `log`, written before it is done.

    `kill` is the number at which the process kills itself, a write half done. From `full` on whatever takes room ends
    in ENOSPC. `largest` is the size in bytes at which the system stops a file. `seed` draws a short wait before every
    fourth operation or so; at operation `meet` the process waits for another that meets it in the same folder, or
    a moment. `reads` also logs which files are opened to be read.
    """

    root: str
    log: str
    kill: int = 0
    full: int = 0
    largest: int = 0
    seed: int | None = None
    meet: int = 0
    place: str = ""
    reads: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}


def operations(log: Path) -> list[tuple[str, str]]:
    """What a command did to files, in its order: operation and path."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.is_file() else []
    return [(kind, path) for kind, _, path in (line.partition(" ") for line in lines)]


def begin() -> None:
    """Watch this process, as $CAMPAIGN_FAULT says."""
    fault = Fault(**json.loads(os.environ.pop(VARIABLE)))
    watch = _Watch(fault)
    if fault.largest:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (fault.largest, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return
    _wrap_streams(watch)
    _wrap_descriptors(watch)
    _wrap_libraries(watch)
    sys.addaudithook(watch.audit)


class _Watch:
    """Counts operations and does what the fault says at its own."""

    def __init__(self, fault: Fault) -> None:
        self._fault, self._count, self._lock = fault, 0, threading.RLock()
        self._log = os.open(fault.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._random = random.Random(fault.seed)
        self._root = os.path.realpath(fault.root) + os.sep
        self._write = os.write
        self._busy = False

    def audit(self, event: str, about: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = about
            if isinstance(path, (str, bytes)) and flags & _WRITES:
                self("open", os.fsdecode(path))
            elif self._fault.reads and isinstance(path, (str, bytes)):
                self._tell("read", os.fsdecode(path))
        elif event in _CHANGES:
            at, folder = _CHANGES[event]
            path = about[at]
            if isinstance(path, int):
                path = _name(path)
            beside = -1 if folder is None else about[folder]
            self(event, os.fsdecode(path) if beside in (-1, None) else os.path.join(_name(beside), os.fsdecode(path)))

    def __call__(self, kind: str, path: str | int, half: Callable[[], object] | None = None) -> None:
        """One operation that is about to be done; `half` does some of it."""
        name = os.path.realpath(_name(path) if isinstance(path, int) else path)
        with self._lock:
            if self._busy or not name.startswith(self._root):
                return
            self._busy = True
            try:
                self._count += 1
                self._tell(kind, name)
                self._act(kind, name, half)
            finally:
                self._busy = False

    def _tell(self, kind: str, name: str) -> None:
        line = f"{kind} {os.path.relpath(os.path.realpath(name), self._root)}\n"
        self._write(self._log, line.encode(errors="replace"))

    def _act(self, kind: str, name: str, half: Callable[[], object] | None) -> None:
        fault = self._fault
        if fault.kill == self._count:
            if half:
                half()
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.full and self._count >= fault.full and kind in _TAKING:
            if half and fault.full == self._count:
                half()
            error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if kind not in ("write", "allocate"):  # who writes to a descriptor is not told whose it is
                error.filename = name
            raise error
        if fault.seed is not None and self._random.random() < 0.25:
            time.sleep(self._random.random() * 0.02)
        if fault.meet == self._count:
            self._meet(Path(fault.place))

    def _meet(self, place: Path) -> None:
        (place / str(os.getpid())).touch()
        until = time.monotonic() + _HELD_UP
        while len(os.listdir(place)) < 2 and time.monotonic() < until:
            time.sleep(0.002)


def _name(descriptor: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")
    except OSError:
        return ""  # no such system, or no file


def _wrap_streams(watch: _Watch) -> None:
    """Files that Python opens for writing write through `_Raw`."""
    plain = io.open

    class _Raw(io.FileIO):
        def write(self, data: Any, /) -> int:
            part = memoryview(data).cast("B")
            written = super().write
            watch("write", self.fileno(), lambda: written(part[: len(part) // 2]))
            return written(data)

    def opened(
        file: Any, mode: str = "r", buffering: int = -1, encoding: str | None = None, errors: str | None = None,
        newline: str | None = None, closefd: bool = True, opener: Any = None,
    ) -> Any:  # fmt: skip
        if not set(mode) & set("wax") or "+" in mode:
            return plain(file, mode, buffering, encoding, errors, newline, closefd, opener)
        raw = _Raw(file, mode.replace("b", "").replace("t", ""), closefd, opener)
        if not buffering:
            return raw
        buffered = io.BufferedWriter(raw, buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding, errors, newline, line_buffering=buffering == 1)

    builtins.open = io.open = opened  # type: ignore[assignment]


def _wrap_descriptors(watch: _Watch) -> None:
    """System calls on descriptors, which raise no audit event."""
    write, sync, send, allocate = os.write, os.fsync, os.sendfile, getattr(os, "posix_fallocate", None)

    def writing(descriptor: int, data: Any, /) -> int:
        watch("write", descriptor, lambda: write(descriptor, data[: len(data) // 2]))
        return write(descriptor, data)

    def syncing(descriptor: Any) -> None:
        watch("sync", descriptor if isinstance(descriptor, int) else descriptor.fileno())
        sync(descriptor)

    def sending(out: int, source: int, offset: Any, count: int) -> int:
        watch("write", out, lambda: send(out, source, offset, max(1, min(count, os.fstat(source).st_size) // 2)))
        return send(out, source, offset, count)

    def allocating(descriptor: int, offset: int, size: int, /) -> None:
        watch("allocate", descriptor)
        assert allocate
        allocate(descriptor, offset, size)

    os.write, os.fsync, os.sendfile = writing, syncing, sending  # type: ignore[assignment]
    if allocate:
        os.posix_fallocate = allocating  # type: ignore[assignment]


def _wrap_libraries(watch: _Watch) -> None:
    """Whoever writes files without Python: safetensors, and numpy's arrays."""
    import safetensors.torch
    from numpy.lib import _format_impl
    from safetensors import SafetensorError

    serialize = safetensors.torch.serialize_file

    def serializing(tensors: Any, path: Any, metadata: Any = None, **more: Any) -> Any:
        def half() -> None:
            serialize(tensors, path, metadata, **more)
            os.truncate(path, os.path.getsize(path) // 2)

        try:
            watch("write", os.fspath(path), half)
        except OSError as error:
            _refused(SafetensorError, error)
        done = serialize(tensors, path, metadata, **more)
        watch("written", os.fspath(path))
        return done

    safetensors.torch.serialize_file = serializing
    _format_impl.isfileobj = lambda file: False  # numpy then writes through the stream


def _refused(kind: type[Exception], error: OSError) -> NoReturn:
    raise kind(f"Error while serializing: I/O error: {error.strerror} (os error {error.errno})") from None
