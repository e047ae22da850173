"""How a command ends, whatever is raised and whatever its streams are: one line, an exit code, no traceback."""

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from strop.commands import endings, tree
from strop.commands.app import main
from strop.records.errors import InputError, NonFiniteLossError
from strop.records.runs import Run, write_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own folder with a run, its qrels, and a store that is not there yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROP_HOME", "home")
    monkeypatch.delenv(endings.TRACEBACK, raising=False)
    write_run(Run({"q": (["d"], [1.0])}), "run", "x")
    Path("qrels").write_text("q 0 d 1\n", encoding="utf-8")
    return tmp_path


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def invoke(words: object) -> int:
        raise error

    monkeypatch.setattr(tree, "invoke", invoke)
    monkeypatch.setattr(sys, "argv", ["strop", "evaluate"])


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("no", remedy="Do"), 2, "error: no. Do"),
        (InputError("two\nlines \x1b[31m", remedy="Do"), 2, r"error: two\nlines \x1b[31m. Do"),
        (NonFiniteLossError("loss nan; queries \x1b[2J"), 1, r"stopped: loss nan; queries \x1b[2J"),
        (OSError(errno.EACCES, "Permission denied", "a/b"), 1, "stopped: [Errno 13] Permission denied: 'a/b'"),
        (OSError(errno.EMFILE, "Too many open files"), 1, "stopped: [Errno 24] Too many open files: in "),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000), 2, "error: 'xxx"),
        (MemoryError("Unable to allocate 3 TiB"), 1, "stopped: out of memory (Unable to allocate 3 TiB); "),
        (RuntimeError("can't allocate memory: you tried 9 bytes"), 1, "stopped: out of memory (can't allocate"),
        (RecursionError("maximum depth"), 1, "stopped: nested too deeply (maximum depth)"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 141, ""),
        (KeyboardInterrupt(), 130, ""),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_is_raised_becomes_one_line_and_a_code(
    error: BaseException, code: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, error)
    assert main() == code
    said = capsys.readouterr().err
    assert said.startswith(line)
    assert said.count("\n") == bool(line)
    assert len(said) < 400


def test_an_os_error_without_a_file_names_the_store_and_the_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    assert main() == 1
    assert capsys.readouterr().err.endswith(f": in {here / 'home'} or {here}\n")


def test_a_fault_is_one_line_and_its_traceback_lies_in_the_store_for_its_owner_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, TypeError("a\nb"))
    assert main() == 1
    said = capsys.readouterr().err
    assert said.startswith(r"strop failed: TypeError: a\nb – this is a fault of strop; report it with the log at ")
    assert said.count("\n") == 1
    (log,) = (here / "home" / "failures").iterdir()
    assert str(log) in said
    assert "Traceback" in log.read_text(encoding="utf-8")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600 or os.name == "nt"


def test_where_the_store_cannot_be_written_the_log_lies_with_temporary_files(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "home").write_text("a file", encoding="utf-8")
    (here / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(here / "tmp"))
    raising(monkeypatch, KeyError("x"))
    assert main() == 1
    assert str(next((here / "tmp").iterdir())) in capsys.readouterr().err


def test_a_fault_is_raised_where_its_traceback_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(endings.TRACEBACK, "1")
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main()
    raising(monkeypatch, InputError("no", remedy="Do"))
    assert main() == 2, "an input that cannot be used is no fault"


def test_an_interruption_has_one_line_and_a_second_one_is_not_heard(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    assert main() == 130
    assert capfd.readouterr().err == "stopped; the same command continues from here\n"
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


PROGRAM = "import sys; sys.argv[0] = 'strop'; from strop.commands.app import main; sys.exit(main())"


def typed(
    *words: str | bytes, prepare: str = "", stdout: int | None = subprocess.PIPE, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own; `prepare` is Python that runs before anything of strop is loaded."""
    program = [sys.executable, "-c", f"{prepare}\n{PROGRAM}"]
    return subprocess.run(
        [*program, *words], stdout=stdout, stderr=subprocess.PIPE, env=os.environ | environment, timeout=120
    )


EVALUATE = ("evaluate", "run", "run", "--qrels", "qrels")


def test_an_interruption_while_modules_are_loaded_is_one_line() -> None:
    interrupt = """
import builtins, signal
real = builtins.__import__
def load(name, *more):
    if name == "typer":
        signal.raise_signal(signal.SIGINT)
    return real(name, *more)
builtins.__import__ = load"""
    ended = typed(*EVALUATE, prepare=interrupt)
    assert (ended.returncode, ended.stderr) == (130, b"stopped; the same command continues from here\n")


@pytest.mark.parametrize(
    "environment",
    [{"PYTHONIOENCODING": "cp1252"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}],
    ids=["cp1252", "ascii"],
)
def test_what_an_encoding_lacks_is_written_in_its_own_characters(environment: dict[str, str]) -> None:
    show = f"print({'▲ better ✓ ≥ 雪'!a})"
    program = f"from strop.commands.streams import open_streams; open_streams(); {show}"
    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, env=os.environ | environment)
    assert shown.stdout.split() == [b"^", b"better", b"yes", b">=", rb"\u96ea"], shown.stderr
    ended = typed(*EVALUATE, **environment)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"nDCG@10" in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("words", [EVALUATE, (*EVALUATE, "--json"), ("--help",)])
def test_output_that_cannot_be_written_is_said(words: tuple[str, ...]) -> None:
    ended = typed(*words, stdout=os.open("/dev/full", os.O_WRONLY))
    assert ended.returncode == 1
    assert ended.stderr.endswith(b"No space left on device: standard output\n")
    assert ended.stderr.count(b"\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="no pipes of this kind")
def test_a_pipe_that_nobody_reads_ends_the_command_in_silence() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = typed(*EVALUATE, stdout=writing)
    os.close(writing)
    assert ended.returncode in (1, 141)
    assert ended.stderr == b""


@pytest.mark.skipif(os.name == "nt", reason="file descriptors are inherited otherwise there")
@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_change_neither_the_outcome_nor_a_file(redirection: str) -> None:
    for words, code in ((f"fuse out{len(redirection)} run run", 0), ("evaluate nowhere --qrels qrels", 2)):
        command = f'"{sys.executable}" -c "{PROGRAM}" {words} {redirection}'
        ended = subprocess.run(["sh", "-c", command], capture_output=True)
        assert ended.returncode == code, ended.stderr
        assert b"Traceback" not in ended.stderr
        assert b"Exception ignored" not in ended.stderr
    assert Path(f"out{len(redirection)}").read_text(encoding="utf-8").startswith("q Q0 d 1 "), "no line of another"


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_word_that_is_not_utf_8_is_refused_in_one_line() -> None:
    ended = typed("evaluate", b"run\xff", "--qrels", "qrels")
    assert ended.returncode == 2
    assert ended.stderr.startswith(rb"error: 'run\udcff' is not UTF-8. ")
    assert ended.stderr.count(b"\n") == 1
