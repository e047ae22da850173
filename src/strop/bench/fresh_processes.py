"""Each measurement in a process of its own: what one leaves in memory, no other finds."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def fresh_processes(module: str) -> ProcessPoolExecutor:
    """An executor that forks a new process for every call, from one that has loaded `module` and the libraries."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([module, "sentence_transformers", "peft"])
    return ProcessPoolExecutor(1, context, max_tasks_per_child=1)
