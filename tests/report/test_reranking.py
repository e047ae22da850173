from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import vl_convert

from strop.commands import study_tables, terminal
from strop.records.exhibits.reranking import Reranking
from strop.records.plain import from_plain, to_plain
from strop.records.record import Record
from strop.records.results import Exhibits
from strop.report import charts
from strop.report.document import VEGA_LITE
from strop.report.page import page
from strop.report.reranking import Section, section

from . import synthetic
from . import synthetic_reranking as drawn
from .html_reader import HOSTILE, Reader, rows_of, without_scripts


@pytest.fixture(scope="module")
def made() -> Section:
    return section(drawn.exhibit())


def page_with(exhibit: Reranking | None) -> str:
    plain = synthetic.results(queries=6)
    record = Record("t", primary_measure="RR@10")
    rows = tuple(r for r in plain.rows if r.preset == "corrected" and r.system in ("base", "bm25"))
    return page(replace(plain, rows=rows, claims=(), exhibits=Exhibits(reranking=exhibit), record=record))


@pytest.fixture(scope="module")
def html() -> str:
    return page_with(drawn.exhibit())


def test_one_sentence_says_the_first_pair_and_what_the_queries_resolve(made: Section) -> None:
    assert made.lead == (
        "Lion against AdamW, MiniLM: not resolved on 300 queries of nq_small and 3 seeds (nDCG@10 +0.002 "
        "[−0.012, +0.016]; minimum detectable difference 0.019). Of all 12 comparisons 8 are resolved."
    )


def test_without_pairs_it_says_the_first_stage_and_its_ceiling() -> None:
    exhibit = replace(drawn.exhibit(), comparisons=())
    found = section(exhibit)
    assert found.lead == ("BM25 reaches nDCG@10 0.610 on nq_small; the best order of its first 100 would reach 0.930.")
    assert found.presets[0][1][0][1] is None
    unknown = replace(exhibit.panels[0], value=None, ceiling=None, ceilings={})
    found = section(replace(exhibit, panels=(unknown, *exhibit.panels[1:])))
    assert found.lead == "Random weights show machinery and cost, and get no quality number."
    table = found.presets[0][1][0][0].systems()
    assert (table.rows[0][2], table.rows[-1][0]) == ("0.610", "ModernBERT, random weights"), "and no ceiling"


def test_a_verdict_needs_both_the_interval_and_p() -> None:
    exhibit = drawn.exhibit(("equalised",))
    rows = list(exhibit.comparisons)
    rows[1] = replace(rows[1], p=0.06)
    found = section(replace(exhibit, comparisons=tuple(rows)))
    pairs = found.presets[0][1][0][0].pairs()
    assert pairs is not None
    assert [row[5] for row in pairs.rows] == ["not resolved", "not resolved", "worse"]
    assert [row[-1] != "–" for row in pairs.rows] == [True, True, False], "queries needed, where it is not resolved"
    assert pairs.rows[2][3].startswith("▼ −0.110\n[−0.1")


def test_systems_stand_under_the_depth_the_ceiling_and_what_is_judged(made: Section) -> None:
    first, graded = (panel for panel, _ in made.presets[0][1])
    assert first.systems().caption == (
        "nq_small, test: depth 100, ceiling 0.930, 97.0\u202f% of the candidates’ first ten judged"
    )
    assert first.systems().columns == ("System", "Seeds", *drawn.MEASURES)
    assert first.systems().groups == ()
    assert [row[:3] for row in first.systems().rows] == [
        ("BM25", "1", "0.610"),
        ("MiniLM, AdamW", "3", "0.720"),
        ("MiniLM, Lion", "3", "0.722"),
        ("MiniLM, Lion, own passages", "3", "0.930"),
        ("ModernBERT, random weights", "3", "–"),
        ("Ceiling of BM25", "–", "0.930"),
    ]
    assert set(first.systems().rows[4][2:]) == {"–"}, "random weights get no quality number"
    assert graded.systems().groups == (("", 9), ("Relevant from grade 2 on", 5))
    assert graded.systems().columns[9:] == drawn.BINARY
    assert "3 of 43 queries have fewer" in graded.about_words()
    spread = "With an SD of 0.120 between MiniLM, AdamW and MiniLM, Lion, "
    assert f"{spread}the minimum detectable difference is 0.051." in graded.about_words()


def test_the_same_model_on_several_candidates_and_what_ranking_took(made: Section) -> None:
    panel = made.presets[0][1][1][0]
    candidates, costs = panel.candidate_sets(), panel.costs()
    assert candidates is not None
    assert candidates.rows[1][:5] == (
        "MiniLM, Lion, own passages", "own passages, depth 10", "0.700", "0.930", "1.000"
    )  # fmt: skip
    assert costs is not None
    assert costs.rows[0][1:] == ("searches", "17.2 s", "–", "–", "–", "390.0")
    assert costs.rows[1][1:] == ("reranks", "17.2 s", "4,300", "387,000", "3", "390.0")
    plain = section(replace(drawn.exhibit(), candidates=(), stages=())).presets[0][1][0][0]
    assert (plain.candidate_sets(), plain.costs()) == (None, None)


def test_vega_draws_the_pairs_with_their_numbers(made: Section) -> None:
    figures = {figure.name: figure for _, panels in made.presets for _, figure in panels if figure}
    assert len(figures) == 4
    spec = figures["reranking-1"].spec
    assert "NaN" not in vl_convert.vegalite_to_svg(spec | {"width": 400, "config": charts.CONFIG}, VEGA_LITE)
    shown = [row for row in rows_of(spec) if "span" in row]
    assert [(row["name"], row["verdict"]) for row in shown] == [
        ("Lion against AdamW, MiniLM", "not resolved"),
        ("MiniLM, Lion against BM25", "better"),
        ("BM25 against MiniLM, AdamW", "worse"),
    ]


def test_the_page_shows_it_after_the_systems_with_each_chart_in_its_place(html: str) -> None:
    read = Reader(html)
    assert re.findall(r'<section id="(\w+)"', html)[:3] == ["verdict", "systems", "reranking"]
    assert re.findall(r'href="#(\w+)"', html) == re.findall(r'<section id="(\w+)"', html)
    places = [a["data-chart"] for _, a in read.tags if "data-chart" in a]
    assert sorted(read.json("chart-specs")) == sorted(p for p in places if p)
    assert without_scripts(html).count("<table") == without_scripts(html).count("<caption>")
    part = html[html.index('id="reranking"') : html.index('id="provenance"')]
    assert part.count("<details") == 1 + 4, "the second preset, and the cost of each collection"


def test_hostile_names_stay_text() -> None:
    text = json.dumps(to_plain(drawn.exhibit(("equalised",)))).replace("MiniLM, Lion", json.dumps(HOSTILE)[1:-1])
    html = page_with(from_plain(Reranking, json.loads(text), "drawn"))
    assert "<script>alert" not in html
    assert not [t for t, _ in Reader(html).tags if t == "img"]


def test_a_terminal_shows_the_first_preset_within_100_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal.console, "_width", 100)
    study_tables.reranking_tables(drawn.exhibit())
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    assert shown.count("Ceiling of BM25") == 2
    assert shown.startswith("Lion against AdamW, MiniLM: not resolved on 300 queries")
    assert not [line for line in shown.splitlines() if re.match(r" *(passages|weights)\b", line)], "no label is folded"


def test_without_an_exhibit_there_is_no_section() -> None:
    assert 'id="reranking"' not in page_with(None)
