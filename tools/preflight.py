"""Before anything is installed: is there a Python to install into, and room for it? Standard library, any Python 3.

`python3 tools/preflight.py` prints the interpreter it chose, or one sentence for each thing that is missing.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from typing import Any

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SUPPORTED = ((3, 11), (3, 12), (3, 13))
DISK_GB = 4  # the installed set takes 1.7 without CUDA, pip's cache about 1
CUDA_GB = 7
TEMP_GB = 1  # pip unpacks there
CPU_INDEX = "https://download.pytorch.org/whl/cpu"

PROBE = """
import json, platform, struct, sys
try:
    import ensurepip, venv
    venv = True
except ImportError:
    venv = False
path = sys.executable if sys.prefix == sys.base_prefix else getattr(sys, "_base_executable", sys.executable)
print(json.dumps({"path": path, "version": sys.version_info[:2], "bits": 8 * struct.calcsize("P"),
                  "venv": venv, "libc": platform.libc_ver()}))
"""


def probe(command: list[str]) -> dict[str, Any] | None:
    """What an interpreter says of itself, or None if it does not run (a shim without a version behind it)."""
    try:
        said = subprocess.run([*command, "-c", PROBE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=60)
        return json.loads(said.stdout.decode()) if said.returncode == 0 else None
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


def choose() -> tuple[dict[str, Any] | None, str]:
    """The interpreter to use and '', or what was found of it and why it will not do.

    PYTHON if it is set, else the one running this, else the newest supported one on PATH.
    """
    wanted = os.environ.get("PYTHON", "").strip()
    if wanted:
        found = probe([wanted])
        if found is None:
            return None, f"PYTHON={wanted} does not run: give the name or path of a Python 3.11, 3.12 or 3.13."
        if tuple(found["version"]) not in SUPPORTED:
            return found, f"PYTHON={wanted} is Python {dotted(found)}: give a Python 3.11, 3.12 or 3.13."
        return found, ""
    names = ["python{}.{}".format(*version) for version in reversed(SUPPORTED)]
    candidates = [[sys.executable]] + [[path] for path in map(shutil.which, names) if path]
    if os.name == "nt":
        candidates += [["py", "-{}.{}".format(*version)] for version in reversed(SUPPORTED)]
    for command in candidates:
        found = probe(command)
        if found and tuple(found["version"]) in SUPPORTED:
            return found, ""
    return None, (
        "strop needs Python 3.11, 3.12 or 3.13, and this is {}.{}: install one from python.org, Homebrew, "
        "'apt install python3.11 python3.11-venv' or 'uv python install 3.12', "
        "or name yours: make quickstart PYTHON=/path/to/python3.12"
    ).format(*sys.version_info[:2])


def dotted(found: dict[str, Any]) -> str:
    return ".".join(map(str, found["version"]))


def free_gb(folder: str) -> float:
    return shutil.disk_usage(folder).free / 1e9


def about_python(found: dict[str, Any]) -> list[str]:
    problems = []
    if not found["venv"]:
        problems.append(
            f"Python {dotted(found)} comes without pip and venv: install them, on Debian and Ubuntu with "
            f"'sudo apt install python{dotted(found)}-venv'."
        )
    if found["bits"] != 64:
        problems.append("This Python is a 32-bit build, for which there is no PyTorch: install a 64-bit one.")
    return problems


def about_machine(found: dict[str, Any]) -> list[str]:
    system, machine = platform.system(), platform.machine().lower()
    problems = []
    if system == "Darwin" and machine == "x86_64":
        problems.append(
            "PyTorch no longer ships for Intel Macs: use an Apple silicon Mac (with an arm64 Python) or Linux."
        )
    if system == "Linux":
        libc, version = found["libc"]
        if libc != "glibc" or tuple(int(part) for part in version.split(".")[:2]) < (2, 28):
            problems.append(
                "PyTorch's wheels need glibc 2.28 or later, and this is {}: use Debian 10, Ubuntu 20.04, RHEL 8 "
                "or later (not Alpine).".format(" ".join(found["libc"]).strip() or "another C library")
            )
        if machine == "aarch64" and not shutil.which("cc") and not shutil.which("gcc"):
            problems.append(
                "On ARM Linux one package (pytrec_eval-terrier) is compiled: install a compiler, "
                "'sudo apt install build-essential python3-dev'."
            )
    return problems


def about_disk() -> list[str]:
    try:
        with tempfile.TemporaryFile(dir=ROOT):
            pass
    except OSError as error:
        return [f"{ROOT} cannot be written to ({error.strerror}): use a folder of your own."]
    problems = []
    if free_gb(ROOT) < DISK_GB:
        problems.append(
            f"{ROOT} has {free_gb(ROOT):.1f} GB free, and {DISK_GB} are needed: "
            "free some, or move this folder to another disk."
        )
    temporary = tempfile.gettempdir()
    if free_gb(temporary) < TEMP_GB:
        problems.append(
            f"{temporary} has {free_gb(temporary):.1f} GB free, and pip needs {TEMP_GB} there: "
            "set TMPDIR to a folder on a larger disk."
        )
    return problems


def advice() -> list[str]:
    if platform.system() != "Linux" or os.environ.get("TORCH_INDEX"):
        return []
    said = f"PyPI's PyTorch for Linux carries CUDA (about {CUDA_GB} GB on disk; {free_gb(ROOT):.0f} GB are free)."
    if shutil.which("nvidia-smi"):
        return [said]
    return [said + " Without an NVIDIA GPU: make quickstart TORCH_INDEX=" + CPU_INDEX]


def check() -> tuple[str, list[str]]:
    """The interpreter's path, and a sentence for each thing that stands in the way."""
    found, problem = choose()
    problems = [problem] if problem else []
    if found and not problem:
        problems += about_python(found) + about_machine(found)
    return (found or {}).get("path", ""), problems + about_disk()


def main() -> int:
    path, problems = check()
    for problem in problems:
        print("strop: " + problem, file=sys.stderr)
    if problems:
        return 1
    for line in advice():
        print("strop: " + line, file=sys.stderr)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
