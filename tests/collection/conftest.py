from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def public(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A public collection by name, unpacked from NAME.tar.xz under STROP_DATA or a neighbouring shared/data."""
    root = Path(os.environ.get("STROP_DATA") or Path(__file__).parents[3] / "shared" / "data")
    unpacked: dict[str, Path] = {}

    def get(name: str) -> Path:
        archive = root / f"{name}.tar.xz"
        if not archive.is_file():
            pytest.skip(f"no {archive}: set STROP_DATA to the folder of the public collections")
        if name not in unpacked:
            target = tmp_path_factory.mktemp(name)
            with tarfile.open(archive) as tar:
                tar.extractall(target, filter="data")
            unpacked[name] = next(target.glob("**/corpus.jsonl")).parent
        return unpacked[name]

    return get
