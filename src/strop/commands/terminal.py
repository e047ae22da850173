"""What a terminal shows: progress with an estimate, and tables that fit. Texts are shown as they are: no markup in them
is read, and no control character reaches the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from strop.records.errors import visible

console = Console(highlight=False, emoji=False)
errors = Console(stderr=True, highlight=False, emoji=False)
#: Seconds between two lines of progress where there is no terminal to draw a bar on.
QUIET = 30.0


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A progress bar with counts and an estimate; without a terminal, a line at the start and every 30 seconds."""
    what = visible(what)
    if not errors.is_terminal:
        errors.print(f"{what} …", markup=False)
        yield _lines(what, total)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    text, bar, counts = TextColumn("{task.description:34.34}", markup=False), BarColumn(20), MofNCompleteColumn()
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


#: Of a first column, so much has to fit beside the others.
FIRST = 12


def table(rows: Sequence[Sequence[str]], *titles: str) -> None:
    """Print rows, of which the first is the header; the first column is aligned left, the others right. Where a
    terminal is too narrow for the columns, each row is a list of them."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    shown = [[visible(cell) for cell in row] for row in rows]
    if titles:
        console.print()
    for title in titles:
        console.print(Text(visible(title), style="bold"), soft_wrap=True)
    if _width(shown) > console.width:
        for row in shown[1:]:
            console.print()
            for name, cell in zip(shown[0], row, strict=True):
                console.print(Text(f"{name}: {cell}" if name else cell))
        return
    grid = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=0)
    for i, name in enumerate(shown[0]):
        grid.add_column(Text(name), justify="left" if i == 0 else "right", overflow="fold")
    for row in shown[1:]:
        grid.add_row(*map(Text, row))
    console.print(grid)


def _width(rows: Sequence[Sequence[str]]) -> int:
    """What columns with a blank between them need, the first of which may be folded."""
    first, *others = (max(map(cell_len, column)) for column in zip(*rows, strict=True))
    return min(first, FIRST) + sum(1 + width for width in others)


def say(text: str) -> None:
    """Print a line without interpreting markup."""
    console.print(visible(text), markup=False)


def echo(text: object) -> None:
    """Print a line that a program may read: it is not wrapped."""
    typer.echo(visible(str(text)))


def marked(mark: str, style: str, text: str) -> None:
    """Print a line that begins with a mark in a style."""
    console.print(Text.assemble((mark, style), " ", visible(text)))


def told(text: str) -> None:
    """Print a line about the work's course, where it does not mix with its outcome."""
    errors.print(visible(text), markup=False)


def report(page: Path) -> None:
    """Say where a report is, on one line that a terminal can open."""
    console.print(visible(f"Report: {page.resolve()}"), soft_wrap=True, markup=False)
