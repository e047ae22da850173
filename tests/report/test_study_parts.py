from __future__ import annotations

import re
from dataclasses import replace

import pytest

from strop.commands import study_tables, terminal
from strop.records.exhibits.questions import Question
from strop.records.record import Contrast, Record, TrainingAbout
from strop.records.results import Exhibits, Results, Row
from strop.report.gallery import Gallery
from strop.report.judged import judged
from strop.report.knobs import centres, knobs_table
from strop.report.page import page
from strop.report.printed import clocks_table, printed_tables
from strop.report.questions import counted, in_order, table, verdict
from strop.report.settings import ledger
from strop.report.summary import summarise
from strop.report.training import endings, logs

from . import synthetic


def knobs_of(*systems: tuple[str, list[float]]) -> Results[Record]:
    """One preset: the base, a centre and its knobs; a list of per-query values each."""
    rows = tuple(
        Row("s", "knobs", system, 0, "c", "test", -1, f"q{i}", "RR@10", value)
        for system, values in systems
        for i, value in enumerate(values)
    )
    contrasts = tuple(
        Contrast("T5", "knobs", s, "centre", f"with {s}") for s, _ in systems if s not in ("base", "centre")
    )
    trained = {"knobs": {s: TrainingAbout({}, 1, 1.0, 1.0, 1.0) for s, _ in systems if s != "base"}}
    record = Record("s", primary_measure="RR@10", contrasts=contrasts, trained=trained)
    return Results(rows, (), Exhibits(), record)


def test_a_knob_is_compared_with_its_centre_and_wins_back_a_share_of_its_loss() -> None:
    base = [0.8 + 0.001 * (i % 7) for i in range(40)]
    centre = [v - 0.4 for v in base]
    results = knobs_of(
        ("base", base), ("centre", centre), ("half", [v + 0.2 for v in centre]), ("worse", [v - 0.1 for v in centre])
    )
    (found,) = centres(results, summarise(results))
    assert found.cell.difference is not None
    assert found.cell.difference.difference == pytest.approx(-0.4)
    assert [k.system for k in found.knobs] == ["half", "worse"]
    assert [k.difference.difference for k in found.knobs] == pytest.approx([0.2, -0.1])
    assert [k.share for k in found.knobs] == pytest.approx([0.5, -0.25])
    table = knobs_table(found, "RR@10")
    assert [(row[0], row[1], row[-1]) for row in table.rows] == [
        ("with half", "T5", "50\u202f%"),
        ("with worse", "T5", "−25\u202f%"),
    ]


@pytest.mark.parametrize("shift", [lambda i: 0.2 if i % 2 else -0.21, lambda i: 0.3])
def test_where_the_centre_lost_nothing_there_is_no_share_to_win_back(shift: object) -> None:
    base = [0.5] * 40
    centre = [v + shift(i) for i, v in enumerate(base)]  # type: ignore[operator]
    results = knobs_of(("base", base), ("centre", centre), ("knob", [v + 0.1 for v in centre]))
    (found,) = centres(results, summarise(results))
    assert found.knobs[0].share is None
    assert knobs_table(found, "RR@10").rows[0][-1] == "–"


def test_a_knob_that_a_budget_left_out_is_no_row() -> None:
    results = synthetic.results(queries=8)
    gone = tuple(r for r in results.rows if r.system != "matched")
    found = centres(replace(results, rows=gone), summarise(replace(results, rows=gone)))
    assert [(c.system, len(c.knobs)) for c in found] == [("lora_hard", 4)]


def test_the_papers_tables_stand_beside_ours_in_every_preset() -> None:
    results = synthetic.results(queries=20)
    summary, logged = summarise(results), logs(results)
    mrr, times, losses = printed_tables(results, summary, logged)
    assert mrr.groups == (("", 1), ("The paper", 2), ("Corrected", 2), ("As coded", 2), ("As written", 2))
    row = next(r for r in mrr.rows if r[0] == "LoRA, hard negatives")
    assert row[1:3] == ("0.2050", "0.2149")
    assert row[5] == f"{summary.cells[summary.matrix[1], 'lora_hard'].mean:.3f}"
    assert [r[0] for r in mrr.rows[3:]] == ["BM25", "In-batch control"]
    assert times.groups == (("", 1), ("The paper", 3))
    assert times.rows[2][1:] == ("598.69", "16.7", "+97.0")
    assert losses.columns[3:6] == ("Final loss", "Accuracy, random", "Accuracy, hard")
    ended = next(e for e in endings(logged["corrected"]) if e.system == "lora_hard")
    row = next(r for r in losses.rows if r[0] == "LoRA, hard negatives")
    assert row[1:6] == ("3.10", "0.78", f"{ended.loss:.3f}", *(f"{a:.3f}" for a in ended.accuracies.values()))


def test_a_printed_table_of_what_is_no_measure_of_ours_is_shown_as_it_is() -> None:
    results = synthetic.results(queries=20)
    table = {
        "MiniLM AdamW 1": {"nDCG@10, printed": 0.7008, "nDCG@10, evaluated": 0.69},
        "ms-marco-MiniLM-L6-v2": {"nDCG@10, printed": 0.743},
    }
    results = replace(results, record=replace(results.record, tables={"2, and the authors' own evaluation": table}))
    (shown,) = printed_tables(results, summarise(results), logs(results))
    assert shown.caption == "Table 2, and the authors' own evaluation, as printed"
    assert shown.columns == ("System", "nDCG@10, printed", "nDCG@10, evaluated")
    assert shown.rows == (("MiniLM AdamW 1", "0.7008", "0.6900"), ("ms-marco-MiniLM-L6-v2", "0.7430", "–"))
    assert "Our final loss" not in page(results), "there is none to explain"
    assert "Our final loss" in page(synthetic.results(queries=20))


def test_clocks_are_compared_repeat_by_repeat_with_the_first_condition() -> None:
    totals = {"base": (2.0, 4.0), "slow": (3.0, 4.4)}
    rows = tuple(
        Row("s", "clocks", name, 0, "c", "test", -1, str(i), f"clock/{stage}/s", seconds * share)
        for name, values in totals.items()
        for i, seconds in enumerate(values)
        for stage, share in (("encode", 0.25), ("rank", 0.75), ("total", 1.0))
    )
    found = clocks_table(Results(rows, (), Exhibits(), Record("s")))
    assert found is not None
    assert found.columns == ("Condition", "Encode, s", "Rank, s", "Total, s", "Change")
    assert found.rows[0] == ("base", "0.75", "2.25", "3.00\n2.00 to 4.00", "–")
    assert found.rows[1][-1] == "+30.0\u202f%\n+10\u202f% to +50\u202f%"


def test_a_claim_is_told_once_with_a_ruling_for_each_preset_that_differs() -> None:
    found = {c.id: c for c in judged(synthetic.results(queries=60))}
    assert list(found) == ["T1", "T5", "T6", "T16"]
    (count,) = found["T1"].rulings
    assert (count.presets, count.ours, count.word) == (("corrected", "as_coded", "as_written"), "147,456", "fails")
    assert [r.presets for r in found["T5"].rulings] == [("corrected",), ("as_coded",), ("as_written",)]


def test_questions_are_in_order_and_one_that_only_a_test_shows_is_given_as_it_is_asked() -> None:
    results = synthetic.results(queries=2)
    questions = in_order(results.exhibits.points)
    assert [question.id for question in questions] == ["T1", "T8", "T9", "T10", "T23"]
    answer = re.search("<strong>T9</strong>.*?</p>", page(results), re.DOTALL)
    assert answer is not None
    assert '<span class="says">The sampler stops with a KeyError.</span>' in answer.group()
    assert "Test: <code>tests/test_sampler.py</code>" in answer.group()
    assert table(questions[0].tables[0]).numeric == (False, True, True)
    assert counted(questions) == "1 shown, 1 not shown, 1 not resolved, 1 shown by a test, 1 not run"


def test_an_older_folder_s_point_that_only_a_test_shows_is_told_from_one_that_a_run_showed() -> None:
    old = Question("T9", "defect", "The sampler stops.", "tests/test_sampler.py", "shown", "", ())
    assert verdict(old) == "shown by a test"


def test_the_ledger_leaves_out_knobs_that_train_what_their_centre_trains() -> None:
    results = synthetic.results(queries=2)
    centre = results.exhibits.parameters[1]
    knobs = (replace(centre, system="own_rank"), replace(centre, system="rate_10", trainable=5))
    more = replace(results, exhibits=Exhibits(parameters=(*results.exhibits.parameters, *knobs)))
    assert [p.system for p in ledger(more)] == ["full_random", "lora_hard", "rate_10"]


@pytest.mark.parametrize("several", [True, False])
def test_the_terminal_shows_a_study_on_one_screen_of_eighty_columns(
    several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = synthetic.results(queries=40) if several else synthetic.read_as("as_coded", 40)
    console = terminal.Console(width=80, record=True, highlight=False, quiet=False)
    monkeypatch.setattr(terminal, "console", console)
    study_tables.study_table(results, summarise(results, matrix_only=True))
    shown = console.export_text().splitlines()
    assert max(map(len, shown)) <= 80
    assert len(shown) <= 40
    text = " ".join(" ".join(shown).split())
    assert "63 updates, learning rates summing to 5.67e-04" in text
    assert "5 open questions: 1 shown, 1 not shown, 1 not resolved, 1 shown by a test, 1 not run" in text
    assert ("claim T1: fails (corrected, as_coded, as_written)" in text) == several
    assert "not finished (the budget ran out): one_knob/short, seed 0; one_knob/all, seed 0" in text


def test_a_preset_s_realised_updates_are_its_least_and_its_most() -> None:
    trained = [TrainingAbout({}, u, r, 1e-5, 1.0) for u, r in ((120, 1e-3), (63, 2e-4), (63, 5e-3))]
    assert study_tables.realised(trained) == "63 to 120 updates, learning rates summing to 2.00e-04 to 5.00e-03"


def test_what_a_monitor_saw_is_drawn_preset_by_preset_beside_the_training() -> None:
    results = synthetic.results()
    gallery = Gallery(results, summarise(results))
    drawn = [f for f in gallery.courses(logs(results)) if f.name.startswith("geometry-overlap@10-document")]
    assert drawn[0].title.startswith("Neighbours kept from the base")
    assert "to 0.6" in drawn[0].description
