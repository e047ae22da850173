"""Arrays on disk that are filled in place: the room they need is taken before the first value is written."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

#: Zeros written at a time where the system cannot reserve room.
_BLOCK = 1 << 20


def reserved(path: Path, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> np.memmap[Any, Any]:
    """A new `.npy` of this shape, mapped for writing, all zeros.

    A map of a file with holes kills the process by SIGBUS where the disk is full; here its blocks are its own before it
    is mapped. Raises OSError that names `path` when they do not fit.
    """
    kind = np.dtype(dtype)
    with path.open("wb") as file:
        header = {"descr": np.lib.format.dtype_to_descr(kind), "fortran_order": False, "shape": shape}
        try:
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            _reserve(file, kind.itemsize * int(np.prod(shape, dtype=np.int64)))
            file.flush()
        except OSError as error:
            path.unlink(missing_ok=True)
            raise OSError(error.errno, os.strerror(error.errno or errno.ENOSPC), str(path)) from None
    return np.lib.format.open_memmap(path, mode="r+")


def _reserve(file: BinaryIO, size: int) -> None:
    """Lengthen a file by `size` bytes of zeros that it will not have to ask the disk for."""
    if size and hasattr(os, "posix_fallocate"):
        try:
            return os.posix_fallocate(file.fileno(), file.tell(), size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS):  # the file system's, not the disk's
                raise
    file.seek(0, os.SEEK_END)
    zeros = bytes(_BLOCK)
    for start in range(0, size, _BLOCK):
        file.write(zeros[: size - start])
    return None
