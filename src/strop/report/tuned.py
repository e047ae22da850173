"""The page of a tuning run: its record -> the verdict, the evidence, the path, what was tried, and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strop.records import formats
from strop.records.tuned import Beside, Decision, Evidence, Point, QueryMoved, Tried, TuneRecord
from strop.report import tuned_charts
from strop.report.charts import INK, PALETTE, Figure
from strop.report.document import document
from strop.report.tables import Columns, Table, table, title

#: decision -> the tone of its badge (a class of the style sheet).
TONES: Mapping[str, str] = {"SHIP": "good", "HOLD": "open", "TRADE": "bad"}
MEANINGS: Mapping[Decision, str] = {
    "SHIP": "Replace the base with the tuned model.",
    "HOLD": "Keep the base: the model handed back is the base, byte for byte.",
    "TRADE": "Better in domain, but a loss elsewhere is possible or real: look at the guards before you deploy it.",
}
ENDS: Mapping[str, str] = {"last": "the last update", "average": "the average of late checkpoints"}
#: (id, name, the fields of the record that it shows): one with all of them empty is left out.
SECTIONS = (
    ("verdict", "Verdict", ("decision",)),
    ("evidence", "Gain and guards", ("gain", "guards")),
    ("beside", "For comparison", ("beside",)),
    ("path", "Base to tuned", ("path",)),
    ("tried", "Tried", ("tried",)),
    ("queries", "Queries", ("won", "lost")),
    ("cost", "Cost", ("seconds", "costs", "truncated")),
    ("audit", "Data", ("audit", "warnings")),
    ("provenance", "Provenance", ("command", "versions")),
)
_LONGEST = 280  # characters of a query's text


def tuned_page(record: TuneRecord) -> str:
    """The page as text. It needs nothing but the record; equal records give equal bytes."""
    lines = _lines(record.path)
    context: dict[str, Any] = {
        "record": record,
        "meaning": MEANINGS[record.decision],
        "facts": facts(record),
        "evidence": evidence_figure(record),
        "figures": evidence_table("The same in figures", "Test queries", _named(record)),
        "populations": {e.population for e in record.gain},
        "besides": [
            (
                each,
                evidence_table(f"{each.recipe}, {formats.count(each.pairs)} pairs", "Test queries", _of_recipe(each)),
            )
            for each in record.beside
        ],
        "lines": lines,
        "paths": path_figures(record, lines),
        "points": path_table(record),
        "chosen": chosen(record),
        "rounds": [round_table(record, number) for number in sorted({t.round for t in record.tried})],
        "same": ", ".join(f"{key} {value}" for key, value in shared(record.tried).items()),
        "moved": [("won", record.won), ("lost", record.lost)],
        "phases": phases_table(record),
        "total": sum(record.seconds.values()),
        "truncated": evidence_table(
            "Truncated vectors of the tuned model against whole ones of the base",
            "Vectors",
            [(f"{dimension} dimensions", e) for dimension, e in record.truncated.items()],
        ),
        "versions": Table("Versions", ("", ""), tuple(record.versions.items())),
        "sections": [(id, name) for id, name, fields in SECTIONS if any(getattr(record, field) for field in fields)],
    }
    words = {"palette": {}, "tone": TONES.get, "clipped": clipped, "rank": rank, "confidence": confidence}
    return document("tuned.html", "page.js", context, words)


def facts(record: TuneRecord) -> dict[str, str]:
    opened = f"{ordinal(record.look)} look" if record.gain or record.guards else "not opened"
    return {
        "Measure": record.measure,
        "Base": record.base,
        "Collection": record.collection,
        "Margin": formats.plain(record.margin),
        "Alpha": f"{formats.plain(record.alpha)}, one-sided",
        "Test split": opened,
        "Precision": record.precision,
    }


def _guard(of: Evidence) -> str:
    name = f"{of.collection}/{of.split}"
    return name if of.population == "all" else f"{name}, {of.population}"


def _gain(of: Evidence) -> str:
    return "all queries" if of.population == "all" else of.population


def _named(record: TuneRecord) -> list[tuple[str, Evidence]]:
    in_domain = [(f"In domain, {_gain(e)}", e) for e in record.gain]
    return in_domain + [(f"Guard {_guard(e)}", e) for e in record.guards]


def _of_recipe(beside: Beside) -> list[tuple[str, Evidence]]:
    return [("In domain, all queries", beside.evidence), *((f"Guard {_guard(e)}", e) for e in beside.guards)]


def evidence_figure(record: TuneRecord) -> Figure | None:
    named = _named(record)
    if not named:
        return None
    groups = (
        (f"In domain: {_needs(record.gain)}", [(_gain(e), e) for e in record.gain]),
        (f"Guards: {_needs(record.guards)}", [(_guard(e), e) for e in record.guards]),
    )
    said = (
        f"{name} {formats.signed(e.difference)} {_span(e)}, at least {formats.signed(e.bound, 4)}, "
        f"{tuned_charts.outcome(e)}"
        for name, e in named
    )
    caption = (
        "Point and line: the difference and its 95 % interval. Upright tick: the lower bound that decides. "
        "Full point: certified."
    )
    if record.guards:
        caption += " Shaded: the loss that the margin permits, down to the dashed line."
    spec = tuned_charts.gain_and_guards(groups, record.measure)
    return Figure("evidence", "The tuned model against the base", spec, f"Differences: {'; '.join(said)}.", caption)


def _needs(of: Sequence[Evidence]) -> str:
    return f"the lower bound must be above {formats.signed(of[0].threshold) if of and of[0].threshold else 0}"


def _span(of: Evidence) -> str:
    return formats.interval(of.low, of.high, signs=True)


def evidence_table(caption: str, of: str, named: Sequence[tuple[str, Evidence]]) -> Table:
    columns: Columns[tuple[str, Evidence]] = {
        of: lambda row: row[0],
        "Queries": lambda row: formats.count(row[1].queries),
        "Base": lambda row: formats.fixed(row[1].base),
        "Tuned": lambda row: formats.fixed(row[1].tuned),
        "Difference [95 %]": lambda row: f"{formats.signed(row[1].difference)}\n{_span(row[1])}",
        "At least": lambda row: formats.signed(row[1].bound, 4),
        "Needs": lambda row: f"> {formats.signed(row[1].threshold, 4) if row[1].threshold else '0'}",
        "Result": lambda row: tuned_charts.outcome(row[1]),
        "Won / tied / lost": lambda row: f"{row[1].won} / {row[1].tied} / {row[1].lost}",
        "Smallest certifiable": lambda row: formats.fixed(row[1].smallest),
    }
    return table(caption, named, columns, text=("Result",))


def _lines(points: Sequence[Point]) -> dict[str, str]:
    """The gain and each guard of the path -> the colour of its line."""
    guards = list(dict.fromkeys(guard for point in points for guard in point.guards))
    return {tuned_charts.GAIN: INK, **{guard: PALETTE[i % len(PALETTE)] for i, guard in enumerate(guards)}}


def path_figures(record: TuneRecord, lines: Mapping[str, str]) -> list[Figure]:
    """One for each end of the last training, on one scale."""
    path = [point for point in record.path if point.training == -1]
    values = [value for point in path for value in (point.gain, *point.guards.values())]
    low = min([0.0, *values, *([-record.margin] if len(lines) > 1 else ())])
    domain = (low, max([0.0, *values]))
    figures = []
    for end, name in ENDS.items():
        if points := [point for point in path if point.end == end]:
            spec = tuned_charts.path(points, lines, record.margin, domain)
            said = (f"{formats.fixed(p.share, 2)}: {formats.signed(p.gain)}" for p in points)
            description = f"Gain on dev queries by share of the tuned weights: {'; '.join(said)}."
            figures.append(Figure(f"path-{end}", f"Towards {name}", spec, description))
    return figures


def path_table(record: TuneRecord) -> Table:
    points = record.path
    guards = list(dict.fromkeys(guard for point in points for guard in point.guards))

    def of_guard(guard: str) -> Callable[[Point], str]:
        return lambda p: formats.signed(p.guards.get(guard))

    columns: Columns[Point] = {
        "End": lambda p: p.end if p.training == -1 else _training(record, p),
        "Share": lambda p: formats.fixed(p.share, 2),
        "Gain": lambda p: formats.signed(p.gain),
        **{f"Guard {guard}": of_guard(guard) for guard in guards},
        "Neighbours kept": lambda p: formats.percent(p.overlap),
        "Certifiable": lambda p: formats.percent(p.likely, 0),
        "Allowed": lambda p: "chosen" if p.chosen else "yes" if p.allowed else "no",
        "Why": lambda p: p.reason,
    }
    return table("Every point, on dev queries", points, columns, text=("Allowed", "Why"))


def _training(record: TuneRecord, point: Point) -> str:
    """The candidate, and the round in which it was trained so."""
    tried = record.tried[point.training]
    return f"{tried.name}, round {tried.round}"


def chosen(record: TuneRecord) -> str:
    found = next((point for point in record.path if point.chosen), None)
    if found is None:
        return "No point was chosen."
    share = formats.fixed(found.share, 2)
    of = "" if found.training == -1 else f" of an earlier training ({_training(record, found)})"
    return f"Chosen: share {share} towards {ENDS[found.end]}{of}, {formats.signed(found.gain)} on dev queries."


def shared(tried: Sequence[Tried]) -> dict[str, str]:
    """The settings that all trainings have in common."""
    first = tried[0].settings if tried else {}
    return {key: value for key, value in first.items() if all(t.settings.get(key) == value for t in tried)}


def round_table(record: TuneRecord, number: int) -> Table:
    """The trainings of one round, best first."""
    same = shared(record.tried)
    trained = sorted((t for t in record.tried if t.round == number), key=lambda t: (-t.score, t.name))
    columns: Columns[Tried] = {
        "Candidate": lambda t: t.name,
        "Settings": lambda t: ", ".join(f"{k} {v}" for k, v in t.settings.items() if k not in same) or formats.DASH,
        "Pairs": lambda t: formats.count(t.pairs),
        "Updates": lambda t: formats.count(t.updates),
        "Time": lambda t: formats.duration(t.seconds),
        "Gain": lambda t: formats.signed(t.gain),
        "Worst guard": _worst,
        "Score": lambda t: formats.signed(t.score),
        "Outcome": lambda t: "\n".join(("kept" if t.kept else "dropped", *([t.reason] if t.reason else ()))),
    }
    kept = sum(t.kept for t in trained)
    caption = f"Round {number}: {len(trained)} trained, {kept} kept"
    return table(caption, trained, columns, text=("Settings", "Outcome"))


def _worst(of: Tried) -> str:
    if not of.guards:
        return formats.DASH
    name, value = min(of.guards.items(), key=lambda pair: pair[1])
    return f"{formats.signed(value)}\n{name}"


def phases_table(record: TuneRecord) -> Table:
    total = sum(record.seconds.values())
    rows = [*record.seconds.items(), *([("All", total)] if len(record.seconds) > 1 else ())]
    columns: Columns[tuple[str, float]] = {
        "Phase": lambda row: title(row[0]),
        "Time": lambda row: formats.duration(row[1]),
        "Share": lambda row: formats.percent(row[1] / total if total else None, 0),
    }
    return table("Where the time went", rows, columns)


def clipped(moved: QueryMoved) -> str:
    text = moved.text or moved.query_id
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def rank(of: int | None) -> str:
    return ">100" if of is None else formats.count(of)


def confidence(alpha: float) -> str:
    """`97.5 %` of an alpha of 0.025."""
    return formats.plain(100 * (1 - alpha)) + formats.percent(0)[-2:]


def ordinal(n: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n}{ending}"
