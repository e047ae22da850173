"""What a terminal shows: progress with an estimate, and tables that fit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from strop.alarms import alarms
from strop.artifacts import Artifact
from strop.checkpoints import Compared
from strop.doctor import Finding
from strop.evaluate import JUDGED, MeasureComparison, Reordering
from strop.logbook import ROWS, read_logbook
from strop.measures import averaged, mean
from strop.planning import Plan
from strop.points import Evidence, Point
from strop.report.doubts import counted, doubts
from strop.report.geometry import detailed_rows
from strop.report.judged import Ruling, judged
from strop.report.matrix import terminal_table
from strop.report.reranking import section as reranking_section
from strop.report.summary import summarise
from strop.report.verdict import findings, lead
from strop.results import read_results

console = Console(highlight=False)
errors = Console(stderr=True, highlight=False)

#: What the columns of a comparison are.
COMPARED = "Differences are first - second: bootstrap interval, p of the randomisation test, Holm-corrected here."
#: Seconds between two lines of progress where there is no terminal to draw a bar on.
QUIET = 30.0

_PREDICTED = ("spearman", "r2_family", "r2_collection", "auc_family", "p_holm")
_COLOURS = {"ok": "green", "warn": "yellow", "missing": "red"}


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar with counts, time and an estimate; without a terminal, a line at the start and one every half minute."""
    if not errors.is_terminal:
        errors.print(f"{what} …", markup=False)
        yield _lines(what, total)
        return
    columns = (
        TextColumn("{task.description:34.34}"),
        BarColumn(20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors) as bars:
        task = bars.add_task(what, total=total)
        yield lambda done: bars.advance(task, done)


def _lines(what: str, total: int) -> Callable[[int], None]:
    done = first = 0
    started = said = time.perf_counter()

    def advance(more: int) -> None:
        nonlocal done, first, started, said
        now = time.perf_counter()
        done += more
        if done == more:  # what a resumed run brings along took no time here
            first, started = done, now
        if now - said >= QUIET and done > first:
            said = now
            left = (total - done) * (now - started) / (done - first)
            errors.print(f"{what}: {done:,} of {total:,}, about {left:.0f} s left", markup=False)

    return advance


def table(rows: Sequence[Sequence[str]], title: str = "") -> None:
    """The first row is the header; the first column is text, the others figures."""
    shown = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, padding=0)
    for i, name in enumerate(rows[0]):
        shown.add_column(name, justify="left" if i == 0 else "right", overflow="fold")
    for row in rows[1:]:
        shown.add_row(*map(escape, row))
    if title:
        console.print(f"\n[bold]{escape(title)}[/]", soft_wrap=True)
    console.print(shown)


def comparison_rows(compared: Sequence[MeasureComparison]) -> list[list[str]]:
    rows = [["measure", "first", "second", "difference [95 %]", "p", "won/tied/lost"]]
    for each in compared:
        c = each.comparison
        rows.append(
            [
                each.measure,
                f"{c.mean_a:.4f}",
                f"{c.mean_b:.4f}",
                f"{c.difference:+.4f} [{c.low:+.4f}, {c.high:+.4f}]",
                f"{each.holm_p:.4f}",
                f"{c.won}/{c.tied}/{c.lost}",
            ]
        )
    return rows


def reordering_table(found: Reordering, runs: str) -> None:
    """Each measure of a reordered run beside its candidates' and their ceiling; below it how far to trust them."""
    rows = [["measure", "mean", "candidates", "ceiling", "can see"]]
    for each in found.measures:
        means = (averaged(each.measure, values) for values in (each.values, each.first, each.ceiling))
        seen = "–" if each.detectable is None else f"{each.detectable:.4f}"
        rows.append([each.measure, *(f"{value:.4f}" for value in means), seen])
    table(rows, f"{runs}, {len(found.judged)} judged queries, {found.depth}")
    _say(f"{JUDGED} is {mean(found.judged):.4f}: documents without a judgment count as not relevant.")
    _say("Ceiling: the best order of the candidates. Can see: the least difference from them resolved with power .8.")


def training_end(made: Artifact, base: str) -> None:
    """How a training was watched, whether it was stopped, and what alarms it raised."""
    record = made.record
    if "monitor_share" in record:
        took = f"{record['monitor_seconds']:.1f} s, {100 * record['monitor_share']:.1f} % of the run"
        _say(f"geometry: {record['monitor_looks']} looks in {took}")
    elif record["values"]["recipe"]["scoring"]["type"] != "Joint":  # a reranker has no space to look at
        _say(f"geometry: the run was too short to be watched; 'strop explain MODEL {base}' reads it")
    if record.get("stopped"):
        _say(f"stopped early: {record['stopped']}")
    if not (made.path / ROWS).is_file():
        return  # made before there were logbooks
    course = read_logbook(made.path)
    for alarm in alarms(course.series, course.about):
        console.print(f"[yellow]alarm[/] at update {alarm.step}, {escape(alarm.name)}: {escape(alarm.sentence)}")


def geometry_table(folder: Path) -> None:
    """The Results folder of `strop explain` on one screen."""
    results = read_results(folder)
    rows = detailed_rows(results.exhibits["geometry"])
    table([("diagnostic", "base", "model", "change or value [95 %]"), *rows], results.record["title"])
    _say("▲ better, ▼ worse, ■ moved: the interval leaves zero out")
    console.print(f"Report: {(folder / 'report.html').resolve()}", soft_wrap=True, markup=False)


def checkpoint_tables(compared: Compared) -> None:
    """What each rule gains over the base and falls short of the oracle, then how well each diagnostic predicts."""

    def estimate(value: Mapping[str, float]) -> str:
        return f"{value['mean']:+.4f} [{value['low']:+.4f}, {value['high']:+.4f}]"

    rows = [["rule", "gain over the base", "short of the oracle", "verdict"]]
    rows += [[r["rule"], estimate(r["gain"]), estimate(r["regret"]), r["verdict"]] for r in compared.rules]
    table(rows, f"{compared.runs} runs on {', '.join(compared.collections)}, five checkpoints each, RR@10")
    _say("The oracle chooses on one half of the test queries; everything is scored on the other.")
    rows = [["diagnostic", "Spearman", "R2, new family", "R2, new collection", "AUC worse", "p, Holm"]]
    rows += [
        [f"{p['name'].removeprefix('geometry/')}{' (known)' * p['trivial']}", *(_figure(p[key]) for key in _PREDICTED)]
        for p in sorted(compared.predictors, key=lambda p: -p["r2_family"])
    ]
    table(rows, "what predicts the gain of a checkpoint over the base")
    found = [p["name"] for p in compared.predictors if p["verdict"].startswith("predicts")]
    _say(f"Predict: {', '.join(found)}" if found else "No diagnostic is resolved as a predictor.")


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def study_table(folder: Path) -> None:
    """A Results folder on one screen: the verdict, systems by readings, realised updates, each claim, the points."""
    results = read_results(folder)
    record, summary = results.record, summarise(results, readings_only=True)
    _say(lead(summary))
    several = len(summary.readings) > 1
    about = f"{record['title']}, {record['scale']}"
    if summary.readings:
        read = f"{summary.primary_measure} against the baseline, by reading" if several else summary.readings[0].preset
        table(terminal_table(summary), f"{about}\n{read}")
    else:
        _say(f"{about}: random weights show machinery and cost, and get no quality number")
    reranking_tables(results.exhibits.get("reranking") or {})
    for name, collection in record["collections"].items():
        for oddity in collection["warnings"]:
            console.print(f"[yellow]warning[/] {escape(name)}: {escape(oddity)}")
    if record.get("unfinished"):
        console.print(f"[yellow]not finished[/] (the budget ran out): {escape('; '.join(record['unfinished']))}")
    for preset, trained in record["trained"].items():
        if trained:
            _say(f"{preset}: {realised(list(trained.values()))}")
    if not several:
        for finding in findings(summary):
            _say(f"{finding.label}: {finding.sentence}")
    for claim in judged(results):
        _say(f"claim {claim.id}: {_words(claim.rulings)}")
    if points := doubts(results):
        _say(f"{len(points)} doubtful points: {counted(points)}")


def reranking_tables(exhibit: Mapping[str, Any]) -> None:
    """What rerankers made of the same candidates, a table a collection of the first reading."""
    if (shown := reranking_section(exhibit)) is None:
        return
    _say(shown.lead)
    for each in shown.readings[0].collections:
        table(each.brief, each.name)
        _say(each.about)


def _say(text: str) -> None:
    console.print(text, markup=False)


def realised(trained: Sequence[Mapping[str, Any]]) -> str:
    """`63 to 120 updates, learning rates summing to 5.67e-04 to 1.20e-03`: the least and the most of a reading."""
    updates = sorted({t["updates"] for t in trained})
    rates = sorted({f"{t['sum_learning_rates']:.2e}" for t in trained}, key=float)
    spans = [f"{v[0]} to {v[-1]}" if len(v) > 1 else f"{v[0]}" for v in (updates, rates)]
    return f"{spans[0]} updates, learning rates summing to {spans[1]}"


def _words(rulings: Sequence[Ruling]) -> str:
    """`fails (corrected); analogue: opposite (as_coded, as_written)`."""
    said: dict[str, list[str]] = {}
    for ruling in rulings:
        said.setdefault(ruling.word, []).extend(ruling.readings)
    return "; ".join(f"{word} ({', '.join(readings)})" if readings else word for word, readings in said.items())


def plan_table(plan: Plan) -> None:
    rows = [["work", "texts", "tokens", "about"]]
    rows += [[w.what, f"{w.texts:,}", f"{w.tokens:,}", f"{w.seconds / 60:.1f} min"] for w in plan.work]
    table(
        rows,
        f"from scratch about {plan.seconds / 60:,.0f} min at {plan.encoded_per_second:,.0f} tokens/s encoded, "
        f"{plan.trained_per_second:,.0f} trained",
    )
    console.print(
        f"{plan.queries} test queries see a difference of {plan.detectable:.3f} with power 0.8, "
        "if per-query differences spread as usual (SD 0.12)."
    )


def doctor_table(findings: Sequence[Finding]) -> None:
    for finding in findings:
        colour = _COLOURS[finding.state]
        console.print(f"[{colour}]{finding.state:>7}[/]  {escape(finding.name)}: {escape(finding.what)}")
        if finding.remedy:
            console.print(f"         {escape(finding.remedy)}")


def points_table(points: Sequence[Point]) -> None:
    for point in points:
        shown = f"strop study show {point.id}" if point.demonstrate else point.test
        console.print(f"[bold]{point.id}[/] ({point.kind}) {escape(point.doubt)}\n    {escape(shown)}")


def evidence(point: Point, seen: Evidence | None) -> None:
    """A point's doubt, then what its demonstration saw."""
    console.print(f"[bold]{point.id}[/] ({point.kind}) {escape(point.doubt)}")
    if seen is None:
        console.print(f"shown by a test: {escape(point.test)}")
        return
    for grid in seen.tables:
        table([grid.columns, *grid.rows], grid.title)
    console.print(f"[bold]{seen.verdict}[/]: {escape(seen.sentence)}")
