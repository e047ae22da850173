"""A process that has loaded what commands load, and forks for each command: a start costs milliseconds, not seconds."""

from __future__ import annotations

import atexit
import gc
import importlib
import os
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

from campaign.command import kill_group

#: Loaded once, before any fork. Loading starts no thread, which a fork would lose.
_HEAVY = (
    "strop.commands.app",
    "sentence_transformers",
    "peft",
    "ir_measures",
    "scipy.stats",
    "sklearn",
    "altair",
    "jinja2",
    "bm25s",
    "strop.study.conduct",
    "strop.tuning.tune",
    "strop.training.stage",
    "strop.retrieval.retriever",
    "strop.report.page",
)
_OFTEN = 0.005  # seconds between two looks at a command


def serve(connection: Connection) -> None:
    """Run each command that is asked for, until the other side hangs up."""
    for name in _HEAVY:
        if importlib.util.find_spec(name.partition(".")[0]):
            importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a collection in a command would touch, and so copy, every page
    while True:
        try:
            words, folder, environment, streams, before, limit = connection.recv()
        except EOFError:
            return
        child = os.fork()
        if not child:
            connection.close()
            _command(words, folder, environment, streams, before)
        connection.send(_watched(child, limit))


def _watched(child: int, limit: float) -> tuple[int | None, float, bool]:
    """The exit code (None at the limit), seconds, and whether it left processes behind."""
    started, code = time.monotonic(), None
    while (seconds := time.monotonic() - started) < limit:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            break
        time.sleep(_OFTEN)
    orphans = kill_group(child)
    if code is None:
        os.waitpid(child, 0)
    return code, seconds, orphans and code is not None


def _command(
    words: Sequence[str], folder: str, environment: Mapping[str, str | None], streams: Sequence[Path], before: str
) -> NoReturn:
    """Become the command, as a shell would have started it, and end."""
    code = 1
    try:
        os.setsid()
        os.chdir(folder)
        for name, value in environment.items():
            os.environ.pop(name, None) if value is None else os.environ.__setitem__(name, value)
        modes = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_TRUNC] * 2)
        for number, (path, mode) in enumerate(zip(streams, modes, strict=True)):
            os.dup2(os.open(path, mode), number)
        sys.stdin, sys.stdout = (os.fdopen(n, mode, encoding="utf-8", closefd=False) for n, mode in enumerate("rw"))
        sys.stderr = os.fdopen(2, "w", 1, encoding="utf-8", errors="backslashreplace", closefd=False)
        sys.argv = ["strop", *words]
        if before:
            module, _, function = before.partition(":")
            getattr(importlib.import_module(module), function)()
        from strop.commands.app import main

        code = _exit_code(main())
    except SystemExit as end:
        code = _exit_code(end.code)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _exit_code(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, int):
        return value & 0xFF
    print(value, file=sys.stderr)
    return 1


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
