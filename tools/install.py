"""Makes `.venv` and installs the pinned set into it; does nothing when that has been done. Standard library only.

    python3 tools/install.py [EXTRA ...]        for example: minilm dev

PYTHON names the interpreter to use, TORCH_INDEX the package index that PyTorch alone is taken from.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import preflight

ROOT = Path(preflight.ROOT)
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "strop-installed.json"
SOURCES = ("pyproject.toml", "constraints.txt")


def wanted() -> dict[str, Any]:
    """What an installation depends on, beside the extras."""
    digest = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in SOURCES)).hexdigest()
    return {"sources": digest, "folder": str(ROOT)}  # an environment does not survive being moved


def installed() -> dict[str, Any]:
    try:
        stamp = json.loads(STAMP.read_text()) if PYTHON.exists() else {}
    except (OSError, ValueError):
        stamp = {}
    return stamp


def pip(*arguments: str, quiet: bool = False) -> None:
    environment = dict(os.environ, PIP_DISABLE_PIP_VERSION_CHECK="1", PIP_USER="0", PYTHONUNBUFFERED="1")
    command = [str(PYTHON), "-m", "pip", "install", *arguments]
    print("strop: pip install " + " ".join(arguments), flush=True)
    code = quietly(command, environment) if quiet else subprocess.run(command, env=environment).returncode
    if code:
        sys.exit(
            "strop: pip failed (its own words are above). If it could not connect, check the network or set "
            "HTTPS_PROXY, and run the same command again: it goes on where it stopped."
        )


def quietly(command: list[str], environment: dict[str, str]) -> int:
    """Runs pip with one moving line instead of hundreds; all of its words if it fails."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    words, packages, started = [], 0, time.time()
    assert process.stdout is not None
    for raw in process.stdout:
        line = raw.decode(errors="replace")
        words.append(line)
        if line.startswith(("Collecting ", "Processing ", "Installing collected")):
            packages += not line.startswith("Installing")
            doing = "unpacking" if line.startswith("Installing") else line.split()[1].split("/")[-1]
            show(f"  {packages} packages, {time.time() - started:.0f} s: {doing}")
    code = process.wait()
    show(f"  {packages} packages in {time.time() - started:.0f} s", last=True)
    if code:
        print("".join(words[-40:]), file=sys.stderr)
    return code


def show(line: str, last: bool = False) -> None:
    if sys.stdout.isatty():
        print("\r" + line[:78].ljust(78), end="\n" if last else "", flush=True)
    elif last:
        print(line, flush=True)


def main(extras: list[str]) -> int:
    stamp, now = installed(), wanted()
    have, version = set(stamp.pop("extras", ())), stamp.pop("version", None)
    asked = preflight.probe([os.environ["PYTHON"]]) if os.environ.get("PYTHON") else None
    other = asked is not None and version is not None and asked["version"] != version
    if stamp == now and have >= set(extras) and not other:
        return 0
    python, problems = preflight.check()
    if problems:
        print("\n".join("strop: " + problem for problem in problems), file=sys.stderr)
        return 1
    for line in preflight.advice():
        print("strop: " + line, flush=True)
    found = preflight.probe([str(PYTHON)]) if PYTHON.exists() else None
    moved = stamp.get("folder", str(ROOT)) != str(ROOT)
    if found is None or tuple(found["version"]) not in preflight.SUPPORTED or other or moved:
        print("strop: making .venv with " + python, flush=True)
        subprocess.run([python, "-m", "venv", "--clear", str(VENV)], check=True)
        have, found = set(), preflight.probe([str(PYTHON)])
    assert found is not None
    if subprocess.run([str(PYTHON), "-m", "pip", "--version"], stdout=subprocess.DEVNULL).returncode:  # made by uv
        subprocess.run([str(PYTHON), "-m", "ensurepip"], check=True)
    if STAMP.exists():
        STAMP.unlink()
    pins = str(ROOT / "constraints.txt")
    torch = next(line.split()[0] for line in Path(pins).read_text().splitlines() if line.startswith("torch=="))
    index = os.environ.get("TORCH_INDEX", "").strip()
    if index:  # what it depends on comes from the usual index, pinned
        pip(torch, "--no-deps", "--index-url", index)
    else:
        pip(torch, "-c", pins)
    together = sorted(have | set(extras))
    pip("-c", pins, "-e", str(ROOT) + ("[" + ",".join(together) + "]" if together else ""), quiet=True)
    STAMP.write_text(json.dumps(dict(now, extras=together, version=found["version"])))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
