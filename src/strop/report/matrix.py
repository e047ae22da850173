"""The matrix: systems down, presets across, each cell the difference to the baseline in that preset."""

from __future__ import annotations

from strop.records import formats
from strop.report.differences import marked, span
from strop.report.summary import Cell, Summary
from strop.report.tables import Table, title


def matrix_table(summary: Summary) -> Table | None:
    """Difference, relative change and interval in each cell; the paper's relative change in the last column."""
    readings, by_system = summary.readings, _by_system(summary)
    if not by_system:
        return None
    theirs = {s: next((c.published_relative for c in row.values() if c.published_relative), None) for s, row in
              by_system.items()}  # fmt: skip
    printed = any(theirs.values())
    rows = []
    for system, row in by_system.items():
        cells = [_text(row[panel.preset]) if panel.preset in row else formats.DASH for panel in readings]
        heading = next(iter(row.values())).label
        rows.append((heading, *cells, *((formats.signed_percent(theirs[system]),) if printed else ())))
    columns = ("System", *(title(p.preset) for p in readings), *(("The paper",) if printed else ()))
    base = next(iter(by_system.get(summary.baseline, {}).values()), None)
    caption = f"{summary.primary_measure}: difference to {base.label if base else summary.baseline}, by preset"
    return Table(caption, columns, tuple(rows), (False, *(True for _ in columns[1:])), tuple(by_system))


def _text(cell: Cell) -> str:
    if (d := cell.difference) is None:
        return f"{formats.fixed(cell.mean)}\n{formats.interval(cell.low, cell.high)}"
    return f"{marked(d)}\n{formats.signed_percent(d.relative)}\n{span(d)}"


def _by_system(summary: Summary) -> dict[str, dict[str, Cell]]:
    by_system: dict[str, dict[str, Cell]] = {}
    for panel in summary.readings:
        for cell in summary.column(panel):
            by_system.setdefault(cell.system, {})[panel.preset] = cell
    return {s: by_system[s] for s in summary.systems if s in by_system}


def terminal_table(summary: Summary) -> tuple[tuple[str, ...], ...]:
    """The matrix as text for a terminal, the header first: one preset with intervals, several by difference alone.

    Fits 80 columns when labels keep to 22 characters and presets are at most four.
    """
    if len(summary.readings) == 1:
        return _one(summary)
    by_system = _by_system(summary)
    out: list[tuple[str, ...]] = [("", *(p.preset for p in summary.readings), "paper")]
    for row in by_system.values():
        cells = [_short(row[p.preset]) if p.preset in row else formats.DASH for p in summary.readings]
        any_cell = next(iter(row.values()))
        out.append((any_cell.label, *cells, formats.signed_percent(any_cell.published_relative)))
    return tuple(out)


def _short(cell: Cell) -> str:
    if (d := cell.difference) is None:
        return formats.fixed(cell.mean)
    return marked(d)


def _one(summary: Summary) -> tuple[tuple[str, ...], ...]:
    cells = summary.headline()
    out: list[tuple[str, ...]] = [
        ("system", cells[0].measure if cells else "", "against the baseline", "p", "W/T/L", "paper")
    ]
    for cell in cells:
        row = [cell.label, formats.fixed(cell.mean)]
        if (d := cell.difference) is None:
            row += [formats.DASH] * 3
        else:
            row.append(f"{formats.signed(d.difference)} {span(d)}")
            row += [formats.p_value(d.p_corrected), f"{d.won}/{d.tied}/{d.lost}"]
        out.append((*row, formats.signed_percent(cell.published_relative)))
    return tuple(out)
