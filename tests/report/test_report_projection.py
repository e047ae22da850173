from __future__ import annotations

import json
import random
import subprocess
import sys

import jinja2
import pytest
import vl_convert

from strop.records.exhibits.projection import Projection
from strop.records.plain import from_plain, to_plain
from strop.records.record import Record, SystemAbout
from strop.report import charts
from strop.report.document import VEGA_LITE, part
from strop.report.projection import POSITIVE, QUERY, Section, scatter, section

SYSTEMS = ("base", "lora_hard")
RECORD = Record("s", systems={"base": SystemAbout("Base, untouched"), "lora_hard": SystemAbout("LoRA <hard>")})
DRAWN = {("separate", False, 42), ("separate", False, 43), ("joint", True, 42)}


def exhibit() -> Projection:
    """A SYNTHETIC exhibit of 30 pairs, in the shape that the geometry room gives: every number is drawn or made up."""
    draw = random.Random(0)
    fits = (("separate", False), ("separate", True), ("joint", True))
    panels = [
        {
            "fit": fit,
            "normalised": normalised,
            "seed": seed,
            "system": system,
            "trustworthiness": round(0.9 + 0.01 * (seed - 42), 4),
            "clumping": round(draw.uniform(0.6, 0.8), 4),
            **(
                {"points": [[round(draw.gauss(0, 4), 3), round(draw.gauss(0, 4), 3)] for _ in range(60)]}
                if (fit, normalised, seed) in DRAWN
                else {}
            ),
        }
        for fit, normalised in fits
        for seed in (42, 43)
        for system in SYSTEMS
    ]
    plain = {
        "baseline": "base",
        "seeds": [42, 43],
        "pairs": 1000,
        "drawn_pairs": 30,
        "neighbours": 15,
        "min_dist": 0.1,
        "panels": panels,
        "table": [
            {
                "system": system,
                "length": [1.0 + i, 0.25 * i],
                "alignment": 0.71,
                "uniformity_queries": -3.4,
                "uniformity_positives": -3.2,
                "effective_rank_queries": 211.4,
                "effective_rank_positives": 205.2,
            }
            for i, system in enumerate(SYSTEMS)
        ],
        "overlaps": [
            {"fit": fit, "normalised": n, "system": system, "seed_overlap": 0.62, "model_overlap": 0.62 - 0.07 * i}
            for fit, n in fits
            for i, system in enumerate(SYSTEMS)
        ],
    }
    return from_plain(Projection, plain, "drawn")


@pytest.fixture(scope="module")
def made() -> Section:
    return section(exhibit(), RECORD)


def figures(made: Section) -> list[charts.Figure]:
    return [figure for _, row in made.rows for figure in row]


def html_of(made: Section | None) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(part), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.globals |= {"palette": {"base": "currentColor"}, "tone": lambda word: "", "draw": lambda f: f.name}
    return environment.get_template("projection.html").render(projection=made)


def test_each_drawn_picture_has_its_place_in_a_row_of_its_fit_and_seed(made: Section) -> None:
    assert [(title.split(",")[0], title.split(", ")[-1]) for title, _ in made.rows] == [
        ("Each model fitted alone", "seed 42"),
        ("Each model fitted alone", "seed 43"),
        ("All models in one fit", "seed 42"),
    ]
    assert [[f.title for f in row] for _, row in made.rows] == [["Base, untouched", "LoRA <hard>"]] * 3
    assert len({figure.name for figure in figures(made)}) == 6


def test_vega_draws_every_picture_with_its_trustworthiness_and_one_mark_a_text(made: Section) -> None:
    for figure in figures(made):
        name, spec = figure.name, figure.spec
        drawn = vl_convert.vegalite_to_svg(spec | {"width": 200, "config": charts.CONFIG}, VEGA_LITE)
        assert f">trustworthiness {'0.910' if '-43-' in name else '0.900'}<" in drawn
        assert drawn.count(f'fill="{QUERY}"') == drawn.count(f'fill="{POSITIVE}"') == 30
        assert "http" not in json.dumps(spec)
        assert "NaN" not in drawn


def test_the_first_half_of_the_points_are_queries() -> None:
    points = ((0.0, 1.0), (2.0, 3.0), (4.0, 5.0), (6.0, 7.0))
    spec = scatter(points, 2, 0.5, points)
    rows = [(r["x"], r["y"], r["is"]) for rows in spec["datasets"].values() for r in rows]
    assert rows == [(0, 1, "query"), (4, 5, "positive"), (2, 3, "query"), (6, 7, "positive")]


def test_models_fitted_jointly_share_a_frame_and_those_fitted_alone_do_not(made: Section) -> None:
    def frames(row: int) -> set[str]:
        encodings = [f.spec["encoding"] for f in made.rows[row][1]]
        return {json.dumps([e[axis]["scale"]["domain"] for axis in "xy"]) for e in encodings}

    assert [len(frames(row)) for row in range(3)] == [2, 2, 1]
    joint = [p for p in exhibit().panels if p.fit == "joint" and p.points]
    xs = [x for p in joint for x, _ in p.points or ()]
    assert json.loads(frames(2).pop())[0] == [round(min(xs), 2), round(max(xs), 2)]


def test_the_tables_and_the_sentence_say_what_the_exhibit_holds(made: Section) -> None:
    assert "a picture keeps 62\u202f% of its neighbourhoods (15 points each)" in made.overlaps
    assert "another model's picture keeps 55\u202f% of the base's" in made.overlaps
    pictures, vectors = made.tables
    assert len(pictures.rows) == 6
    assert pictures.rows[0][:3] == ("Base, untouched", "alone, as given", "0.900 to 0.910")
    assert [row[-2:] for row in pictures.rows[:2]] == [("62\u202f%", "–"), ("62\u202f%", "55\u202f%")]
    assert vectors.rows[1] == ("LoRA <hard>", "2.00 ± 0.25", "0.710", "−3.400", "−3.200", "211.4", "205.2")
    assert vectors.systems == SYSTEMS


def test_the_template_shows_it_all_and_escapes_every_text(made: Section) -> None:
    html = html_of(made)
    assert html.count("data-chart=") == 6
    assert html.count("<caption>") == html.count("<table") == 2
    assert "<hard>" not in html
    assert "LoRA &lt;hard&gt;" in html
    assert all(f.description.split(":")[0].replace("<hard>", "&lt;hard&gt;") in html for f in figures(made))


def test_without_an_exhibit_there_is_no_section() -> None:
    assert html_of(None).strip() == ""


def test_drawing_it_loads_neither_torch_nor_umap() -> None:
    code = (
        "import sys, json; from strop.records.exhibits.projection import Projection; "
        "from strop.records.plain import from_plain; from strop.records.record import Record; "
        "from strop.report.projection import section; "
        f"section(from_plain(Projection, json.loads({json.dumps(to_plain(exhibit()))!r}), 'drawn'), Record('s')); "
        "print([m for m in ('torch', 'umap', 'sklearn', 'strop.geometry') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("[]", 0), done.stderr
