"""What a training may still take: the machine's, less what a control group or a limit of the shell leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import torch

from strop.training import free_memory
from strop.training.free_memory import free_bytes

GROUPS = {
    "version 2": ("0::/a/b\n", "sys/fs/cgroup", ("memory.max", "memory.current", "inactive_file")),
    "version 1": (
        "9:name=systemd:/\n4:cpu,memory:/a/b\n0::/\n",
        "sys/fs/cgroup/memory",
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ),
}


@pytest.mark.parametrize("version", GROUPS)
def test_the_tightest_group_counts_and_cached_files_make_way(version: str, tmp_path: Path) -> None:
    groups, mount, (limit, usage, cached) = GROUPS[version]
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(groups)
    for folder, most, used, files in (("", "max", 9000, 0), ("a", "5000", 4100, 300), ("a/b", "8000", 1000, 7)):
        own = tmp_path / mount / folder
        own.mkdir(parents=True, exist_ok=True)
        (own / limit).write_text(f"{most}\n")
        (own / usage).write_text(f"{used}\n")
        (own / "memory.stat").write_text(f"anon 5\n{cached} {files}\n")
    assert sorted(free_memory._left_by_cgroups(tmp_path)) == [1200, 7007]


def test_a_container_that_sees_only_its_own_group_as_the_mount_is_limited_too(tmp_path: Path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/docker/abc\n")
    own = tmp_path / "sys/fs/cgroup"
    own.mkdir(parents=True)
    for name, text in (("memory.max", "700"), ("memory.current", "100"), ("memory.stat", "inactive_file 0")):
        (own / name).write_text(text)
    assert list(free_memory._left_by_cgroups(tmp_path)) == [600]
    assert list(free_memory._left_by_cgroups(tmp_path / "no Linux")) == []


def test_without_limits_it_is_what_the_machine_has_available() -> None:
    free, available = free_bytes(torch.device("cpu")), psutil.virtual_memory().available
    assert 0 < free <= 1.2 * available


@pytest.mark.skipif(sys.platform != "linux", reason="ulimit -v holds on Linux")
def test_a_limit_of_the_shell_counts() -> None:
    program = """
import resource, psutil, torch
from strop.training.free_memory import free_bytes
most = psutil.Process().memory_info().vms + 300_000_000
resource.setrlimit(resource.RLIMIT_AS, (most, most))
assert 200_000_000 < free_bytes(torch.device("cpu")) <= 300_000_000
"""
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
