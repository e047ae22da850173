"""Arrays that are filled in place: what they hold, and a disk without room for them."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from strop.artifacts import arrays

ROOM = 1 << 16


@pytest.mark.parametrize("shape", [(7, 5), (0, 5), (3,), (400, 1000)])
def test_what_is_written_in_place_is_what_numpy_reads(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).random(shape, dtype=np.float32)
    array = arrays.reserved(tmp_path / "a.npy", shape)
    assert not array.any()
    array[...] = values
    array.flush()
    read = np.load(tmp_path / "a.npy", allow_pickle=False)
    assert read.dtype == np.float32
    assert np.array_equal(read, values)
    np.save(tmp_path / "plain.npy", values, allow_pickle=False)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "plain.npy").read_bytes(), "the same file as numpy's own"


@pytest.mark.parametrize("able", [True, False], ids=["as the system reserves", "by zeros"])
@pytest.mark.skipif(sys.platform == "win32", reason="a file's size is limited by POSIX's setrlimit")
def test_no_room_is_an_error_with_the_path_before_anything_is_mapped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, able: bool
) -> None:
    import resource
    import signal

    if not able:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM, hard))
    try:
        with pytest.raises(OSError, match="large") as raised:
            arrays.reserved(tmp_path / "a.npy", (ROOM, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert (raised.value.errno, raised.value.filename) == (errno.EFBIG, str(tmp_path / "a.npy"))
    assert not list(tmp_path.iterdir())


def test_where_the_file_system_cannot_reserve_the_room_is_taken_by_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unable(*about: int) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr(os, "posix_fallocate", unable, raising=False)
    array = arrays.reserved(tmp_path / "a.npy", (300, 1000))
    array[-1] = 1
    array.flush()
    assert np.load(tmp_path / "a.npy").sum() == 1000
    assert os.stat(tmp_path / "a.npy").st_size == 128 + 4 * 300_000
