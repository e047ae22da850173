"""The charts of one page by name, each with the sentence that says the same to who cannot see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from strop.records import formats
from strop.records.plain import to_plain
from strop.records.record import Record
from strop.records.results import Results
from strop.report import charts, forests, knobs
from strop.report.charts import Figure
from strop.report.differences import span
from strop.report.perquery import Changes, changes
from strop.report.summary import Summary
from strop.report.tables import Histogram, Table, blocks, spaced, title
from strop.report.training import ACCURACY, CURVES, MONITORED, Logs, Series, accuracy_kinds, published_loss, series


class Gallery:
    """Draws the charts of a Results folder, each system in one colour."""

    def __init__(self, results: Results[Record], summary: Summary) -> None:
        self.results, self.summary = results, summary
        everyone = dict.fromkeys((*results.record.systems, *summary.systems))
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
            low, high = map(formats.signed_percent, cell.difference.relative_interval or (None, None))
            theirs = f", the paper {formats.signed_percent(cell.published_relative)}" if cell.published_relative else ""
            ours = formats.signed_percent(cell.difference.relative)
            texts.append(f"{cell.label} {ours} ({low} to {high}){theirs}")
        caption = "Dots are ours with their 95 % intervals"
        caption += ", diamonds the changes the paper prints." if any(c.published_relative for c in rivals) else "."
        name = f"Against {self.results.record.label(self.summary.baseline)}"
        return Figure("forest", name, forests.forest(cells, self.palette), f"{'; '.join(texts)}.", caption)

    def knobs(self, centre: knobs.Centre) -> Figure:
        """Every knob around one centre, the largest difference first."""
        texts = []
        for k in centre.knobs:
            back = f", wins back {formats.percent(k.share, 0)}" if k.share is not None else ""
            texts.append(f"{k.label} {formats.signed(k.difference.difference)} {span(k.difference)}{back}")
        return Figure(
            f"knobs-{centre.panel.preset}-{centre.system}",
            f"One knob at a time around {centre.label}",
            forests.knob_forest(centre.knobs, self.summary.primary_measure, centre.label),
            f"{'; '.join(texts)}.",
            "Dots are differences to the centre with 95 % intervals, drawn in colour where they are resolved.",
        )

    def losses(self, logs: Logs) -> tuple[Figure, ...]:
        """The loss in each preset, and the paper's own."""
        figures = [
            self._curves(f"loss-{preset}", f"loss, {spaced(preset)}", series(logged), "train/loss")
            for preset in self._presets()
            if (logged := logs.get(preset, {}).get("train/loss"))
        ]
        if figures and (theirs := published_loss(self.results)):
            title = "loss in the paper, read off its figure"
            figures.append(self._curves("published-loss", title, theirs, "train/loss", dashed=True))
        return tuple(figures)

    def accuracies(self, logs: Logs) -> tuple[Figure, ...]:
        """Accuracy on held-out queries, preset by preset, one chart per kind of negatives."""
        return tuple(
            self._curves(
                f"accuracy-{kind}-{preset}", f"accuracy, held-out {kind} negatives, {spaced(preset)}", lines, ACCURACY
            )
            for preset in self._presets()
            for kind in accuracy_kinds(logs.get(preset, {}))
            if (lines := series(logs[preset][f"{ACCURACY}/{kind}"]))
        )

    def courses(self, logs: Logs) -> tuple[Figure, ...]:
        """Everything else that was logged."""
        return tuple(
            self._curves(f"{measure.replace('/', '-')}-{preset}", f"{name}, {spaced(preset)}", series(logged), measure)
            for preset in self._presets()
            for measure, name in {**CURVES, **MONITORED}.items()
            if measure != "train/loss" and (logged := logs.get(preset, {}).get(measure))
        )

    def _presets(self) -> list[str]:
        return [panel.preset for panel in self.summary.matrix]

    def _curves(self, name: str, heading: str, lines: Sequence[Series], measure: str, dashed: bool = False) -> Figure:
        labels = {s.system: self.results.record.label(s.system) for s in lines}
        ends = [
            f"{labels[s.system]} from {formats.plain(s.points[0][1])} to {formats.plain(s.points[-1][1])}"
            f" at update {formats.count(s.points[-1][0])}"
            for s in lines
            if s.seed == "mean"
        ]
        spec = charts.curves(
            [replace(s, system=labels[s.system]) for s in lines],
            {label: self.palette.get(s, charts.GREY) for s, label in labels.items()},
            measure.removeprefix("train/").replace("_", " "),
            dashed=dashed,
            domain=(0.0, 1.0) if measure == "train/active_share" else None,
            value_format="~e" if measure == "train/learning_rate" else "",
        )
        return Figure(name, title(heading), spec, f"{title(heading)}: {'; '.join(ends)}.")

    def changes(self) -> tuple[tuple[Changes, Figure], ...]:
        base, measure = self.results.record.label(self.summary.baseline), self.summary.primary_measure
        out = []
        for each in changes(self.results, self.summary):
            won, lost = (sum(c.difference * sign > 0 for c in each.values) for sign in (1, -1))
            counts = f"{lost} lost, {len(each.values) - won - lost} tied, {won} won"
            text = f"{each.label} against {base}, query by query in {measure}: {counts}, of {len(each.values)}."
            spec = charts.changes(each.values, measure, base, each.label, self.palette[each.system])
            out.append((each, Figure(f"changes-{each.system}", each.label, spec, text, f"{counts}.")))
        return tuple(out)

    def ranks_by_seed(self) -> bool:
        """Whether the exhibit has a rank for each seed, or one of the first only."""
        queries = self.results.exhibits.queries.values()
        several = any(c.seeds > 1 for c in self.summary.headline())
        return not several or any(isinstance(rank, tuple) for query in queries for rank in query.systems.values())

    def negatives(self) -> tuple[Figure, ...]:
        return tuple(
            histogram(f"negatives-{policy}", Histogram(policy, bins), "rank of the negative", "negatives")
            for policy, about in self.results.exhibits.negatives.items()
            if (bins := tuple((float(a), float(b), float(n)) for a, b, n in about.rank_histogram))
        )

    def audit(self) -> tuple[Table | Figure, ...]:
        """The figures of the audit, as tables and histograms."""
        exhibit = self.results.exhibits.audit
        plain = {k: v for k, v in to_plain(exhibit).items() if k not in ("readings", "warnings")} if exhibit else {}
        return tuple(
            histogram(f"audit-{i}", block, block.title.lower(), "count") if isinstance(block, Histogram) else block
            for i, block in enumerate(blocks(plain, "At a glance"))
        )


def histogram(name: str, data: Histogram, axis: str, unit: str) -> Figure:
    total = sum(n for _, _, n in data.bins) or 1
    low, high, most = max(data.bins, key=lambda b: b[2])
    text = (
        f"{title(data.title)}: {formats.count(total)} in {len(data.bins)} bins; most, "
        f"{formats.percent(most / total)}, from {formats.plain(low)} to {formats.plain(high)}."
    )
    return Figure(name, title(data.title), charts.histogram(data.bins, axis, unit), text)
