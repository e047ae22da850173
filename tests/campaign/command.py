"""The strop command, run as a process of its own: forked from one that has loaded the libraries, or started anew."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing import Pipe
from pathlib import Path
from types import TracebackType

TESTS = Path(__file__).parent.parent
SOURCE = TESTS.parent / "src"
#: Of every command, unless a case says otherwise. No hub is asked, and no thread is started that a fork would lose.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(SOURCE), str(TESTS)]),
}
_START = "import sys; sys.argv[0] = 'strop'; from strop.commands.app import main; sys.exit(main())"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended. `code` is None where it was stopped at its limit, and minus a signal that ended it;
    `orphans`: whether a process that it had started was still there, which has been killed."""

    code: int | None
    out: str
    err: str
    seconds: float
    orphans: bool = False


class Strop:
    """Runs commands one at a time: `strop(["evaluate", "run.trec"], folder)`. A context, which ends its server.

    A command has `folder` as its current folder, and `folder`/home as STROP_HOME unless `environment` says otherwise
    (None removes a variable). Nothing is on its standard input but `stdin`. `before` is "module:function", called with
    no argument in the command's process before it begins: to break a system call, to lower a limit. Past `limit`
    seconds the command and all that it started are killed.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="campaign-")
        self._connection, theirs = Pipe()
        words = [sys.executable, "-m", "campaign.fork_server", str(theirs.fileno())]
        kept = os.environ | ENVIRONMENT
        self._server = subprocess.Popen(words, env=kept, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()

    def __enter__(self) -> Strop:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._connection.close()
        self._server.wait(30)
        self._folder.cleanup()

    def __call__(
        self,
        words: list[str],
        folder: Path,
        *,
        environment: Mapping[str, str | None] | None = None,
        stdin: bytes = b"",
        before: str = "",
        limit: float = 60.0,
    ) -> Ended:
        streams = [Path(self._folder.name) / name for name in ("in", "out", "err")]
        streams[0].write_bytes(stdin)
        self._connection.send((words, str(folder), _changes(folder, environment), streams, before, limit))
        code, seconds, orphans = self._connection.recv()
        out, err = (path.read_text(encoding="utf-8", errors="replace") for path in streams[1:])
        return Ended(code, out, err, seconds, orphans)


def spawn(
    words: list[str],
    folder: Path,
    *,
    environment: Mapping[str, str | None] | None = None,
    stdin: bytes = b"",
    limit: float = 120.0,
) -> Ended:
    """The same in a new interpreter, for what is decided as Python starts: encodings, the locale, streams."""
    kept = os.environ | ENVIRONMENT | _changes(folder, environment)
    started = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-c", _START, *words],
        cwd=folder,
        env={name: value for name, value in kept.items() if value is not None},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(stdin, timeout=limit)
            code: int | None = process.returncode
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            (out, err), code = process.communicate(), None
        orphans = kill_group(process.pid)
    said = (stream.decode("utf-8", errors="replace") for stream in (out, err))
    return Ended(code, *said, time.monotonic() - started, orphans)


def kill_group(leader: int) -> bool:
    """Kill what is left of a process group; whether there was anything."""
    try:
        os.killpg(leader, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _changes(folder: Path, environment: Mapping[str, str | None] | None) -> dict[str, str | None]:
    return {"STROP_HOME": str(folder / "home"), **(environment or {})}
