from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import vl_convert

from strop.evaluation.comparison import UNRESOLVED
from strop.records import formats
from strop.records.errors import InputError
from strop.records.plain import from_plain, to_plain
from strop.records.record import Record
from strop.records.results import Exhibits, Results
from strop.report.charts import histogram
from strop.report.document import VEGA_LITE
from strop.report.page import page, render
from strop.report.summary import Summary, summarise

from . import synthetic
from .html_reader import HOSTILE, SHOWN, Reader, rows_of, without_scripts


@pytest.fixture(scope="module")
def results() -> Results[Record]:
    return synthetic.results(queries=60)


@pytest.fixture(scope="module")
def summary(results: Results[Record]) -> Summary:
    return summarise(results)


@pytest.fixture(scope="module")
def html(results: Results[Record]) -> str:
    return page(results)


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    return Reader(html)


def test_a_results_folder_becomes_one_file(tmp_path: Path) -> None:
    folder = synthetic.folder(tmp_path / "results", queries=20)
    written = render(folder, tmp_path / "out" / "report.html")
    assert written == tmp_path / "out" / "report.html"
    assert [p.name for p in written.parent.iterdir()] == ["report.html"]
    assert written.stat().st_size < 3_000_000


def test_a_folder_without_results_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished results"):
        render(tmp_path, tmp_path / "report.html")


def test_nothing_is_fetched_and_only_our_own_scripts_may_run(html: str, read: Reader) -> None:
    for tag, attrs in read.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "form")
        assert not attrs.keys() & {"src", "srcset", "action", "onload", "onerror", "onclick"}
        assert (attrs.get("href") or "#").startswith("#")
    assert "url(" not in without_scripts(html)
    assert "@import" not in without_scripts(html)
    policy = next(a["content"] or "" for t, a in read.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    runs = [text for attrs, text in read.scripts if attrs.get("type") != "application/json"]
    hashes = ["sha256-" + base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in runs]
    assert re.findall(r"'(sha256-[^']+)'", policy) == hashes


def test_all_charts_share_one_copy_of_vega_and_each_place_has_its_specification(html: str, read: Reader) -> None:
    specs = read.json("chart-specs")
    places = [a["data-chart"] for _, a in read.tags if "data-chart" in a]
    assert sorted(specs) == sorted(p for p in places if p)
    assert len(specs) > 10
    assert len(html) - len(max((s for _, s in read.scripts), key=len)) < 800_000
    for spec in specs.values():
        assert "http" not in json.dumps(spec)
        assert len(spec["description"]) > 20
        assert spec["description"].split(":")[0] in without_scripts(html).replace("&#39;", "'")


def test_vega_draws_every_chart(read: Reader) -> None:
    for name, spec in read.json("chart-specs").items():
        sized = spec | {"width": 400, "config": read.json("chart-config")}
        drawn = vl_convert.vegalite_to_svg(sized, VEGA_LITE)
        assert drawn.count("<path") > 4, name
        assert "NaN" not in drawn, name


def test_bins_of_unequal_width_get_names_and_equal_ones_a_true_axis() -> None:
    equal = histogram([(51, 60, 3), (61, 70, 2), (71, 80, 1)], "rank", "negatives")
    assert equal["encoding"]["x"]["scale"]["domain"] == [51, 81]
    unequal = histogram([(51, 60, 3), (61, 70, 2), (71, 200, 1)], "rank", "negatives")
    assert unequal["encoding"]["x"]["type"] == "nominal"


def test_equal_results_give_equal_bytes(html: str, results: Results[Record]) -> None:
    assert page(synthetic.results(queries=60)) == html


def test_the_systems_table_prints_what_the_summary_holds(summary: Summary, read: Reader) -> None:
    for panel in summary.panels:
        for cell in summary.column(panel) if panel in summary.shown() else ():
            wanted = [formats.fixed(cell.mean), formats.interval(cell.low, cell.high)]
            if (d := cell.difference) is not None:
                assert d.minimum_detectable_difference is not None
                wanted += [
                    formats.signed(d.difference),
                    formats.interval(d.low, d.high, signs=True),
                    formats.p_value(d.p_corrected),
                    f"{d.won} / {d.tied} / {d.lost}",
                    formats.fixed(d.minimum_detectable_difference),
                ]
            rows = [" ".join(" ".join(r).split()) for r in read.rows if r and r[0] == cell.label]
            assert any(all(text in row for text in wanted) for row in rows), (panel, cell.system)


def test_the_papers_figures_stand_beside_ours(read: Reader) -> None:
    row = next(r for r in read.rows if r and r[0] == "LoRA, hard negatives" and "0.2050" in r)
    assert row[-2:] == ["0.2050", "−32.3\u202f%"]


def test_what_a_budget_left_out_is_said_at_the_top(html: str) -> None:
    verdict = html[html.index('id="verdict"') : html.index('id="systems"')]
    assert "Not finished" in verdict
    assert "one_knob/short, seed 0; one_knob/all, seed 0" in verdict


def test_the_study_s_parts_come_in_order_and_each_point_opens(html: str, read: Reader) -> None:
    shown = re.findall(r'<section id="(\w+)"', html)
    assert shown[:7] == ["verdict", "systems", "printed", "knobs", "claims", "points", "training"]
    points = html[html.index('id="points"') : html.index('id="training"')]
    assert points.count("<details") == 5
    assert ["query, value", "147,456", "0.649 %"] in read.rows
    assert "tests/test_sampler.py" in points


def test_knobs_are_drawn_in_colour_where_they_are_resolved(read: Reader, summary: Summary) -> None:
    spec = read.json("chart-specs")["knobs-one_knob-lora_hard"]
    shown = [row for row in rows_of(spec) if "knob" in row]
    assert [row["difference"] for row in shown] == sorted((row["difference"] for row in shown), reverse=True)
    assert shown[0]["name"] == "T5  loss on normalised vectors"
    assert shown[0]["share"].startswith("wins back ")
    assert {row["verdict"] for row in shown} >= {"better", "not resolved"}


def test_a_null_is_called_a_null(summary: Summary, html: str) -> None:
    null = next(c for c in summary.headline() if c.system == "full_random")
    assert null.difference is not None
    assert null.difference.verdict == UNRESOLVED
    text = without_scripts(html)
    assert "cannot be told from it" in text
    assert (
        f"The minimum detectable difference is {formats.fixed(null.difference.minimum_detectable_difference)}" in text
    )
    needed = null.difference.queries_needed(null.difference.difference)
    assert f"would need {formats.count(needed)} queries" in text


def test_the_parameter_ledger_sets_the_true_count_beside_the_printed_one(read: Reader) -> None:
    row = next(r for r in read.rows if r[0] == "LoRA, hard negatives" and "884,736" in r)
    assert row[1:5] == ["22,713,216", "147,456", "0.649\u202f%", "884,736"]


def test_hostile_text_stays_text_wherever_it_comes_from() -> None:
    plain = synthetic.results(queries=12)
    record = to_plain(plain.record)
    record["systems"]["lora_hard"]["label"] = HOSTILE
    record["trained"]["corrected"]["lora_hard"]["values"] = {HOSTILE: HOSTILE}
    record["contrasts"][0]["label"] = record["contrasts"][0]["point"] = HOSTILE
    record["unfinished"] = [HOSTILE]
    record |= {"title": HOSTILE, "command": HOSTILE, "commands": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}}
    record["stages"] = [{"name": HOSTILE, "key": HOSTILE, "wall_seconds": 1.0}]
    exhibits = to_plain(plain.exhibits)
    for query in exhibits["queries"].values():
        query["text"] = HOSTILE
    exhibits["audit"] |= {"readings": [HOSTILE], "warnings": [HOSTILE], "collection": HOSTILE}
    exhibits["parameters"][0] |= {"note": HOSTILE, "by_part": {HOSTILE: 1}}
    exhibits["negatives"] = {HOSTILE: exhibits["negatives"]["drawn"]}
    exhibits["points"][0] |= {"sentence": HOSTILE, "id": HOSTILE, "test": HOSTILE}
    exhibits["points"][1]["tables"][0]["rows"] = [[HOSTILE] * 3]
    rows = tuple(replace(r, system=HOSTILE) if r.system == "bm25" else r for r in plain.rows)
    claims = json.loads(json.dumps(plain.claims))
    claims[0]["claim"]["statement"] = claims[0]["note"] = claims[0]["rerun"] = HOSTILE
    html = page(Results(rows, tuple(claims), from_plain(Exhibits, exhibits, ""), from_plain(Record, record, "")))
    read = Reader(html)
    assert "<script>alert" not in html
    assert "<img" not in without_scripts(html)
    assert not [t for t, _ in read.tags if t == "img"]
    assert len(read.scripts) == 4
    specs = read.json("chart-specs")
    assert f"negatives-{SHOWN}" in specs
    assert any(row["query"].startswith(HOSTILE[:30]) for row in rows_of(specs["changes-in_batch"]))


@pytest.mark.parametrize(
    ("exhibit", "heading"),
    [
        ("queries", "Query by query"),
        ("parameters", "Parameters"),
        ("negatives", "Negatives"),
        ("points", "Open questions"),
        ("projection", "Pictures of the vectors"),
        ("audit", "Audit of the data"),
    ],
)
def test_a_missing_exhibit_leaves_its_section_out(exhibit: str, heading: str, html: str) -> None:
    assert f">{heading}</h2>" in html
    results = synthetic.results(queries=6)
    exhibits = replace(results.exhibits, **{exhibit: getattr(Exhibits(), exhibit)})
    without = page(replace(results, exhibits=exhibits))
    assert f">{heading}</h2>" not in without
    assert without_scripts(without).count("<h2") == without_scripts(html).count("<h2") - 1
    assert re.findall(r'href="#(\w+)"', without) == re.findall(r'<section id="(\w+)"', without)


def test_results_with_next_to_nothing_in_them_still_make_a_page(results: Results[Record]) -> None:
    rows = tuple(r for r in results.rows if r.system in ("base", "bm25") and r.measure == "RR@10")
    html = page(Results(rows, (), Exhibits(), Record("")))
    assert re.findall(r'<section id="(\w+)"', html) == ["verdict", "systems", "provenance"]
    assert re.findall(r'<section id="(\w+)"', page(Results((), (), Exhibits(), Record("")))) == [
        "verdict",
        "provenance",
    ]


def test_every_table_has_a_caption_and_every_header_a_scope(html: str, read: Reader) -> None:
    bare = without_scripts(html)
    assert bare.count("<table") == bare.count("<caption>") > 10
    assert all(attrs.get("scope") in ("col", "row", "colgroup", "rowgroup") for tag, attrs in read.tags if tag == "th")
    levels = [int(tag[1]) for tag, _ in read.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1


def test_rendering_never_loads_torch(tmp_path: Path) -> None:
    folder = synthetic.folder(tmp_path / "results", queries=8)
    code = (
        "import sys; from pathlib import Path; from strop.report.page import render; "
        f"render(Path({str(folder)!r}), Path({str(tmp_path / 'r.html')!r})); "
        "print([m for m in ('torch', 'transformers', 'ir_measures', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
