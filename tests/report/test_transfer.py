from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import vl_convert

from strop.records.exhibits.transfer import EvaluatedCollection, MacroInterval, Similarity, SystemMeans, Transfer
from strop.records.plain import from_plain, to_plain
from strop.records.record import Record, SystemAbout
from strop.records.results import Exhibits
from strop.report import charts
from strop.report.differences import marked
from strop.report.document import VEGA_LITE
from strop.report.page import page
from strop.report.transfer import Section, section
from strop.report.transfer_pairs import pair_name, pairs
from strop.report.transfer_tables import quadrant

from . import synthetic
from . import synthetic_transfer as drawn
from .html_reader import HOSTILE, SHOWN, Reader, rows_of, without_scripts

PLAIN = Record("s")


@pytest.fixture(scope="module")
def made() -> Section:
    return section(drawn.exhibit(), drawn.record())


def page_with(exhibit: Transfer | None, record: Record | None = None) -> str:
    plain = synthetic.results(queries=6)
    record = record or drawn.record()
    return page(
        replace(
            plain,
            rows=tuple(r for r in plain.rows if r.preset == "corrected" and r.system in ("base", "bm25")),
            claims=(),
            exhibits=Exhibits(transfer=exhibit),
            record=replace(record, primary_measure="RR@10"),
        )
    )


@pytest.fixture(scope="module")
def html() -> str:
    return page_with(drawn.exhibit())


def of(*rows: tuple[str, str, str, float, dict[str, float]]) -> Transfer:
    """An exhibit of (kind, a, b, b's value everywhere, {collection: what a adds}) as one preset."""
    compared = [
        drawn.comparison(
            "corrected", kind, a, b, {n: base + add for n, add in added.items()}, dict.fromkeys(added, base)
        )
        for kind, a, b, base, added in rows
    ]
    means = {a: {n: base + add for n, add in added.items()} for _, a, _, base, added in rows}
    means |= {b: dict.fromkeys(added, base) for _, _, b, base, added in rows}
    names = list(rows[0][-1])
    return Transfer(
        trained_on=drawn.OWN,
        measure="nDCG@10",
        collections=tuple(EvaluatedCollection(n, 100, 1000, n == drawn.OWN, "") for n in names),
        similarity=Similarity(),
        systems=tuple(SystemMeans("corrected", s, s, 1, m) for s, m in means.items()),
        comparisons=tuple(compared),
    )


def test_one_sentence_says_who_gains_who_loses_and_who_cannot_be_told() -> None:
    added = {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": 0.07}
    exhibit = of(
        ("tuned", "up", "base", 0.5, added),
        ("tuned", "down", "base", 0.5, {n: -v for n, v in added.items()}),
        ("tuned", "same", "base", 0.5, dict.fromkeys(added, 0.001)),
    )
    found = section(exhibit, PLAIN)
    assert found.lead == (
        "Trained on docstrings and tested on 2 others: out of domain, against what it was tuned from, of 3 tuned "
        "systems 1 gains (up +0.060), 1 loses (down −0.060) and 1 cannot be told from it."
    )


def test_a_difference_is_resolved_by_interval_and_p_together() -> None:
    exhibit = of(("tuned", "up", "base", 0.5, {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": 0.07}))
    (row,) = exhibit.comparisons
    exhibit = replace(exhibit, comparisons=(replace(row, elsewhere=replace(row.elsewhere, p=0.06)),))
    found = section(exhibit, PLAIN)
    assert found.lead.endswith("the one tuned system, up, cannot be told from it.")
    (pair,) = pairs(exhibit, PLAIN)
    assert (marked(pair.in_domain), marked(pair.out_of_domain)) == ("▲ +0.100", "+0.060")
    assert quadrant(pair) == "gains in domain, open out of domain"


def test_each_collection_s_p_is_corrected_over_the_pairs_of_its_kind_there() -> None:
    added = {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": 0.07}
    exhibit = of(*(("tuned", name, "base", 0.5, added) for name in "abc"), ("claim", "a", "b", 0.5, added))
    rows = tuple(
        replace(row, each={**row.each, "fiqa": replace(row.each["fiqa"], p=p)})
        for row, p in zip(exhibit.comparisons, (0.03, 0.01, 0.04, 0.03), strict=True)
    )
    exhibit = replace(exhibit, comparisons=rows)
    corrected = {(p.row.kind, p.row.a): p.each["fiqa"].p for p in pairs(exhibit, PLAIN)}
    assert [corrected["tuned", name] for name in "abc"] == pytest.approx([0.06, 0.03, 0.06])
    assert corrected["claim", "a"] == pytest.approx(0.03)


def test_the_grid_has_its_own_collection_first_and_the_mean_of_the_others_next(made: Section) -> None:
    grid = made.grid
    assert grid.names == (drawn.OWN, *drawn.OTHERS)
    assert [name for name, _ in grid.groups] == ["corrected", "as coded"]
    rows = {label: scores for label, _, scores in grid.groups[0][1]}
    untouched = rows["base, symmetric"]
    others = [drawn.COLLECTIONS[n][-1] for n in drawn.OTHERS]
    assert [s.value for s in untouched] == [
        "0.710",
        f"{sum(others) / len(others):.3f}",
        *(f"{v:.3f}" for v in others),
    ]
    assert {s.change for s in untouched} == {""}
    tuned = rows["full, symmetric, hard"]
    assert all(re.fullmatch(r"([▲▼] )?[+−]0\.\d{3}", s.change) for s in tuned)
    about = dict(grid.about)
    assert about["Queries"] == ("150", "–", "150", "150", "50", "150", "150")
    assert about["Seen by the base"][-1] == "duplicate questions"
    assert about["Similarity to docstrings"][:3] == ("–", "–", "different, distance 0.210")


def test_equally_good_systems_are_all_the_best_of_their_column() -> None:
    added = {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": 0.07}
    exhibit = of(("tuned", "x", "base", 0.5, added), ("tuned", "y", "base", 0.5, {**added, "fiqa": 0.0702}))
    found = section(exhibit, PLAIN)
    best = {label: [s.best for s in scores] for label, _, scores in found.grid.groups[0][1]}
    assert best == {"x": [True] * 4, "y": [True] * 4, "base": [False] * 4}


def test_a_table_of_pairs_has_both_intervals_and_both_relative_differences_in_both_ways() -> None:
    exhibit = of(("claim", "x", "y", 0.5, {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": -0.1}))
    (row,) = exhibit.comparisons
    wide = replace(row.elsewhere, general=MacroInterval(-0.2, 0.15, 0.1))
    exhibit = replace(exhibit, comparisons=(replace(row, elsewhere=wide),))
    labels = {"x": SystemAbout("LoRA, late"), "y": SystemAbout("full, late")}
    found = section(exhibit, replace(PLAIN, systems=labels))
    assert found.lead.endswith("nothing tuned was compared with its start.")
    (row,) = found.presets[0].forests[0][1].rows
    assert row[:3] == ("LoRA against full, late", "0.475", "0.500")
    assert row[3].startswith("▼ −0.025\n[−0.037, ")
    assert (row[4], row[6]) == ("[−0.200, +0.150]", "1 / 0 / 1")
    # scifact: .05/.5 and .05/.55; fiqa: -.1/.5 and -.1/.4; of the means: -.025/.5 and -.025/.475
    said = [cell.replace("\u202f", "") for cell in row[7:9]]
    assert said == ["−5.0% of b\n−5.3% of a", "−5.0% of b\n−8.0% of a"]


def test_a_knob_stands_against_its_centre_after_the_tuned_systems() -> None:
    added = {drawn.OWN: 0.1, "scifact": 0.05, "fiqa": 0.07}
    found = section(of(("knob", "rank 7", "centre", 0.5, added), ("tuned", "centre", "base", 0.5, added)), PLAIN)
    titles = [f.title for f, _ in found.presets[0].forests]
    assert titles == [
        "Tuned systems, from their start",
        "One change at a time",
    ]
    table = found.presets[0].forests[1][1]
    assert (table.columns[:2], table.rows[0][:2]) == (("System", "Against"), ("rank 7", "centre"))


def test_one_other_collection_has_no_interval_in_general_and_one_seed_is_said() -> None:
    found = section(of(("tuned", "x", "base", 0.5, {drawn.OWN: 0.1, "fiqa": 0.05})), PLAIN)
    figure, table = found.presets[0].forests[0]
    assert table.rows[0][5] == "–"
    assert "Thin" not in figure.caption
    assert "One seed each" in figure.caption
    assert found.presets[0].similarity is None
    assert "Trained on docstrings and tested on 1 other:" in found.lead
    wide = [row for row in rows_of(figure.spec) if "pair" in row]
    assert len(wide) == 1


def test_similarity_stands_beside_each_system_s_change_nearest_first(made: Section) -> None:
    table = made.presets[0].similarity
    assert table is not None
    assert [row[0] for row in table.rows[:2]] == ["cqadupstack/programmers", "fiqa"]
    assert table.rows[0][1:3] == ("5 of 5\nsimilar", "0.050\n± 0.010")
    assert [row[0] for row in table.rows[-2:]] == ["Mean of the 2 similar", "Mean of the 3 different"]
    changes = [float(row[3].lstrip("▲▼ ").replace("−", "-")) for row in table.rows]
    assert changes[5] == pytest.approx((changes[0] + changes[2]) / 2, abs=0.001)


@pytest.mark.parametrize(
    ("a", "b", "name"),
    [
        ("LoRA, symmetric, hard", "full, symmetric, hard", "LoRA against full, symmetric, hard"),
        ("LoRA, symmetric", "BM25", "LoRA, symmetric against BM25"),
        ("LoRA, late", "full, symmetric", "LoRA, late against full, symmetric"),
    ],
)
def test_a_pair_is_named_by_what_differs(a: str, b: str, name: str) -> None:
    assert pair_name(a, b) == name


def test_vega_draws_every_chart_with_its_numbers(made: Section) -> None:
    first = made.presets[0]
    figures = {figure.name: figure for figure, _ in (*first.forests, first.scatter or first.forests[0])}
    for name in ("transfer-corrected-claim", "transfer-corrected-scatter"):
        spec = figures[name].spec
        svg = vl_convert.vegalite_to_svg(spec | {"width": 400, "config": charts.CONFIG}, VEGA_LITE)
        assert "NaN" not in svg, name
        assert ("gains in domain," in svg) == name.endswith("scatter")
    tuned = [row for row in rows_of(figures["transfer-corrected-tuned"].spec) if "pair" in row]
    gains = [row["difference"] for row in tuned[:12]]
    assert gains == sorted(gains, reverse=True)


def test_the_page_shows_it_after_the_systems_with_each_chart_in_its_place(html: str) -> None:
    read = Reader(html)
    assert re.findall(r'<section id="(\w+)"', html)[:3] == ["verdict", "systems", "transfer"]
    assert re.findall(r'href="#(\w+)"', html) == re.findall(r'<section id="(\w+)"', html)
    places = [a["data-chart"] for _, a in read.tags if "data-chart" in a]
    assert sorted(read.json("chart-specs")) == sorted(p for p in places if p)
    assert all(a.get("scope") in ("col", "row", "colgroup", "rowgroup") for tag, a in read.tags if tag == "th")
    assert without_scripts(html).count("<table") == without_scripts(html).count("<caption>")
    part = html[html.index('id="transfer"') : html.index('id="provenance"')]
    assert part.count("<details") == 1  # the second preset
    assert page_with(drawn.exhibit()) == html


def test_hostile_names_stay_text() -> None:
    text = json.dumps(to_plain(drawn.exhibit(("corrected",)))).replace("fiqa", json.dumps(HOSTILE)[1:-1])
    exhibit = from_plain(Transfer, json.loads(text.replace("code search, in part", json.dumps(HOSTILE)[1:-1])), "drawn")
    systems = {**drawn.record().systems, "full_symmetric_hard": SystemAbout(HOSTILE)}
    html = page_with(exhibit, replace(drawn.record(), systems=systems))
    assert "<script>alert" not in html
    assert not [t for t, _ in Reader(html).tags if t == "img"]
    assert SHOWN in [
        row.get("system") for row in rows_of(Reader(html).json("chart-specs")["transfer-corrected-scatter"])
    ]


def test_without_an_exhibit_there_is_no_section() -> None:
    assert 'id="transfer"' not in page_with(None)
