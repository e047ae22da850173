"""A process that works for this one: what goes wrong in it is raised here as it would be without it."""

from __future__ import annotations

import pickle
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, TypeVar

from strop.records.errors import InputError, NonFiniteLossError, WorkerError

T = TypeVar("T")
#: What arrives as it was raised. Others lose their class on the way, and keep their name and their words.
_AS_RAISED = (InputError, NonFiniteLossError, WorkerError, OSError, KeyboardInterrupt)
PATIENCE = 5.0
_ENDED = "A killed one may have been out of memory: close other programs, or measure something smaller"


class Worker:
    """Calls functions in its process, one at a time. Use `worker`, which ends it."""

    def __init__(self, context: BaseContext) -> None:
        self._ours, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs,), daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()  # so that only the process holds it, and its death is an end of file

    def __call__(self, work: Callable[..., T], *arguments: Any) -> T:
        """`work(*arguments)` there. Raises what it raises: InputError, NonFiniteLossError, WorkerError, OSError
        and KeyboardInterrupt as they are; WorkerError for anything else, and for a process that has died."""
        try:
            self._ours.send_bytes(pickle.dumps((work, arguments)))
            done, value = pickle.loads(self._ours.recv_bytes())
        except (EOFError, OSError):  # also in the middle of its answer
            self.process.join()
            raise WorkerError(f"a process was ended by {_end(self.process.exitcode)}. {_ENDED}") from None
        if done:
            return value  # type: ignore[no-any-return]
        raise value

    def end(self) -> None:
        """Ask it to end by itself, as it tidies up then, and give it `PATIENCE` seconds."""
        self._ours.close()
        self.process.join(PATIENCE)


@contextmanager
def worker(context: BaseContext) -> Iterator[Worker]:
    """A process for as long as the block runs, and no longer, whatever ends it."""
    made = Worker(context)
    try:
        yield made
        made.end()
    finally:
        made.process.kill()
        made.process.join()


def _work(calls: Connection) -> None:
    """Answer calls until the other side is gone. Ctrl-C is the other side's: it ends this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(EOFError, OSError):
        while True:
            calls.send_bytes(_answer(calls.recv_bytes()))


def _answer(call: bytes) -> bytes:
    try:
        work, arguments = pickle.loads(call)
        return pickle.dumps((True, work(*arguments)))
    except BaseException as error:
        return pickle.dumps((False, _sent(error)))


def _sent(error: BaseException) -> BaseException:
    """The error as it can cross: one that pickle does not bring back as it was becomes its name and its words."""
    if isinstance(error, _AS_RAISED):
        with suppress(Exception):  # whatever a foreign class does as it is made again
            if str(pickle.loads(pickle.dumps(error))) == str(error):
                return error
    words = " ".join(str(error).split())
    return WorkerError(f"{type(error).__name__}{': ' * bool(words)}{words}")


def _end(code: int | None) -> str:
    """`signal 9 (SIGKILL)`, or `exit code 3`."""
    if code is not None and -code in set(signal.Signals):
        return f"signal {-code} ({signal.Signals(-code).name})"
    return f"exit code {code}"
