"""The page of `strop explain`: the geometry of one model, or of a model beside its base."""

from __future__ import annotations

from strop.report import geometry
from strop.report.document import document
from strop.report.projection import POSITIVE, QUERY
from strop.results import Results

#: What the two colours of a picture are.
COLOURS = (("queries", QUERY), ("documents", POSITIVE))


def explain_page(results: Results) -> str:
    """The page as text, of a Results folder that `strop explain` wrote."""
    shown = geometry.section(results.exhibits["geometry"])
    assert shown
    record = results.record
    context = {
        "record": record,
        "facts": list(record["facts"].items()),
        "geometry": shown,
        "picture_colours": COLOURS,
        "specs": shown.specs,
    }
    words = {"palette": {}, "tone": str}
    return document("explain.html", "page.js", context, words)
