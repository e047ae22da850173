"""The charts of one page by name, each with the sentence that says the same to who cannot see it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
        rivals = [(c, d) for c in self.summary.headline() if (d := c.difference) and d.relative is not None]
        if not rivals:
            return None
        texts = []
        for cell, d in rivals:
            low, high = map(formats.signed_percent, d.relative_interval or (None, None))
            theirs = f", the paper {formats.signed_percent(cell.published_relative)}" if cell.published_relative else ""
            texts.append(f"{cell.label} {formats.signed_percent(d.relative)} ({low} to {high}){theirs}")
        caption = "Dots are ours with their 95 % intervals"
        caption += ", diamonds the changes the paper prints." if any(c.published_relative for c, _ in rivals) else "."
        name = f"Against {self.results.record.label(self.summary.baseline)}"
        spec = forests.forest(rivals, self.summary.primary_measure, self.palette)
        return Figure("forest", name, spec, f"{'; '.join(texts)}.", caption)

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

    def losses(self, logs: Logs) -> list[Figure]:
        """The loss in each preset, and the paper's own."""
        figures = self._logged(logs, {"train/loss": "loss"})
        if figures and (theirs := published_loss(self.results)):
            title = "loss in the paper, read off its figure"
            figures.append(self._curves("published-loss", title, theirs, "train/loss", dashed=True))
        return figures

    def accuracies(self, logs: Logs) -> list[Figure]:
        """Accuracy on held-out queries, by kind of negatives."""
        kinds = dict.fromkeys(kind for of_preset in logs.values() for kind in accuracy_kinds(of_preset))
        return self._logged(logs, {f"{ACCURACY}/{kind}": f"accuracy, held-out {kind} negatives" for kind in kinds})

    def courses(self, logs: Logs) -> list[Figure]:
        """Everything else that was logged."""
        return self._logged(logs, {m: name for m, name in {**CURVES, **MONITORED}.items() if m != "train/loss"})

    def _logged(self, logs: Logs, names: Mapping[str, str]) -> list[Figure]:
        """One chart per preset and measure; `names` are the measures' own."""
        return [
            self._curves(f"{measure.replace('/', '-')}-{preset}", f"{name}, {spaced(preset)}", series(logged), measure)
            for preset in (panel.preset for panel in self.summary.matrix)
            for measure, name in names.items()
            if (logged := logs.get(preset, {}).get(measure))
        ]

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
            "cosine accuracy" if measure.startswith(ACCURACY) else measure.removeprefix("train/").replace("_", " "),
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
            if (bins := about.rank_histogram)
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
