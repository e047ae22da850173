from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from statistics import fmean

import pytest

from strop.evaluation import comparison, significance
from strop.evaluation.comparison import BETTER, UNRESOLVED, WORSE
from strop.records import formats
from strop.records.errors import InputError
from strop.records.record import Record, SystemAbout
from strop.records.results import Exhibits, Results, Row
from strop.report.matrix import matrix_table, terminal_table
from strop.report.perquery import changes
from strop.report.summary import Panel, summarise
from strop.report.training import accuracy_kinds, endings, logs, series, thin

from . import synthetic

RECORD = Record("s", primary_measure="RR@10", systems={"base": SystemAbout(), "mine": SystemAbout("Mine")})
PANEL = Panel("p", "c", "test")


def small(record: Record = RECORD, **systems: list[list[float]]) -> Results[Record]:
    """One collection, one measure; a list of values a seed."""
    rows = tuple(
        Row("s", "p", system, seed, "c", "test", -1, f"q{i}", "RR@10", value)
        for system, seeds in systems.items()
        for seed, values in enumerate(seeds)
        for i, value in enumerate(values)
    )
    return Results(rows, (), Exhibits(), record)


def test_a_mean_is_over_queries_and_seeds_and_a_difference_is_against_the_baseline() -> None:
    summary = summarise(small(base=[[0.5, 0.0, 1.0, 0.5]], mine=[[1.0, 0.0, 0.5, 0.5], [1.0, 0.5, 0.5, 0.5]]))
    base, mine = summary.headline()
    assert (base.mean, base.difference, base.seeds) == (0.5, None, 1)
    assert (mine.mean, mine.seeds, mine.queries, mine.label) == (0.5625, 2, 4, "Mine")
    assert mine.difference is not None
    seen = mine.difference
    assert (seen.difference, seen.won, seen.tied, seen.lost) == (0.0625, 2, 1, 1)
    assert seen.relative == 0.125


def test_p_is_corrected_over_the_rivals_of_one_measure_only() -> None:
    column = [c.difference for c in summarise(synthetic.results(queries=60)).headline() if c.difference]
    assert [d.p_corrected for d in column] == significance.holm([d.p for d in column])
    assert len(column) == 4


def test_a_clear_change_is_resolved_and_a_null_says_how_many_queries_it_lacks() -> None:
    base = [0.1 * (i % 10) for i in range(40)]
    up, down = [v + 0.05 + 0.01 * (i % 3) for i, v in enumerate(base)], [v - 0.05 for v in base]
    noise = [v + (0.2 if i % 2 else -0.19) for i, v in enumerate(base)]
    record = replace(RECORD, systems=dict.fromkeys(("base", "up", "down", "noise"), SystemAbout()))
    cells = {
        c.system: c.difference
        for c in summarise(small(record, base=[base], up=[up], down=[down], noise=[noise])).headline()
    }
    assert cells["up"] is not None
    assert cells["down"] is not None
    assert cells["noise"] is not None
    assert (cells["up"].verdict, cells["down"].verdict) == (BETTER, WORSE)
    null = cells["noise"]
    assert null.verdict == UNRESOLVED
    assert null.minimum_detectable_difference == pytest.approx(2.8016 * 0.1974 / 40**0.5, rel=1e-3)
    assert null.queries_needed(null.difference) == pytest.approx((2.8016 * 0.1974 / 0.005) ** 2, rel=1e-3)


def test_the_papers_change_is_against_the_papers_own_base() -> None:
    cells = {c.system: c for c in summarise(synthetic.results(queries=20)).headline()}
    assert cells["lora_hard"].published == 0.2050
    assert cells["lora_hard"].published_relative == pytest.approx(-0.3225, abs=1e-4)
    assert cells["base"].published == 0.3026
    assert cells["base"].published_relative is None
    assert cells["in_batch"].published_relative is None


def test_a_system_on_other_queries_is_refused_and_so_is_a_missing_baseline() -> None:
    with pytest.raises(InputError, match=r"mine .* has 1 values"):
        summarise(small(base=[[1.0, 0.0]], mine=[[1.0]]))
    with pytest.raises(InputError, match="no rows of the baseline 'base'"):
        summarise(small(mine=[[1.0]]))


def test_random_weights_never_get_a_quality_number() -> None:
    record = replace(RECORD, systems={"base": SystemAbout(), "mine": SystemAbout(random_weights=True)})
    summary = summarise(small(record, base=[[1.0, 0.5]], mine=[[1.0, 0.0]]))
    assert [c.system for c in summary.headline()] == ["base"]
    assert summary.withheld == ("mine",)


def test_training_rows_and_other_namespaces_are_no_measures() -> None:
    summary = summarise(synthetic.results(queries=20))
    assert summary.measures == ("RR@10", "RR@100", "nDCG@10", "R@100")
    assert [(p.preset, p.collection) for p in summary.shown()] == [
        ("corrected", "docstrings"),
        ("corrected", "docstrings, whole corpus"),
        ("as_coded", "docstrings"),
        ("as_written", "docstrings"),
    ]


def test_a_preset_of_knobs_alone_is_no_reading_unless_it_is_all_there_is() -> None:
    results = synthetic.results(queries=10)
    summary = summarise(results)
    assert [p.preset for p in summary.matrix] == ["corrected", "as_coded", "as_written"]
    assert {p.preset for p in summary.panels} == set(synthetic.PRESETS)
    knobs = tuple(r for r in results.rows if r.preset == "one_knob")
    alone = summarise(Results(knobs, (), Exhibits(), results.record))
    assert [p.preset for p in alone.matrix] == ["one_knob"]
    assert [c.system for c in alone.headline()] == ["base", "full_random", "lora_hard"]


def test_intervals_are_drawn_for_what_is_shown_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[int] = []
    compare = comparison.compare
    monkeypatch.setattr(comparison, "compare", lambda a, b: drawn.append(1) or compare(a, b))  # type: ignore[func-returns-value]
    results = synthetic.results(queries=6)
    summarise(results, matrix_only=True)
    assert len(drawn) == 3 * 4  # four rivals in each of three presets
    summarise(results)
    assert len(drawn) == 2 * 3 * 4 + 1 + 2  # BM25 on the whole corpus, and two centres


def test_the_matrix_has_a_row_a_system_and_a_column_a_reading() -> None:
    summary = summarise(synthetic.results(queries=60))
    found = matrix_table(summary)
    assert found is not None
    assert found.columns == ("System", "Corrected", "As coded", "As written", "The paper")
    row = found.rows[found.systems.index("lora_hard")]
    cell = summary.cells[summary.matrix[1], "lora_hard"]
    assert cell.difference is not None
    seen = cell.difference
    assert row[2].split("\n") == [
        f"▼ {formats.signed(seen.difference)}",
        formats.signed_percent(seen.relative),
        formats.interval(seen.low, seen.high, signs=True),
    ]
    assert row[4] == "−32.3\u202f%"


def test_per_query_changes_average_seeds_and_list_the_largest_ten_each_way() -> None:
    results = synthetic.results(queries=60)
    summary = summarise(results)
    for found in changes(results, summary):
        cell = summary.cells[summary.panels[0], found.system]
        assert cell.difference is not None
        assert fmean(c.difference for c in found.values) == pytest.approx(cell.difference.difference)
        assert sum(c.difference == 0 for c in found.values) == cell.difference.tied
        assert found.largest(-1)[0].difference == min(c.difference for c in found.values)
        assert found.largest(1)[0].difference == max(c.difference for c in found.values)
    assert [found.system for found in changes(results, summary)] == ["full_random", "lora_hard", "in_batch"]


def test_a_long_curve_is_thinned_to_means_and_keeps_its_last_update() -> None:
    points = thin([(i, float(i % 2)) for i in range(1, 1001)], most=100)
    assert len(points) == 100
    assert points[-1][0] == 1000
    assert {value for _, value in points} == {0.5}


def test_training_series_hold_each_seed_and_their_mean() -> None:
    results = synthetic.results(queries=5)
    logged = logs(results)["corrected"]
    found = [s for s in series(logged["train/loss"]) if s.system == "lora_hard"]
    assert [s.seed for s in found] == ["0", "1", "2", "mean"]
    assert found[3].points[4][1] == pytest.approx(fmean(s.points[4][1] for s in found[:3]), abs=1e-4)
    ending = next(e for e in endings(logged) if e.system == "lora_hard")
    assert (ending.updates, ending.seeds, ending.active_share) == (63, 3, 1.0)
    assert accuracy_kinds(logged) == tuple(ending.accuracies) == ("random", "hard")
    assert ending.accuracies["hard"] == pytest.approx(0.78, abs=0.01)
    assert ending.loss == pytest.approx(fmean(v for s in found[:3] for _, v in s.points[-6:]), abs=1e-4)


@pytest.mark.parametrize("results", [synthetic.read_as("as_coded", 200), synthetic.results(40)])
def test_the_terminal_table_fits_eighty_columns(results: Results) -> None:
    table = terminal_table(summarise(results, matrix_only=True))
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    assert sum(widths) + len(widths) - 1 <= 80


@pytest.mark.parametrize(
    ("shown", "wanted"),
    [
        (formats.signed(-0.0344), "−0.034"),
        (formats.signed(0.0344), "+0.034"),
        (formats.signed(-0.0001), "0.000"),
        (formats.fixed(None), "–"),
        (formats.fixed(float("nan")), "–"),
        (formats.count(147456), "147,456"),
        (formats.p_value(0.0001), "<0.001"),
        (formats.p_value(0.0123), "0.012"),
        (formats.signed_percent(-0.323), "−32.3\u202f%"),
        (formats.duration(48.21), "48.2 s"),
        (formats.duration(425), "7 min 05 s"),
        (formats.duration(7800), "2 h 10 min"),
        (formats.plain(2e-5), "2\u202f×\u202f10⁻⁵"),
        (formats.plain(0.000567), "5.67\u202f×\u202f10⁻⁴"),
        (formats.plain(1234567.0), "1.23\u202f×\u202f10⁶"),
        (formats.plain({"type": "TripletLoss", "margin": 5.0}), "TripletLoss(margin=5)"),
    ],
)
def test_numbers_read_as_a_reader_wants_them(shown: str, wanted: str) -> None:
    assert shown == wanted


def test_the_summary_never_loads_torch_nor_what_draws() -> None:
    code = (
        "import sys, strop.report.summary; "
        "print([m for m in ('torch', 'transformers', 'ir_measures', 'altair', 'jinja2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
