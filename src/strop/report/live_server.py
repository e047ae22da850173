"""The server of a training's live page: on this machine only, reading only, two addresses and nothing else."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from typing import Any

from strop.monitoring.logbook import Course, read_logbook
from strop.records.errors import InputError
from strop.report.document import write
from strop.report.live import Alarm, live_page, state

Alarms = Callable[[Course], Sequence[Alarm]]

HOST = "127.0.0.1"
#: A long logbook takes long to read: it is read again when so many times that time has gone by, less these seconds.
_PATIENCE, _AT_ONCE = 10, 1.0
#: Seconds from a client's connection to its end, however slowly it asks or reads, and as many clients at once.
_LIMIT, _CLIENTS = 20.0, 64


@contextmanager
def serve(folder: str | Path, alarms: Alarms, port: int = 0) -> Iterator[str]:
    """Serve the live page of the training in `folder` while the block runs; gives its address. Port 0 is any free one.

    `folder` may be the training's own or its `.partial`, whichever there is at the moment. Raises InputError when there
    is no logbook, or the port cannot be had.
    """
    book = _Book(Path(folder), alarms)
    book.now()
    try:
        server = _Server((HOST, port), book)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) else "there are 65,535"
        remedy = "Give another one from 1024 to 65535, or 0 for any that is free"
        raise InputError(f"port {port!s:.40} cannot be had ({reason})", remedy=remedy) from None
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch(folder: str | Path, alarms: Alarms, port: int = 0, say: Callable[[str], None] = print) -> None:
    """Serve until Ctrl-C. Raises as `serve` does."""
    with serve(folder, alarms, port) as address:
        try:
            say(f"{address} shows the training as it goes; Ctrl-C ends the page, not the training")
            Event().wait()
        except KeyboardInterrupt:
            return


def write_page(folder: str | Path, out: Path, alarms: Alarms) -> Path:
    """Write the page as it stands to the file `out`, which fetches nothing. Raises as `read_logbook` does."""
    course = read_logbook(present(Path(folder)))
    return write(live_page(course, alarms(course), polls=False), out)


def present(folder: Path) -> Path:
    """`folder`, or where it is not there its `.partial`, or what that has become."""
    other = folder.with_suffix("") if folder.suffix == ".partial" else folder.with_name(folder.name + ".partial")
    return other if other.is_dir() and not folder.is_dir() else folder


@dataclass(slots=True)
class _Book:
    """The logbook as last read: not read again for what many ask, nor more often than its length allows."""

    folder: Path
    alarms: Alarms
    _lock: Lock = field(default_factory=Lock)
    _latest: tuple[Course, Sequence[Alarm]] | None = None
    _fresh_until: float = 0.0

    def now(self) -> tuple[Course, Sequence[Alarm]]:
        """The training so far and its alarms. Raises InputError when it cannot be read."""
        with self._lock:
            if self._latest is None or time.monotonic() >= self._fresh_until:
                started = time.thread_time()
                course = self._read()
                self._latest = course, self.alarms(course) if course.series else ()
                took = time.thread_time() - started
                self._fresh_until = time.monotonic() + _PATIENCE * took - _AT_ONCE
            return self._latest

    def _read(self) -> Course:
        try:
            return read_logbook(present(self.folder), waiting=True)
        except (InputError, OSError):  # between two files the folder may have been renamed
            return read_logbook(present(self.folder), waiting=True)


class _Server(ThreadingHTTPServer):
    """Each client has a thread and `_LIMIT` seconds; of more than `_CLIENTS` the one that came first is cut off."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], book: _Book) -> None:
        self.book = book
        #: Open connections in the order they came, and when each is cut off.
        self.open: dict[socket.socket, float] = {}
        super().__init__(address, _Handler)
        names = (HOST, "localhost")
        self.hosts = {f"{name}:{self.server_port}" for name in names} | {*(names if self.server_port == 80 else ())}

    def process_request(self, request: Any, client_address: Any) -> None:
        while len(self.open) >= _CLIENTS:
            self._cut(next(iter(self.open)))
        self.open[request] = time.monotonic() + _LIMIT
        super().process_request(request, client_address)

    def service_actions(self) -> None:
        """What the server does between two looks for a client."""
        now = time.monotonic()
        for request, end in [*self.open.items()]:
            if end < now:
                self._cut(request)

    def _cut(self, request: socket.socket) -> None:
        self.open.pop(request, None)
        with suppress(OSError):
            request.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for it

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        self.open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a client that went away, in the middle of its answer too, is no fault of the training's."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "strop", ""
    timeout = 10  # seconds, for who connects and says nothing

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self.server.hosts:  # a foreign name that was made to point here
            return self._answer(403, "text/plain", "This page is for this machine only.\n")
        if self.path not in ("/", "/state.json"):
            return self._answer(404, "text/plain", "There is nothing here.\n")
        return self._answer(*self._page() if self.path == "/" else self._state())

    def _page(self) -> tuple[int, str, str]:
        """Status, type and text of the page itself."""
        try:
            return 200, "text/html", live_page(*self.server.book.now(), polls=True)
        except Exception as error:
            return 503, "text/plain", f"{_words(error)}\n"

    def _state(self) -> tuple[int, str, str]:
        try:
            code, value = 200, state(*self.server.book.now())
        except Exception as error:
            code, value = 503, {"error": _words(error)}
        return code, "application/json", json.dumps(value, allow_nan=False)

    do_HEAD = do_GET

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """The library's own refusals, without its page: a method that no `do_` knows is one that is not allowed."""
        self.close_connection = True
        if code == 501:
            self._answer(405, "text/plain", "This page can only be read.\n", Allow="GET, HEAD")
        else:
            self._answer(code, "text/plain", "This request cannot be read.\n")
        self._drain()

    def _drain(self) -> None:
        """Take a little of what the client still sends: a connection closed upon it would take the answer along."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
            self.connection.settimeout(1)
            for _ in range(64):
                if not self.connection.recv(1 << 16):
                    return

    def _answer(self, code: int, kind: str, text: str, **headers: str) -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: who watches a training wants its words only."""


def _words(error: Exception) -> str:
    """What the page says of an error; of one that is no input's, there is no end of ways for values to be wrong."""
    if isinstance(error, (InputError, OSError)):
        return str(error)
    return f"The logbook cannot be shown ({type(error).__name__}: {error})"
