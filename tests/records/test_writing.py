from __future__ import annotations

import errno
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from strop.records.errors import InputError
from strop.records.writing import clear_private, free, whole_file, whole_folder, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    with whole_file(tmp_path / "out") as own:
        own.write_text("half")
        assert not (tmp_path / "out").exists()
        own.write_text("whole")
    assert (tmp_path / "out").read_text() == "whole"
    assert names(tmp_path) == ["out"]


def test_a_file_has_the_permissions_of_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text("x", tmp_path / "file")
        with whole_folder(tmp_path / "folder") as own:
            (own / "inside").touch()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_what_is_there_or_appears_meanwhile_is_left_as_it_is(tmp_path: Path) -> None:
    def write(whole: Callable[[Path], AbstractContextManager[Path]], appears: Callable[[Path], object]) -> None:
        with whole(tmp_path / "out") as own:
            if whole is whole_folder:
                (own / "ours").touch()
            appears(tmp_path / "out")

    with pytest.raises(InputError, match="out: something of this name appeared"):
        write(whole_file, lambda out: out.write_text("theirs"))
    for whole in (whole_file, whole_folder):
        with pytest.raises(InputError, match=r"out: (something of this name appeared|this exists already)"):
            write(whole, lambda out: None)
    assert (tmp_path / "out").read_text() == "theirs"
    (tmp_path / "out").unlink()
    with pytest.raises(InputError, match="out: something of this name appeared"):
        write(whole_folder, lambda out: (out / "theirs").mkdir(parents=True))
    assert names(tmp_path) == ["out", "out/theirs"]
    (tmp_path / "out" / "theirs").rmdir()
    write(whole_folder, lambda out: None)  # an empty one is no obstacle
    assert names(tmp_path) == ["out", "out/ours"]


def test_files_of_the_user_s_that_look_like_leftovers_stay(tmp_path: Path) -> None:
    theirs = ["out.partial", "out.tmp", ".out", ".out.strop", "out.strop-1"]
    for name in theirs:
        (tmp_path / name).write_text(name)
    write_text("ours", tmp_path / "out")
    with whole_folder(tmp_path / "folder") as own:
        (own / "x").touch()
    assert {name: (tmp_path / name).read_text() for name in theirs} == {name: name for name in theirs}


def test_any_error_leaves_nothing(tmp_path: Path) -> None:
    for whole in (whole_file, whole_folder):
        with pytest.raises(KeyboardInterrupt), whole(tmp_path / "out"):
            raise KeyboardInterrupt
    assert names(tmp_path) == []


def test_a_link_to_a_page_is_written_through_and_a_link_to_nothing_is_something(tmp_path: Path) -> None:
    write_text("old", tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    write_text("new", tmp_path / "link", replace=True)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "new"
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(InputError, match="exists already"):
        free(tmp_path / "dangling")


def test_a_device_is_no_file_to_replace() -> None:
    with pytest.raises(InputError, match="/dev/null: this is no file"):
        write_text("x", "/dev/null", replace=True)


def test_a_folder_that_holds_the_same_stays_and_another_makes_way(tmp_path: Path) -> None:
    def write(text: str) -> int:
        with whole_folder(tmp_path / "out", replace=True) as own:
            (own / "file").write_text(text)
        return (tmp_path / "out").stat().st_ino

    first = write("one")
    assert write("one") == first
    (tmp_path / "out" / "old").touch()
    assert write("two") != first
    assert names(tmp_path) == ["out", "out/file"]


def test_a_full_disk_names_what_the_user_asked_for(tmp_path: Path) -> None:
    for own_name in (True, False):
        with (
            pytest.raises(OSError, match=r"No space left on device: '.*/out'") as caught,
            whole_file(tmp_path / "out") as own,
        ):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([str(own)] if own_name else []))
        assert caught.value.errno == errno.ENOSPC
    with pytest.raises(OSError, match=r"'.*/out'"), whole_folder(tmp_path / "out"):
        raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")
    with pytest.raises(OSError, match=r"'.*/out'"), whole_file(tmp_path / "out"):
        raise OSError("4096 requested and 512 written")
    with pytest.raises(OSError, match=r"^\[Errno 27\] File too large: '.*/out'$"), whole_folder(tmp_path / "out"):
        raise RuntimeError("Error while serializing: I/O error: File too large (os error 27)")
    with (
        pytest.raises(OSError, match=r"^\[Errno 28\] No space left on device: '.*/out'$"),
        whole_folder(tmp_path / "out"),
    ):
        raise shutil.Error([("a", "b", "[Errno 28] No space left on device: 'a' -> 'b'")] * 9)
    with pytest.raises(OSError, match=r"'.*/out'$"), whole_file(tmp_path / "out") as own:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a source", None, str(own))
    with pytest.raises(OSError, match=r"'inner'$"), whole_file(tmp_path / "out"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "inner")
    with pytest.raises(OSError, match=r"^Max retries exceeded$"), whole_file(tmp_path / "out"):
        raise OSError("Max retries exceeded")
    with pytest.raises(FileNotFoundError, match="an input"), whole_file(tmp_path / "out"):
        raise FileNotFoundError(errno.ENOENT, "an input", "elsewhere")
    assert names(tmp_path) == []


def _killed(path: Path, folder: bool) -> None:
    with (whole_folder if folder else whole_file)(path):
        os.kill(os.getpid(), signal.SIGKILL)


def _slow(path: Path) -> None:
    with whole_file(path) as own:
        own.write_text("slow")
        (path.parent / "begun").touch()
        while not (path.parent / "go on").exists():
            time.sleep(0.01)


@pytest.mark.parametrize("folder", [False, True])
def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path, folder: bool) -> None:
    killed = multiprocessing.get_context("fork").Process(target=_killed, args=(tmp_path / "out", folder))
    killed.start()
    killed.join()
    assert len(names(tmp_path)) == 1
    assert names(tmp_path)[0].startswith(".out.strop-")
    free(tmp_path / "out")
    assert names(tmp_path) == []


def test_what_another_process_is_writing_is_not_taken_for_a_leftover(tmp_path: Path) -> None:
    slow = multiprocessing.get_context("fork").Process(target=_slow, args=(tmp_path / "out",))
    slow.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.01)
    clear_private(tmp_path / "out")
    write_text("quick", tmp_path / "out")
    (tmp_path / "go on").touch()
    slow.join()
    assert slow.exitcode != 0
    assert (tmp_path / "out").read_text() == "quick"
    assert names(tmp_path) == ["begun", "go on", "out"]


def test_a_name_as_long_as_a_name_can_be_is_written(tmp_path: Path) -> None:
    name = "ä" * 127
    write_text("x", tmp_path / name)
    assert names(tmp_path) == [name]


def test_without_locks_nobody_waits_and_no_leftover_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    (tmp_path / ".out.strop-1").touch()
    monkeypatch.setattr("fcntl.flock", refused)
    write_text("x", tmp_path / "out")
    assert names(tmp_path) == [".out.strop-1", "out"]


def test_without_hard_links_a_file_is_renamed_and_nothing_is_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    write_text("one", tmp_path / "out")
    with pytest.raises(InputError, match="appeared"), whole_file(tmp_path / "other"):
        (tmp_path / "other").write_text("theirs")
    assert (tmp_path / "out").read_text() == "one"
    assert (tmp_path / "other").read_text() == "theirs"
