"""Real data that a machine may have: a test unpacks it, or skips and says how to provide it."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

#: trec_eval's test files, and first-stage runs of rank_llm with NIST's qrels.
ORACLES = "trec_eval_and_runs"


def unpacked(name: str, target: Path) -> Path:
    """`target` with the contents of NAME.tar.xz; a skip where this machine has no such file.

    `ORACLES` is looked for in the folder STROP_ORACLES, a public collection such as "nfcorpus" in STROP_DATA; both have
    a default near the repository.
    """
    variable, default = ("STROP_ORACLES", "oracles") if name == ORACLES else ("STROP_DATA", "data")
    folder = Path(os.environ.get(variable) or Path(__file__).parents[2] / "shared" / default)
    archive = folder / f"{name}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"no {archive}: set {variable} to the folder that holds it")
    with tarfile.open(archive) as tar:
        tar.extractall(target, filter="data")
    return target
