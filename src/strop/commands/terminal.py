"""What a terminal shows: progress with an estimate, and tables that fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)
#: Seconds between two lines of progress where there is no terminal to draw a bar on.
QUIET = 30.0


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with counts and an estimate; without a terminal, a line at the start and every 30 seconds."""
    if not errors.is_terminal:
        errors.print(f"{what} …", markup=False)
        yield _lines(what, total)
        return
    text, bar, counts = TextColumn("{task.description:34.34}"), BarColumn(20), MofNCompleteColumn()
    with Progress(text, bar, counts, TimeElapsedColumn(), TimeRemainingColumn(), console=errors) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)


def _lines(what: str, total: int) -> Callable[[int], None]:
    done = first = 0
    started = printed = time.perf_counter()

    def advance(more: int) -> None:
        nonlocal done, first, started, printed
        now = time.perf_counter()
        done += more
        if done == more:  # what a resumed run brings along took no time here
            first, started = done, now
        if now - printed >= QUIET and done > first:
            printed = now
            left = (total - done) * (now - started) / (done - first)
            errors.print(f"{what}: {done:,} of {total:,}, about {left:.0f} s left", markup=False)

    return advance


def table(rows: Sequence[Sequence[str]], title: str = "") -> None:
    """Print rows, of which the first is the header; the first column is aligned left, the others right."""
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=0)
    for i, name in enumerate(rows[0]):
        grid.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows[1:]:
        grid.add_row(*map(escape, row))
    if title:
        console.print(f"\n[bold]{escape(title)}[/]", soft_wrap=True)
    console.print(grid)


def say(text: str) -> None:
    """Print a line without interpreting markup."""
    console.print(text, markup=False)


def told(text: str) -> None:
    """Print a line about the work's course, where it does not mix with its outcome."""
    errors.print(text, markup=False)


def report(page: Path) -> None:
    """Say where a report is, on one line that a terminal can open."""
    console.print(f"Report: {page.resolve()}", soft_wrap=True, markup=False)
