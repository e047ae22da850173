"""The paper's printed tables beside ours, preset by preset; and the clocks, by condition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from strop.records import formats
from strop.records.record import Record
from strop.records.results import Results
from strop.report.summary import Panel, Summary
from strop.report.tables import Table, title
from strop.report.training import Ending, Logs, endings

LOSS, ACCURACY = "final_train_loss", "eval_cosine_accuracy"
#: column of a printed table -> (its heading, decimals).
_COLUMNS = {
    LOSS: ("Final loss", 2),
    ACCURACY: ("Accuracy", 2),
    "mean_s": ("Mean, s", 2),
    "change_pct": ("Change, %", 1),
    "qps": ("Queries/s", 1),
}


def printed_tables(results: Results[Record], summary: Summary, logs: Logs) -> tuple[Table, ...]:
    """Every printed table, with what we have under the same columns.

    Where a column is a measure of ours it is our mean; the final training loss is the mean of the last tenth of the
    updates, and an accuracy is given on each kind of held-out negatives.
    """
    return tuple(_beside(number, rows, results, summary, logs) for number, rows in results.record.tables.items())


def _beside(
    number: str, rows: Mapping[str, Mapping[str, float]], results: Results[Record], summary: Summary, logs: Logs
) -> Table:
    theirs = list(dict.fromkeys(column for row in rows.values() for column in row))
    groups, columns, ours = [("", 1), ("The paper", len(theirs))], [_COLUMNS.get(c, (c, 4))[0] for c in theirs], []
    for panel in summary.matrix:
        ended = {e.system: e for e in endings(logs.get(panel.preset, {}))}
        figures = {s: _ours(theirs, s, panel, summary, ended.get(s)) for s in summary.systems}
        headings = list(dict.fromkeys(h for row in figures.values() for h in row))
        if headings:
            groups.append((title(panel.preset), len(headings)))
            columns += headings
            ours.append((figures, headings))
    others = [s for s in summary.systems if s not in rows and any(figures.get(s) for figures, _ in ours)]
    body = tuple(
        (
            results.record.label(system),
            *(_number(c, rows.get(system, {}).get(c)) for c in theirs),
            *(formats.fixed(figures.get(system, {}).get(h)) for figures, headings in ours for h in headings),
        )
        for system in (*rows, *others)
    )
    caption = f"Table {number}" + (" beside ours" if ours else ", as printed")
    return Table(caption, ("System", *columns), body, systems=(*rows, *others), groups=tuple(groups))


def _ours(
    columns: Sequence[str], system: str, panel: Panel, summary: Summary, ended: Ending | None
) -> dict[str, float]:
    """heading -> our figure, of those that we have."""
    figures: dict[str, float | None] = {}
    for column in columns:
        if column == LOSS:
            figures[_COLUMNS[LOSS][0]] = ended.loss if ended else None
        elif column == ACCURACY:
            figures |= {f"Accuracy, {kind}": value for kind, value in (ended.accuracies if ended else {}).items()}
        else:
            figures[column] = summary.mean(panel, column, system)
    return {heading: value for heading, value in figures.items() if value is not None}


def _number(column: str, value: float | None) -> str:
    write = formats.signed if column == "change_pct" else formats.fixed
    return write(value, _COLUMNS.get(column, (column, 4))[1])


def clocks_table(results: Results[Record]) -> Table | None:
    """Clock rows by condition: mean seconds over repeats, and the total's ratio to the first condition's.

    Ratios are taken repeat by repeat, because conditions took turns; the lowest and highest stand below the mean.
    """
    seconds: dict[str, dict[str, dict[str, float]]] = {}
    for row in results.rows:
        if row.measure.startswith("clock/") and row.measure.endswith("/s"):
            stage = row.measure.split("/")[1]
            seconds.setdefault(row.system, {}).setdefault(stage, {})[row.item] = row.value
    if not seconds:
        return None
    stages = list(dict.fromkeys(stage for by_stage in seconds.values() for stage in by_stage if stage != "total"))
    first = next(iter(seconds.values())).get("total", {})
    rows = []
    for system, by_stage in seconds.items():
        total = by_stage.get("total", {})
        ratios = [value / first[item] - 1 for item, value in total.items() if first.get(item)]
        change = formats.DASH
        if total is not first and ratios:
            span = f"{formats.signed_percent(min(ratios), 0)} to {formats.signed_percent(max(ratios), 0)}"
            change = f"{formats.signed_percent(fmean(ratios))}\n{span}"
        whole = _seconds(total)
        if total:
            whole += f"\n{formats.fixed(min(total.values()), 2)} to {formats.fixed(max(total.values()), 2)}"
        parts = (_seconds(by_stage.get(stage, {})) for stage in stages)
        rows.append((results.record.label(system), *parts, whole, change))
    repeats = max(len(v) for by_stage in seconds.values() for v in by_stage.values())
    columns = ("Condition", *(f"{title(s)}, s" for s in stages), "Total, s", "Change")
    caption = f"Our clocks, {repeats} repeats in turns; change against {results.record.label(next(iter(seconds)))}"
    return Table(caption, columns, tuple(rows))


def _seconds(by_repeat: Mapping[str, float]) -> str:
    return formats.fixed(fmean(by_repeat.values()), 2) if by_repeat else formats.DASH
