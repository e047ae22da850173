"""The live page's server: what it answers, to whom, and that it follows a training that goes on and is renamed."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from strop.monitoring.logbook import ROWS, Course, Logbook, read_logbook
from strop.records.errors import InputError
from strop.report.live import Alarm
from strop.report.live_server import present, serve, write_page


def alarms(course: Course) -> list[Alarm]:
    return [(1, "Loss", "it rose.")] if course.step else []


def begun(folder: Path, log: list[tuple[int, str, float]]) -> Logbook:
    logbook = Logbook(folder, {"title": "a run", "updates": 9}, seed=0)
    logbook.start([])
    logbook.add(log)
    return logbook


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    begun(tmp_path, [(0, "loss", 2.0)])
    with serve(tmp_path, alarms) as url:
        yield url


def ask(url: str, path: str, method: str = "GET", host: str | None = None) -> tuple[HTTPResponse, str]:
    place = urlsplit(url).netloc
    connection = HTTPConnection(place, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    connection.putheader("Host", place if host is None else host)
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer, body


def shown(url: str) -> dict[str, object]:
    answer, body = ask(url, "/state.json")
    assert answer.status == 200, body
    found: dict[str, object] = json.loads(body)
    return found


def test_it_answers_with_the_page_and_its_state_and_lets_nobody_keep_them(address: str) -> None:
    for path, kind in (("/", "text/html"), ("/state.json", "application/json")):
        answer, body = ask(address, path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == f"{kind}; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "a run" in body
        head, nothing = ask(address, path, "HEAD")
        assert (head.status, nothing) == (200, "")
        assert int(head.headers["Content-Length"]) > 500
    assert "data-polls" in ask(address, "/")[1]


def test_it_listens_on_this_machine_only(address: str) -> None:
    assert urlsplit(address).hostname == "127.0.0.1"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", urlsplit(address).port or 0), timeout=2)


@pytest.mark.parametrize(
    "path", ["/rows.csv", "/../rows.csv", "/%2e%2e/rows.csv", "//etc/passwd", "/state.json/", "/?a"]
)
def test_there_is_nothing_else_to_be_had(address: str, path: str) -> None:
    answer, body = ask(address, path)
    assert (answer.status, body) == (404, "There is nothing here.\n")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_it_can_only_be_read(address: str, method: str) -> None:
    answer, _ = ask(address, "/", method)
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_a_page_of_another_name_that_points_here_is_refused(address: str) -> None:
    port = urlsplit(address).port
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1:{(port or 0) + 1}", ""):
        answer, body = ask(address, "/state.json", host=host)
        assert answer.status == 403, host
        assert "a run" not in body
    assert ask(address, "/state.json", host=f"localhost:{port}")[0].status == 200


def test_the_state_grows_with_the_rows_and_a_half_written_one_waits(address: str, tmp_path: Path) -> None:
    assert shown(address)["updates"] == [1, 9]
    assert shown(address)["alarms"] == []
    whole = (tmp_path / ROWS).read_bytes()
    row = whole.splitlines(keepends=True)[-1].replace(b",0,,train", b",1,,train")
    with (tmp_path / ROWS).open("ab") as file:
        file.write(row[:-4])
        file.flush()
        assert shown(address)["updates"] == [1, 9]
        file.write(row[-4:])
    assert shown(address)["updates"] == [2, 9]
    assert shown(address)["alarms"] == [{"step": 1, "name": "Loss", "sentence": "it rose."}]


def test_a_logbook_that_takes_long_to_read_is_not_read_for_every_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logbook = begun(tmp_path, [(0, "loss", 1.0)])
    clock = iter([0.0, 60.0, 60.0, 60.1])
    monkeypatch.setattr("strop.report.live_server.time.thread_time", lambda: next(clock))
    with serve(tmp_path, alarms) as url:
        logbook.add([(0, "loss", 1.0), (1, "loss", 1.0)])
        assert shown(url)["updates"] == [1, 9]
        monkeypatch.setattr("strop.report.live_server.time.monotonic", lambda: math.inf)
        assert shown(url)["updates"] == [2, 9]


def test_it_waits_for_the_first_update_and_asks_no_alarm_before(tmp_path: Path) -> None:
    logbook = begun(tmp_path, [])
    with serve(tmp_path, alarms) as url:
        assert shown(url)["status"] == "Waiting for the first update."
        assert "Waiting for the first update." in ask(url, "/")[1]
        logbook.add([(0, "loss", 1.0)])
        assert shown(url)["status"] == "Running: 1 of 9 updates done."


def test_it_follows_a_folder_that_is_renamed_when_the_training_is_done(tmp_path: Path) -> None:
    partial, done = tmp_path / "train-0a1b.partial", tmp_path / "train-0a1b"
    logbook = begun(partial, [(0, "loss", 1.0)])
    assert present(done) == present(partial) == partial
    with serve(partial, alarms) as early, serve(done, alarms) as late:
        logbook.end()
        partial.rename(done)
        assert present(done) == present(partial) == done
        assert shown(early)["done"] is shown(late)["done"] is True


def test_a_folder_that_goes_away_is_said_and_the_server_goes_on(tmp_path: Path) -> None:
    folder, aside = tmp_path / "run", tmp_path / "aside"
    begun(folder, [(0, "loss", 1.0)])
    with serve(folder, alarms) as url:
        folder.rename(aside)
        answer, body = ask(url, "/state.json")
        assert answer.status == 503
        assert "there is no such folder" in json.loads(body)["error"]
        aside.rename(folder)
        assert shown(url)["updates"] == [1, 9]


def test_it_does_not_start_without_a_logbook_or_on_a_port_that_is_taken(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"), serve(tmp_path / "none", alarms):
        pass
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no run has written here yet"), serve(tmp_path / "empty", alarms):
        pass
    for port in (urlsplit(address).port or 0, 70_000):
        with pytest.raises(InputError, match=f"port {port} cannot be had"), serve(tmp_path, alarms, port):
            pass


def test_the_server_is_gone_after_its_block(tmp_path: Path) -> None:
    begun(tmp_path, [(0, "loss", 1.0)])
    with serve(tmp_path, alarms) as url:
        shown(url)
    with pytest.raises(ConnectionRefusedError):
        ask(url, "/")
    with serve(tmp_path, alarms, port=urlsplit(url).port or 0) as again:
        assert again == url


def test_the_page_is_written_to_a_file_that_asks_nobody(tmp_path: Path) -> None:
    begun(tmp_path / "run", [(0, "loss", 1.0), (1, "loss", 2.0)])
    out = write_page(tmp_path / "run", tmp_path / "pages" / "run.html", alarms)
    html = out.read_text(encoding="utf-8")
    assert "connect-src" not in html
    assert "it rose." in html
    assert [p.name for p in out.parent.iterdir()] == ["run.html"]


def test_the_blocking_form_prints_its_address_ends_on_ctrl_c_and_never_loads_torch(tmp_path: Path) -> None:
    begun(tmp_path, [(0, "loss", 1.0)])
    code = (
        # a shell's background jobs begin with Ctrl-C ignored
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from strop.report.live_server import watch; "
        f"watch({str(tmp_path)!r}, lambda course: (), say=lambda said: print(said, flush=True)); "
        "print('torch' in sys.modules)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        said = process.stdout.readline()
        assert shown(said.split()[0])["updates"] == [1, 9]
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
    assert (rest.strip(), process.returncode) == ("False", 0)


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=10)


def raw(url: str, request: bytes) -> bytes:
    """What comes back for these bytes, until the server closes."""
    with connected(url) as client:
        client.sendall(request)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(1 << 16), b""))


def request(url: str, path: str = "/", *lines: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", f"Host: {urlsplit(url).netloc}", *lines, "", ""]).encode()


GARBAGE = {
    "nothing": (b"", b""),
    "half a line": (b"GET / HT", b"This request cannot be read."),
    "bytes": (b"\x00\xff\x16\x03\x01" * 20 + b"\r\n\r\n", b"This request cannot be read."),
    "no version": (b"GET /\r\n\r\n", b"This page is for this machine only."),
    "a later version": (b"GET / HTTP/2.0\r\n\r\n", b"This request cannot be read."),
    "a long line": (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b" 414 "),
    "a long header": (b"GET / HTTP/1.1\r\nA: " + b"a" * 70_000 + b"\r\n\r\n", b" 431 "),
    "many headers": (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n", b" 431 "),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", b" 403 "),
    "a body": (b"POST / HTTP/1.1\r\nContent-Length: 2000000\r\n\r\n" + b"x" * 2_000_000, b" 405 "),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_request_is_refused_in_a_line_and_no_traceback(
    name: str, address: str, capfd: pytest.CaptureFixture[str]
) -> None:
    sent, answer = GARBAGE[name]
    assert answer in raw(address, sent)[:200]
    assert shown(address)["updates"] == [1, 9]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("path", ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "http://127.0.0.1/", "*", "/\x00"])
def test_no_path_leads_out_of_the_page(path: str, address: str) -> None:
    assert raw(address, request(address, path)).split()[1] in (b"404", b"400")


def test_a_client_that_resets_its_connection_leaves_no_word(address: str, capfd: pytest.CaptureFixture[str]) -> None:
    for sent in (b"", b"GET / HTTP/1.1\r\nHo", request(address), request(address, "/state.json")):
        client = connected(address)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close is a reset
        client.sendall(sent)
        client.close()
    assert shown(address)["updates"] == [1, 9]
    assert capfd.readouterr().err == ""


def test_a_slow_client_is_cut_off_and_blocks_nobody_meanwhile(
    address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("strop.report.live_server._LIMIT", 1.0)
    started, over = time.monotonic(), threading.Event()

    def reads() -> None:
        with connected(address) as client, contextlib.suppress(OSError):
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.sendall(request(address))
            while client.recv(1) and not over.wait(0.05):
                pass

    def asks() -> None:
        with connected(address) as client, contextlib.suppress(OSError):
            while client.send(b"GET / HTTP/1.1"[:1]) and not over.wait(0.05):
                pass

    def served() -> int:
        return sum("process_request_thread" in thread.name for thread in threading.enumerate())

    threads = [threading.Thread(target=each, daemon=True) for each in (reads, asks)]
    for thread in threads:
        thread.start()
    assert shown(address)["updates"] == [1, 9]
    assert served() >= 2, "both still wait"
    while served() and time.monotonic() < started + 8:
        time.sleep(0.05)
    assert not served()
    assert time.monotonic() >= started + 1.0
    over.set()
    for thread in threads:
        thread.join(5)
    assert capfd.readouterr().err == ""


def test_more_clients_than_it_takes_cut_off_the_first_and_the_next_is_served(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strop.report.live_server._CLIENTS", 8)
    idle = [connected(address) for _ in range(40)]
    try:
        assert [shown(address)["updates"] for _ in range(10)] == [[1, 9]] * 10
        assert idle[0].recv(1) == b""
    finally:
        for client in idle:
            client.close()


def test_a_training_that_was_killed_is_not_called_running(tmp_path: Path) -> None:
    """Of a store's training the lock tells: its process holds it for as long as it lives."""
    folder, lock = tmp_path / "0a1b.partial", tmp_path / "0a1b.lock"
    begun(folder, [(0, "loss", 2.0)])
    code = (
        "import sys; from filelock import FileLock\n"
        f"with FileLock({str(lock)!r}):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        with serve(folder, alarms) as url:
            assert shown(url)["status"] == "Running: 1 of 9 updates done."
            process.kill()
            process.wait()
            assert shown(url)["status"] == (
                "Stopped after 1 of 9 updates: no process is training any more, and it did not finish. The same "
                "command continues it."
            )
            assert (shown(url)["done"], shown(url)["at_work"]) == (False, False)
    lock.unlink()
    assert read_logbook(folder).at_work is False
    assert write_page(folder, tmp_path / "page.html", alarms).read_text().count("no process is training any more") == 2


@pytest.mark.parametrize("port", [-1, 65_536, 10**30])
def test_a_port_that_cannot_be_is_named_with_the_ones_that_can(port: int, tmp_path: Path) -> None:
    begun(tmp_path, [(0, "loss", 2.0)])
    with pytest.raises(InputError) as caught, serve(tmp_path, alarms, port):
        pass
    assert str(caught.value) == (
        f"port {port} cannot be had (there are 65,535). Give another one from 1024 to 65535, or 0 for any that is free"
    )
