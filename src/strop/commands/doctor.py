"""`strop doctor`: what is installed, which devices and caches there are, what is missing and how to get it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from strop.artifacts.store import store
from strop.commands.terminal import marked, say
from strop.records.errors import InputError

MEMORY_GB = 4  # with less the quick scale gets slow
DISK_GB = 2
PATIENCE_SECONDS = 2.0  # how long to wait for the hub
COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `missing`: strop cannot work without it; `warn`: it can, with the limitation that `what` names."""

    name: str
    state: Literal["ok", "warn", "missing"]
    what: str
    remedy: str = ""


def doctor(artifacts: str | Path = ".strop") -> list[Finding]:
    """All findings, in the order to show them. Reads only; makes one network request of two seconds at most, none when
    HF_HUB_OFFLINE is set."""
    hub = _hub()
    machine = (*_python(), *_libraries(), *_devices(), _memory())
    return [*machine, _base(reachable=hub.state == "ok"), hub, _artifacts(Path(artifacts))]


def healthy(findings: list[Finding]) -> bool:
    return all(finding.state != "missing" for finding in findings)


def _python() -> Iterator[Finding]:
    from importlib.metadata import version

    isolated = "" if sys.prefix != sys.base_prefix else ", not in a virtual environment"
    yield Finding("strop", "ok", f"{version('strop')} in {Path(__file__).parents[1]}")
    yield Finding("Python", "ok", f"{platform.python_version()}{isolated}, {sys.executable}")
    yield Finding("platform", "ok", f"{platform.platform()}, {_cores()} cores")


def _cores() -> int:
    """The cores that this process may use; in a container, fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


def _libraries() -> Iterator[Finding]:
    """One finding per unmet requirement, then one for all that are met."""
    from importlib.metadata import PackageNotFoundError, requires, version

    from packaging.requirements import Requirement

    met = []
    for text in requires("strop") or ():
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        remedy = f"pip install '{requirement.name}{requirement.specifier}'"
        try:
            installed = version(requirement.name)
        except PackageNotFoundError:
            yield Finding(requirement.name, "missing", f"not installed; {requirement.specifier} is needed", remedy)
            continue
        if requirement.specifier.contains(installed, prereleases=True):
            met.append(f"{requirement.name} {installed}")
        else:
            tested = f"{installed} is outside the tested range {requirement.specifier}"
            yield Finding(requirement.name, "warn", tested, remedy)
    yield Finding("libraries", "ok", ", ".join(met))


def _devices() -> Iterator[Finding]:
    try:
        import torch
    except Exception as error:  # a broken build says so in many ways
        remedy = "Reinstall it: pip install --force-reinstall torch"
        if os.name == "nt":
            remedy += "; on Windows it also needs the Microsoft Visual C++ Redistributable"
        yield Finding("torch", "missing", f"does not load: {error}", remedy)
        return
    yield Finding("device cpu", "ok", f"{torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        for i in range(torch.cuda.device_count()):
            device = torch.cuda.get_device_properties(i)
            yield Finding(f"device cuda:{i}", "ok", f"{device.name}, {device.total_memory / 1e9:.0f} GB")
    elif shutil.which("nvidia-smi"):
        built = f"torch {torch.__version__} was built for CUDA {torch.version.cuda}"
        reason = f"{built}, which the driver may be too old for" if torch.version.cuda else "its build has no CUDA"
        what = f"an NVIDIA driver is here, but torch cannot use it: {reason}"
        yield Finding("device cuda", "warn", what, "Install a matching build, see pytorch.org/get-started")
    if torch.backends.mps.is_available():
        yield Finding("device mps", "ok", "Apple GPU")


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    what = f"{memory.total / 1e9:.1f} GB, {memory.available / 1e9:.1f} free"
    if memory.available < MEMORY_GB * 1e9:
        return Finding("memory", "warn", what, f"Close other programs; the quick scale needs {MEMORY_GB} GB")
    return Finding("memory", "ok", what)


def _base(reachable: bool) -> Finding:
    from strop.models.pretrained import BASE, resolve

    try:
        base = resolve(BASE, fetch=False)
    except InputError as error:
        if reachable and "cache" in error.problem:
            return Finding("base model", "warn", f"{BASE} will be fetched on first use (91 MB)")
        return Finding("base model", "missing", error.problem, error.remedy)
    return Finding("base model", "ok", f"{BASE} from the {base.source}, SHA-256 {base.sha256[:12]}… as expected")


def _hub() -> Finding:
    from huggingface_hub.constants import ENDPOINT, HF_HUB_CACHE, HF_HUB_OFFLINE

    cache = f"cache {HF_HUB_CACHE}, {_gigabytes(Path(HF_HUB_CACHE)):.1f} GB"
    if HF_HUB_OFFLINE:
        return Finding("model hub", "warn", f"not used: HF_HUB_OFFLINE is set; {cache}", "Unset it to fetch models")
    if _answers(ENDPOINT):
        return Finding("model hub", "ok", f"{ENDPOINT} answers; {cache}")
    remedy = "Model folders, the base model's wheel and cached models work without it; name a proxy in HTTPS_PROXY"
    return Finding("model hub", "warn", f"{ENDPOINT} does not answer; {cache}", remedy)


def _answers(address: str) -> bool:
    """Whether the address answers in time; in a thread, because a name lookup has no time limit of its own."""
    import urllib.request

    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(address, method="HEAD")
        with suppress(OSError, ValueError), urllib.request.urlopen(request, timeout=PATIENCE_SECONDS):
            answered.set()

    threading.Thread(target=ask, daemon=True).start()
    return answered.wait(PATIENCE_SECONDS)


def _artifacts(root: Path) -> Finding:
    root = root.resolve()
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    free = shutil.disk_usage(there).free / 1e9
    held = f"{_gigabytes(root):.1f} GB" if root.is_dir() else "not made yet"
    what = f"{root}, {held}; {free:.0f} GB free on its disk"
    if not os.access(there, os.W_OK):
        return Finding("artifacts", "missing", f"{there} cannot be written to", "Run in a folder of your own")
    if free < DISK_GB:
        return Finding("artifacts", "warn", what, f"Free some space, or remove {root}: it can be computed again")
    return Finding("artifacts", "ok", what)


def _gigabytes(folder: Path) -> float:
    """The size of a folder, links not followed (a hub's snapshots are links to its blobs)."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink() and path.is_file()) / 1e9


def doctor_command() -> None:
    """Check what is installed and what is missing.

    Lists libraries, devices, memory and caches, each with its remedy. Exit code 1 when something needed is missing.
    """
    findings = doctor(store().root)
    for finding in findings:
        marked(f"{finding.state:>7} ", COLOURS[finding.state], f"{finding.name}: {finding.what}")
        if finding.remedy:
            say(f"         {finding.remedy}")
    raise typer.Exit(0 if healthy(findings) else 1)
