"""One HTML file that needs nothing else: style, data and scripts inside, each script run by its own hash."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import jinja2
import vl_convert
from markupsafe import Markup

from strop.records import formats
from strop.records.writing import write_text
from strop.report import charts
from strop.report.characters import all_shown, shown, titles_plain

_OFFERED = "window.vegaEmbed = vegaEmbed;"  # all that charts.js calls
VEGA_LITE = "6.4"  # the version Altair 6 writes


def document(
    template: str,
    script: str,
    context: Mapping[str, Any],
    words: Mapping[str, Any] | None = None,
    connects: bool = False,
) -> str:
    """The page of `template`, run by Vega and one script: charts.js followed by `script`.

    `context` is what the template shows, `words` what its macros use beside `formats`. Every text is escaped, and
    `shown`.
    The template finds the specifications of the figures it has shown so far as `specs`. Nothing can be fetched, unless
    the page `connects`: then from where it came itself.
    """
    specs: dict[str, charts.Spec] = {}

    def draw(figure: charts.Figure) -> str:
        name = shown(figure.name)
        while name in specs:  # two names that differ by what cannot be shown
            name += "′"
        specs[name] = titles_plain(all_shown({**figure.spec, "description": figure.description}))
        return name

    scripts = [_bundle(), part("charts.js") + part(script)]
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(part), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, finalize=_finalized,
    )  # fmt: skip
    environment.filters["shown"] = shown  # for what a template makes markup itself
    environment.globals |= {"formats": formats, "draw": draw, **(words or {})}
    return environment.get_template(template).render(
        **context,
        specs=specs,
        connects=connects,
        config=charts.CONFIG,
        style=Markup(part("page.css")),
        scripts=[Markup(text) for text in scripts],
        hashes=[_sha256(text) for text in scripts],
    )


def _finalized(value: Any) -> Any:
    """What a template shows; what is markup already has been through here."""
    return shown(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def write(html: str, destination: Path, replace: bool = False) -> Path:
    """Write a page as `whole_file` does, its folders too. Returns `destination`."""
    write_text(html, destination, replace)
    return destination


def part(name: str) -> str:
    """A file that lies beside the report's modules."""
    return resources.files("strop.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and vega-embed as one script, from the wheel of vl-convert."""
    bundle: str = vl_convert.javascript_bundle(_OFFERED, vl_version=VEGA_LITE)
    assert "</script" not in bundle.lower()  # it would end the element that holds it
    return bundle


def _sha256(script: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
