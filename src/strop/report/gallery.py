"""The charts of one page by name, each with the sentence that says the same to who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from strop.records import formats
from strop.records.plain import to_plain
from strop.records.record import Record
from strop.records.results import Results
from strop.report import charts, forests, knobs, tables
from strop.report.differences import span
from strop.report.perquery import Changes, changes
from strop.report.summary import Summary
from strop.report.training import ACCURACY, CURVES, MONITORED, Logs, Series, accuracy_kinds, published_loss, series


@dataclass(frozen=True, slots=True)
class Figure:
    """A place for the chart `name`: `description` says in words what it shows, `caption` how to read it."""

    name: str
    title: str
    description: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    readings: tuple[str, ...]
    warnings: tuple[str, ...]
    blocks: tuple[tables.Table | Figure, ...]


class Gallery:
    """Draws the charts of a Results folder; `specs` holds what was drawn so far."""

    def __init__(self, results: Results[Record], summary: Summary) -> None:
        self.results, self.summary = results, summary
        described = tuple(results.record.systems)
        everyone = dict.fromkeys((*described, *summary.systems))
        self.specs: dict[str, charts.Spec] = {}
        self._knobs = {system for _, system in summary.knobs}
        own = charts.colours([s for s in everyone if s not in self._knobs], summary.baseline)
        self.palette = dict.fromkeys(everyone, charts.GREY) | own

    def systems(self) -> tuple[str, ...]:
        """The described systems that are more than a knob."""
        return tuple(s for s in self.results.record.systems if s not in self._knobs)

    def forest(self) -> Figure | None:
        """All rivals on the headline measure, the paper's changes beside ours."""
        cells = [c for c in self.summary.headline() if c.difference is None or c.difference.relative is not None]
        rivals = [c for c in cells if c.difference is not None]
        if not rivals:
            return None
        texts = []
        for cell in rivals:
            assert cell.difference is not None
            low, high = cell.difference.relative_interval or (None, None)
            ours = f"{cell.label} {formats.signed_percent(cell.difference.relative)}"
            theirs = formats.signed_percent(cell.published_relative) if cell.published_relative else ""
            ends = f"{formats.signed_percent(low)} to {formats.signed_percent(high)}"
            texts.append(f"{ours} ({ends}){f', the paper {theirs}' if theirs else ''}")
        text = f"{'; '.join(texts)}."
        caption = "Dots are ours with their 95 % intervals"
        caption += ", diamonds the changes the paper prints." if any(c.published_relative for c in rivals) else "."
        name = f"Against {self.results.record.label(self.summary.baseline)}"
        return self._add("forest", name, forests.forest(cells, self.palette, text), text, caption)

    def knobs(self, centre: knobs.Centre) -> Figure:
        """Every knob around one centre, the largest difference first."""
        measure, ordered = self.summary.primary_measure, knobs.ordered(centre)
        texts = []
        for k in ordered:
            back = f", wins back {formats.percent(k.share, 0)}" if k.share is not None else ""
            texts.append(f"{k.label} {formats.signed(k.difference.difference)} {span(k.difference)}{back}")
        text = f"{'; '.join(texts)}."
        spec = forests.knob_forest(ordered, measure, centre.label, text)
        caption = "Dots are differences to the centre with 95 % intervals, drawn in colour where they are resolved."
        name = f"knobs-{centre.panel.preset}-{centre.system}"
        return self._add(name, f"One knob at a time around {centre.label}", spec, text, caption)

    def losses(self, logs: Logs) -> tuple[Figure, ...]:
        """The loss of each reading, and the paper's own."""
        figures = [
            self._curves(f"loss-{panel.preset}", f"loss, {_said(panel.preset)}", series(logged), "train/loss")
            for panel in self.summary.readings
            if (logged := logs.get(panel.preset, {}).get("train/loss"))
        ]
        if figures and (theirs := published_loss(self.results)):
            title = "loss in the paper, read off its figure"
            figures.append(self._curves("published-loss", title, theirs, "train/loss", dashed=True))
        return tuple(figures)

    def accuracies(self, logs: Logs) -> tuple[Figure, ...]:
        """What was watched on held-out queries, reading by reading, a chart a kind of negatives."""
        return tuple(
            self._curves(
                f"accuracy-{kind}-{preset}", f"accuracy, held-out {kind} negatives, {_said(preset)}", lines, ACCURACY
            )
            for preset in (p.preset for p in self.summary.readings)
            for kind in accuracy_kinds(logs.get(preset, {}))
            if (lines := series(logs[preset][f"{ACCURACY}/{kind}"]))
        )

    def courses(self, logs: Logs) -> tuple[Figure, ...]:
        """Everything else that was logged."""
        return tuple(
            self._curves(f"{measure.replace('/', '-')}-{preset}", f"{name}, {_said(preset)}", series(logged), measure)
            for preset in (p.preset for p in self.summary.readings)
            for measure, name in {**CURVES, **MONITORED}.items()
            if measure != "train/loss" and (logged := logs.get(preset, {}).get(measure))
        )

    def _curves(self, name: str, title: str, lines: Sequence[Series], measure: str, dashed: bool = False) -> Figure:
        labels = {s.system: self.results.record.label(s.system) for s in lines}
        palette = {s: self.palette.get(s, charts.GREY) for s in labels}
        ends = [
            f"{labels[s.system]} from {formats.plain(s.points[0][1])} to {formats.plain(s.points[-1][1])}"
            f" at update {formats.count(s.points[-1][0])}"
            for s in lines
            if s.seed == "mean"
        ]
        text = f"{tables.title(title)}: {'; '.join(ends)}."
        unit = (0.0, 1.0) if measure == "train/active_share" else None
        rate = "~e" if measure == "train/learning_rate" else ""
        name_of_measure = measure.removeprefix("train/").replace("_", " ")
        spec = charts.curves(
            lines, palette, labels, name_of_measure, text, dashed=dashed, domain=unit, value_format=rate
        )
        return self._add(name, tables.title(title), spec, text)

    def changes(self) -> tuple[tuple[Changes, Figure], ...]:
        base = self.results.record.label(self.summary.baseline)
        out = []
        for of_system in changes(self.results, self.summary):
            won, lost = (sum(c.difference * sign > 0 for c in of_system.values) for sign in (1, -1))
            text = (
                f"{of_system.label} against {base}, query by query in {self.summary.primary_measure}: "
                f"{lost} lost, {of_system.tied} tied, {won} won, of {len(of_system.values)}."
            )
            colour = self.palette[of_system.system]
            spec = charts.changes(of_system.values, self.summary.primary_measure, base, of_system.label, colour, text)
            caption = f"{lost} lost, {of_system.tied} tied, {won} won."
            out.append((of_system, self._add(f"changes-{of_system.system}", of_system.label, spec, text, caption)))
        return tuple(out)

    def ranks_by_seed(self) -> bool:
        """Whether the exhibit has a rank for each seed, or one of the first only."""
        queries = self.results.exhibits.queries.values()
        several = any(c.seeds > 1 for c in self.summary.headline())
        return not several or any(isinstance(rank, tuple) for query in queries for rank in query.systems.values())

    def negatives(self) -> tuple[Figure, ...]:
        return tuple(
            self.histogram(f"negatives-{policy}", tables.Histogram(policy, bins), "rank of the negative", "negatives")
            for policy, about in self.results.exhibits.negatives.items()
            if (bins := tuple((float(a), float(b), float(n)) for a, b, n in about.rank_histogram))
        )

    def audit(self) -> Audit | None:
        exhibit = self.results.exhibits.audit
        if not exhibit:
            return None
        plain = {k: v for k, v in to_plain(exhibit).items() if k not in ("readings", "warnings")}
        blocks = [
            self.histogram(f"audit-{i}", block, block.title.lower(), "count")
            if isinstance(block, tables.Histogram)
            else block
            for i, block in enumerate(tables.blocks(plain, "At a glance"))
        ]
        return Audit(exhibit.readings, exhibit.warnings, tuple(blocks))

    def histogram(self, name: str, data: tables.Histogram, axis: str, unit: str) -> Figure:
        total = sum(n for _, _, n in data.bins) or 1
        most = max(data.bins, key=lambda b: b[2])
        text = (
            f"{tables.title(data.title)}: {formats.count(total)} in {len(data.bins)} bins; most, "
            f"{formats.percent(most[2] / total)}, from {formats.plain(most[0])} to {formats.plain(most[1])}."
        )
        return self._add(name, tables.title(data.title), charts.histogram(data.bins, axis, unit, text), text)

    def _add(self, name: str, title: str, spec: charts.Spec, text: str, caption: str = "") -> Figure:
        self.specs[name] = spec
        return Figure(name, title, text, caption)


def _said(preset: str) -> str:
    return preset.replace("_", " ")
