"""The matrix: systems down, presets across, each cell the difference to the baseline in that preset."""

from __future__ import annotations

from strop.records import formats
from strop.report.differences import marked, span
from strop.report.summary import Cell, Summary
from strop.report.tables import Table, title


def matrix_table(summary: Summary) -> Table | None:
    """Difference, relative change and interval in each cell; the paper's relative change in the last column."""
    rows = _rows(summary)
    if not rows:
        return None
    printed = any(first.published_relative for first, _ in rows)
    body = tuple(
        (first.label, *map(_text, cells), *((formats.signed_percent(first.published_relative),) if printed else ()))
        for first, cells in rows
    )
    columns = ("System", *(title(p.preset) for p in summary.matrix), *(("The paper",) if printed else ()))
    base = next((first.label for first, _ in rows if first.system == summary.baseline), summary.baseline)
    caption = f"{summary.primary_measure}: difference to {base}, by preset"
    return Table(caption, columns, body, systems=tuple(first.system for first, _ in rows))


def _rows(summary: Summary) -> list[tuple[Cell, list[Cell | None]]]:
    """By system: its first cell, and those of all presets, None where it was not run."""
    by_system = ([summary.cells.get((panel, system)) for panel in summary.matrix] for system in summary.systems)
    return [(first, cells) for cells in by_system if (first := next(filter(None, cells), None))]


def _text(cell: Cell | None) -> str:
    if cell is None:
        return formats.DASH
    if (d := cell.difference) is None:
        return f"{formats.fixed(cell.mean)}\n{formats.interval(cell.low, cell.high)}"
    return f"{marked(d)}\n{formats.signed_percent(d.relative)}\n{span(d)}"


def terminal_table(summary: Summary) -> tuple[tuple[str, ...], ...]:
    """The matrix as text for a terminal, the header first: one preset with intervals, several by difference alone.

    Fits 80 columns when labels keep to 22 characters and presets are at most four.
    """
    if len(summary.matrix) == 1:
        return _one(summary)
    out: list[tuple[str, ...]] = [("", *(p.preset for p in summary.matrix), "paper")]
    for first, cells in _rows(summary):
        out.append((first.label, *map(_short, cells), formats.signed_percent(first.published_relative)))
    return tuple(out)


def _short(cell: Cell | None) -> str:
    if cell is None:
        return formats.DASH
    return marked(cell.difference) if cell.difference else formats.fixed(cell.mean)


def _one(summary: Summary) -> tuple[tuple[str, ...], ...]:
    cells = summary.headline()
    header = ("system", summary.primary_measure if cells else "", "against the baseline", "p", "W/T/L", "paper")
    out: list[tuple[str, ...]] = [header]
    for cell in cells:
        against = [formats.DASH] * 3
        if d := cell.difference:
            counts = f"{d.won}/{d.tied}/{d.lost}"
            against = [f"{formats.signed(d.difference)} {span(d)}", formats.p_value(d.p_corrected), counts]
        out.append((cell.label, formats.fixed(cell.mean), *against, formats.signed_percent(cell.published_relative)))
    return tuple(out)
