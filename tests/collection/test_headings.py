from __future__ import annotations

import pytest

from strop.collection.headings import headings, plain


def found(text: str) -> list[str]:
    return [heading.text for heading in headings(text)]


def test_headings_of_markdown_and_restructuredtext_and_in_title_case_are_found_in_order() -> None:
    text = (
        "# The `first` one #\n## 1.2. [A link](http://x) {#id}\n\nProse.\n\nUnder a line\n============\nProse here\n\n"
        "=====\nBoxed\n=====\n\nThe Life of a Query\n\nIt begins.\n"
    )
    assert found(text) == ["The first one", "A link", "Under a line", "Boxed", "The Life of a Query"]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# a comment\n```\nprose",
        "code = 1\n# a comment below code",
        "    # indented\n\nprose",
        "---\ntitle: something long\n---\nprose",  # the underline is shorter than its line
        "A sentence of Many Words ends with a stop.\n\nprose",
        "Some of these longer words lack a capital\n\nprose",
        "The Last Line of a Text\n",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert found(text) == []


def test_no_line_of_a_block_of_comments_is_a_heading() -> None:
    assert found("# a licence\n# of several lines\n# in comments\ncode") == []


def test_a_heading_s_place_covers_its_line_and_its_underline() -> None:
    text = "Prose.\n\nOne thing\n---------\nMore.\n"
    (heading,) = headings(text)
    assert text[: heading.start] + text[heading.end :] == "Prose.\n\nMore.\n"


def test_markup_goes_and_names_stay() -> None:
    assert plain("**Use** :func:`sort_by` of ![logo](x.png) *my_list*") == "Use sort_by of my_list"
    assert plain("2. Two  things") == "Two things"
    assert plain("3 ways to sort") == "3 ways to sort"
