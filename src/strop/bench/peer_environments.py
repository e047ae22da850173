"""Peers that strop does not depend on: each installed into an environment of its own, and asked from here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock

from strop.artifacts.store import store
from strop.bench.interleaved import Turn
from strop.records.errors import WorkerError

#: What `process_memory.reuse_freed` sets, as glibc reads it when a process starts: mallopt(3).
REUSING = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}
_SCRIPT = Path(__file__).with_name("peer_process.py")
_STAMP = "installed.json"


@dataclass(frozen=True, slots=True)
class Environment:
    """Packages that pip installs together into `bench-peers/NAME` of the store; `unwanted` are removed again."""

    name: str
    packages: tuple[str, ...]
    unwanted: tuple[str, ...] = ()

    def python(self) -> Path:
        """Its interpreter, once all is installed. Raises WorkerError, saying why, where that cannot be done."""
        root = store().root.resolve() / "bench-peers"
        folder = root / self.name
        python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        stamp = folder / _STAMP
        wanted = json.dumps([self.packages, self.unwanted, sys.version])
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted):
                try:
                    venv.create(folder, clear=True, with_pip=True)
                except (subprocess.CalledProcessError, OSError):
                    raise WorkerError("Python could not make an environment (python -m venv)") from None
                _pip(python, "install", "--retries", "1", *self.packages)
                if self.unwanted:
                    _pip(python, "uninstall", "--yes", *self.unwanted)
                stamp.write_text(wanted, encoding="utf-8")
        return python


def _pip(python: Path, *words: str) -> None:
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0")
    ended = subprocess.run([python, "-m", "pip", *words], env=environment, capture_output=True)
    if ended.returncode:
        raise WorkerError(f"pip could not {words[0]} {', '.join(word for word in words[1:] if word[0] not in '-1')}")


_TORCH = f"torch=={torch.__version__.partition('+')[0]}"
FAISS = Environment("faiss", ("faiss-cpu",))
#: Each takes the newest sentence-transformers that its exporter allows. torchvision only comes along, and fails where
#: it is of another build than torch.
EXPORTED = {
    "onnx": Environment("onnx", (_TORCH, "sentence-transformers[onnx]")),
    "openvino": Environment("openvino", (_TORCH, "sentence-transformers[openvino]"), ("torchvision",)),
}


def asked(environment: Environment, peer: str, arguments: Mapping[str, Any]) -> tuple[Turn, dict[str, Any]]:
    """A side (`interleaved.Build`): the peer there, with this process's threads, and the facts that it says of itself.

    It keeps freed memory, and ends with this process. Raises WorkerError where it cannot be installed, or fails.
    """
    python, threads = environment.python(), torch.get_num_threads()
    words = [str(python), "-P", str(_SCRIPT), peer, json.dumps({**arguments, "threads": threads})]
    settings, pipe = dict(os.environ, OMP_NUM_THREADS=str(threads), **REUSING), subprocess.PIPE
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:  # a pipe that nobody reads fills
        process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=log, env=settings, text=True)
        assert process.stdout is not None
        if not (facts := process.stdout.readline()):
            process.communicate()
            log.seek(0)
            last = log.read().strip().splitlines()[-1:] or ["it said nothing"]
            raise WorkerError(f"{environment.name} failed ({last[0]})")
    return partial(_turn, process), json.loads(facts)


def _turn(process: subprocess.Popen[str]) -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    return float(process.stdout.readline())
