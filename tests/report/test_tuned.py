from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import vl_convert

from strop.records import formats
from strop.records.plain import to_plain
from strop.records.results import Exhibits, Results, read_json, write_json, write_results
from strop.records.tuned import Evidence, Tried, TuneRecord
from strop.report import tuned
from strop.report.document import VEGA_LITE
from strop.report.page import render
from strop.report.tuned import evidence_figure, tuned_page
from strop.report.tuned_charts import CERTIFIED, LOSS, OPEN, outcome

from . import synthetic_tuned as drawn
from .html_reader import HOSTILE, SHOWN, Reader, rows_of, without_scripts


@pytest.fixture(scope="module")
def html() -> str:
    return tuned_page(drawn.record())


@pytest.fixture(scope="module")
def read(html: str) -> Reader:
    return Reader(html)


def sections(html: str) -> list[str]:
    return re.findall(r'<section id="(\w+)"', html)


def row(read: Reader, *starts: str) -> list[str]:
    """The first that begins so; what follows the table is cut off its last cell."""
    found = next(r for r in read.rows if tuple(r[: len(starts)]) == starts)
    return [*found[:-1], found[-1].split("\n")[0]]


@pytest.mark.parametrize(("decision", "tone"), [("SHIP", "good"), ("HOLD", "open"), ("TRADE", "bad")])
def test_the_page_opens_with_the_decision_its_sentence_and_its_reasons(decision: str, tone: str) -> None:
    record = drawn.record(decision)  # type: ignore[arg-type]
    html = tuned_page(record)
    top = html[html.index("<main>") : html.index('id="evidence"')]
    places = [top.index(f'<span class="badge {tone}">{decision}</span>'), top.index(record.verdict)]
    places += [top.index(reason) for reason in record.reasons] + [top.index("<dt>Measure</dt><dd>nDCG@10</dd>")]
    assert places == sorted(places)


def test_what_the_verdict_rests_on_is_one_line(read: Reader, html: str) -> None:
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", html))
    assert facts == {
        "Measure": "nDCG@10",
        "Base": "BAAI/bge-small-en-v1.5",
        "Collection": "helpdesk",
        "Margin": "0.015",
        "Alpha": "0.0125, one-sided",
        "Test split": "2nd look",
        "Precision": "bf16",
    }
    assert "With 98.75\u202f% confidence" in html


def test_looks_are_counted_as_english_counts_them() -> None:
    assert [tuned.ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 112)] == [
        "1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "112th",
    ]  # fmt: skip


def test_the_table_of_the_evidence_prints_what_the_record_holds(read: Reader) -> None:
    assert row(read, "Guard arguana/test") == [
        "Guard arguana/test", "1,406", "0.613", "0.609", "−0.004[−0.012, +0.004]", "−0.0107", "> −0.0150", "certified",
        "468 / 657 / 281", "0.010",
    ]  # fmt: skip
    record = drawn.record()
    named = zip(
        ("In domain, all queries", "In domain, known answers", "In domain, new answers"), record.gain, strict=True
    )
    for name, of in [*named, ("256 dimensions", record.truncated["256"])]:
        assert row(read, name)[1:7] == [
            formats.count(of.queries), formats.fixed(of.base), formats.fixed(of.tuned),
            f"{formats.signed(of.difference)}{formats.interval(of.low, of.high, signs=True)}",
            formats.signed(of.bound, 4), "> 0",
        ]  # fmt: skip


def test_only_an_interval_wholly_below_what_was_needed_is_a_proven_loss() -> None:
    assert outcome(drawn.guard("a", -0.002, 0.012, 100)) == CERTIFIED
    assert outcome(drawn.guard("a", -0.011, 0.012, 100)) == OPEN
    assert outcome(drawn.guard("a", -0.026, 0.012, 100)) == OPEN  # below zero, but perhaps within the margin
    assert outcome(drawn.guard("a", -0.028, 0.012, 100)) == LOSS


def test_the_picture_shades_the_margin_under_guards_alone_and_draws_every_bound() -> None:
    read = Reader(tuned_page(drawn.record("TRADE")))
    spec = read.json("chart-specs")["evidence"]
    rows = [r for r in rows_of(spec) if "bound" in r]
    assert [(r["name"], r["threshold"]) for r in rows] == [
        ("all queries", 0), ("known answers", 0), ("new answers", 0),
        ("scifact/test", -0.015), ("arguana/test", -0.015), ("fiqa/test", -0.015),
    ]  # fmt: skip
    assert [r["bound"] for r in rows] == [0.0295, 0.0485, 0.01417, -0.0085, -0.044, -0.00867]
    assert rows[4]["says"] == "−0.034 proven loss"
    assert [r["line"] for r in rows] == sorted(r["line"] for r in rows)


def test_both_ends_of_the_path_share_one_scale_and_start_at_the_base(read: Reader) -> None:
    specs = read.json("chart-specs")
    ends = [specs["path-last"], specs["path-average"]]
    lines = [layer for spec in ends for layer in spec["layer"] if layer["mark"]["type"] == "line"]
    first, second = (layer["encoding"]["y"]["scale"]["domain"] for layer in lines)
    assert first == second == [-0.034, 0.052]
    for spec in ends:
        starts = {r["line"]: r["value"] for r in rows_of(spec) if r.get("share") == 0}
        assert starts == dict.fromkeys(("gain", *drawn.GUARDS), 0)
    assert [r["share"] for r in rows_of(ends[1]) if r.get("word") == "chosen"] == [0.7]


def test_a_point_of_the_path_that_is_not_allowed_is_hollow_and_says_why(read: Reader) -> None:
    spec = read.json("chart-specs")["path-last"]
    hollow = [layer for layer in spec["layer"] if layer["mark"].get("fill") == "var(--paper)"]
    drawn_there = {r["share"] for layer in hollow for r in spec["datasets"][layer["data"]["name"]]}
    assert drawn_there == {0.75, 1.0}
    assert row(read, "last", "0.75")[2:] == [
        "+0.045", "−0.007", "−0.022", "−0.003", "68.5\u202f%", "–", "no", "arguana loses more than the margin"
    ]  # fmt: skip
    assert row(read, "average", "0.70")[-2:] == ["chosen", "the largest gain of those allowed"]


def test_each_round_lists_its_trainings_from_the_best_with_what_became_of_them(read: Reader, html: str) -> None:
    assert "Round 1: 4 trained, 2 kept" in html
    assert "Round 2: 2 trained, 1 kept" in html
    assert "412 dev queries over 21,500 documents" in html
    assert "The same for all: loss in-batch, τ 0.05, batch 256." in html
    names = [r[0] for r in read.rows if r and r[0] in {t.name for t in drawn.tried()}]
    assert names == [
        "full, hard negatives", "LoRA 16, hard negatives", "full, random negatives", "adapter, hard negatives",
        "full, hard negatives", "LoRA 16, hard negatives",
    ]  # fmt: skip
    assert row(read, "adapter, hard negatives") == [
        "adapter, hard negatives", "method adapter, rate 0.001, negatives mined, ranks 31–100", "2,000", "63", "44.0 s",
        "+0.009", "−0.007arguana", "+0.005", "droppedranked below the better half",
    ]  # fmt: skip


def test_settings_of_a_single_training_are_stated_once_above_it() -> None:
    (only,) = [t for t in drawn.tried() if t.round == 1][:1]
    page = tuned_page(replace(drawn.record(), tried=(only,), path=()))
    assert "The same for all: loss in-batch" in page
    assert row(Reader(page), only.name)[1] == "–"


def test_dev_is_explained_where_it_is_first_used() -> None:
    phrase = "Dev queries were set aside"
    record = drawn.record()
    for html in (tuned_page(record), tuned_page(replace(record, path=()))):
        assert html.count(phrase) == 1
    assert phrase not in tuned_page(drawn.bare())


def test_queries_show_their_text_values_and_ranks(read: Reader, html: str) -> None:
    question = "How do I reset the second factor of a shared mailbox when its owner has left? q7 · new answers"
    assert row(read, question)[1:] == ["0.000 → 1.000", ">100 → 1"]
    assert [question, "1.000 → 0.000", "1 → >100"] in read.rows
    cut = next(r[0] for r in read.rows if r and r[0].startswith("Why does the VPN"))
    assert "…" in cut
    assert cut.endswith("q207 · new answers")


def test_the_cost_is_set_against_the_budget(read: Reader, html: str) -> None:
    assert "Tuning took 38 min 12 s of a budget of 1 h 00 min, 64\u202f%." in html
    assert row(read, "Train") == ["Train", "20 min 10 s", "53\u202f%"]
    assert row(read, "All") == ["All", "38 min 12 s", "100\u202f%"]
    unlimited = tuned_page(replace(drawn.record(), budget_seconds=0.0))
    assert "Tuning took 38 min 12 s." in unlimited


def test_warnings_are_announced_at_the_top_and_spelt_out_below(html: str) -> None:
    record = drawn.record()
    assert '<a href="#audit">One warning about the data</a>' in html
    assert all(text in html[html.index('id="audit"') :] for text in (*record.audit, *record.warnings, record.command))
    assert "2 warnings about the data" in tuned_page(replace(record, warnings=("a", "b")))


def test_a_hold_before_any_training_has_the_verdict_the_audit_and_its_command_alone() -> None:
    html = tuned_page(drawn.bare())
    assert sections(html) == ["verdict", "audit", "provenance"] == re.findall(r'href="#(\w+)"', html)
    assert "<dt>Test split</dt><dd>not opened</dd>" in html
    assert Reader(html).json("chart-specs") == {}


@pytest.mark.parametrize(
    ("empty", "section"),
    [
        ({"gain": (), "guards": ()}, "evidence"),
        ({"path": ()}, "path"),
        ({"tried": ()}, "tried"),
        ({"won": (), "lost": ()}, "queries"),
        ({"seconds": {}, "costs": (), "truncated": {}}, "cost"),
        ({"audit": (), "warnings": ()}, "audit"),
        ({"command": "", "versions": {}}, "provenance"),
    ],
)
def test_a_section_without_content_is_left_out(html: str, empty: dict[str, object], section: str) -> None:
    without = tuned_page(replace(drawn.record(), **empty))  # type: ignore[arg-type]
    assert [name for name in sections(html) if name not in sections(without)] == [section]
    assert len(sections(without)) == len(sections(html)) - 1


def test_a_record_without_guards_shades_and_asks_for_nothing() -> None:
    record = drawn.record()
    path = tuple(replace(point, guards={}, overlap=None) for point in record.path)
    tried = tuple(replace(t, guards={}) for t in record.tried)
    read = Reader(html := tuned_page(replace(record, guards=(), path=path, tried=tried)))
    assert "Shaded" not in html
    specs = read.json("chart-specs")
    assert "the margin of guards" not in json.dumps(specs)
    assert not [r for r in rows_of(specs["evidence"]) if r.get("threshold")]
    assert row(read, "last", "0.25")[2:] == ["+0.019", "–", "–", "yes", ""]
    for spec in specs.values():
        assert "NaN" not in vl_convert.vegalite_to_svg(spec | {"width": 300}, VEGA_LITE)


def test_a_point_of_an_earlier_training_is_named_in_the_table_and_not_drawn() -> None:
    record = drawn.record()
    early = replace(record.path[0], share=0.5, training=0, chosen=True)
    path = (early, *(replace(point, chosen=False) for point in record.path))
    read = Reader(html := tuned_page(replace(record, path=path)))
    name = f"{record.tried[0].name}, round {record.tried[0].round}"
    assert row(read, name)[1] == "0.50"
    assert f"share 0.50 towards the last update of an earlier training ({name})" in html
    drawn_there = {r["share"] for r in rows_of(read.json("chart-specs")["path-last"]) if r.get("state") == "chosen"}
    assert drawn_there == set()


def test_a_path_without_a_chosen_point_says_so() -> None:
    record = drawn.record("HOLD")
    html = tuned_page(replace(record, path=tuple(replace(point, chosen=False) for point in record.path)))
    assert "No point was chosen." in html
    assert "Chosen: share" not in html


@pytest.mark.parametrize("width", [300, 1100])
def test_vega_draws_every_chart(read: Reader, width: int) -> None:
    specs = read.json("chart-specs")
    assert sorted(specs) == ["evidence", "path-average", "path-last"]
    for name, spec in specs.items():
        sized = spec | {"width": width, "config": read.json("chart-config")}
        svg = vl_convert.vegalite_to_svg(sized, VEGA_LITE)
        assert svg.count("<path") > 4, name
        assert "NaN" not in svg, name
        assert len(spec["description"]) > 20


def test_nothing_is_fetched(html: str, read: Reader) -> None:
    for tag, attrs in read.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base", "form")
        assert not attrs.keys() & {"src", "srcset", "action", "onload", "onerror", "onclick"}
        assert (attrs.get("href") or "#").startswith("#")
    bare = without_scripts(html)
    assert not [word for word in ("http:", "https:", "url(", "@import") if word in bare]
    assert "http" not in json.dumps(read.json("chart-specs"))


def test_every_table_has_a_caption_and_every_header_a_scope(html: str, read: Reader) -> None:
    bare = without_scripts(html)
    assert bare.count("<table") == bare.count("<caption>") == 9
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in read.tags if tag == "th")


def test_hostile_text_stays_text_wherever_it_comes_from() -> None:
    def hostile(of: Evidence) -> Evidence:
        return replace(of, collection=HOSTILE, split=HOSTILE)

    def tried(of: Tried) -> Tried:
        return replace(of, name=HOSTILE, settings={HOSTILE: HOSTILE}, guards={HOSTILE: -0.1}, reason=HOSTILE)

    plain = drawn.record()
    record = TuneRecord(
        title=HOSTILE, command=HOSTILE, decision="SHIP", verdict=HOSTILE, reasons=(HOSTILE,), base=HOSTILE,
        collection=HOSTILE, measure=HOSTILE, margin=0.01, alpha=0.05, look=1, precision=HOSTILE, audit=(HOSTILE,),
        warnings=(HOSTILE,), gain=plain.gain, guards=tuple(map(hostile, plain.guards)),
        truncated={HOSTILE: plain.gain[0]}, tried=tuple(map(tried, plain.tried)),
        path=tuple(replace(point, guards={HOSTILE: -0.01}, reason=HOSTILE) for point in plain.path),
        won=tuple(replace(q, text=HOSTILE, query_id=HOSTILE) for q in plain.won), seconds={HOSTILE: 1.0},
        costs=(HOSTILE,), versions={HOSTILE: HOSTILE},
    )  # fmt: skip
    html = tuned_page(record)
    read = Reader(html)
    assert "<script>alert" not in html
    assert "<img" not in without_scripts(html)
    assert not [t for t, _ in read.tags if t == "img"]
    assert len(read.scripts) == 4
    assert SHOWN in {r.get("line") for r in rows_of(read.json("chart-specs")["path-last"])}


def test_equal_records_give_equal_bytes_also_through_a_file(html: str, tmp_path: Path) -> None:
    assert tuned_page(drawn.record()) == html
    write_json(to_plain(drawn.record()), tmp_path / "record.json")
    assert tuned_page(read_json(TuneRecord, tmp_path / "record.json")) == html


def test_a_results_folder_of_a_tuning_run_is_rendered_as_its_page(html: str, tmp_path: Path) -> None:
    write_results(Results((), (), Exhibits(), drawn.record()), tmp_path / "results")
    written = render(tmp_path / "results", tmp_path / "out" / "page.html")
    assert written.read_text(encoding="utf-8") == html


def test_the_page_loads_no_torch(tmp_path: Path) -> None:
    write_json(to_plain(drawn.record()), tmp_path / "record.json")
    code = (
        "import sys; from pathlib import Path; from strop.records.results import read_json; "
        "from strop.records.tuned import TuneRecord; from strop.report.tuned import tuned_page; "
        f"tuned_page(read_json(TuneRecord, Path({str(tmp_path / 'record.json')!r}))); "
        "print([m for m in ('torch', 'transformers', 'ir_measures', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr


def test_without_guards_no_layer_is_empty_and_every_bound_is_in_the_picture() -> None:
    record = replace(drawn.record(), guards=())
    figure = evidence_figure(record)
    assert figure is not None
    layers = figure.spec["layer"]
    assert not any("transform" in layer for layer in layers), "Vega draws nothing at all where a filter leaves nothing"
    low, _ = next(layer["encoding"]["x"]["scale"]["domain"] for layer in layers if "scale" in layer["encoding"]["x"])
    assert low <= min(e.bound for e in record.gain)
    with_guards = evidence_figure(drawn.record())
    assert with_guards is not None
    assert any("transform" in layer for layer in with_guards.spec["layer"])
