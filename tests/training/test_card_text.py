"""What a user named: YAML reads it back as it was, and Markdown shows it as text."""

from __future__ import annotations

import re

import pytest
import yaml
from markdown_it import MarkdownIt

from strop.training.card_text import markdown, yaml_string

#: Each breaks a card that takes it as it is.
NAMES = [
    "org/model",
    "org/x: y",
    "org/\"quoted\" 'twice'",
    "org/two\nlines: yes",
    "org/\n---\nlicense: mit\n---\n",
    "org/# no comment",
    "org/ends: ",
    "- a\n- b/c",
    "1/2",
    "&a/*b",
    "!!python/object:os.system",
    "{a/b: c}",
    "%TAG /x",
    "back\\slash/\\n",
    "org/\x00\x07\x1b[31m\x7f\x85\u2028\ufeff",
    "org/\u202egnirts \U0001f600 ü",
    "org/\ud800",
    "a/" + "w" * 10_000,
    "~/null",
    "on/off",
]
MARKUP = [
    *NAMES,
    "`code` ``` ```` `",
    "```\nfenced\n```",
    "~~~\nfenced\n~~~",
    "a | b || c \\| d",
    "<img src=x onerror=alert(1)><!-- gone --><?php ?>",
    "</script><script>alert(1)</script>",
    "&lt; &amp; &#60;",
    "[text](javascript:alert(1)) ![picture](https://example.org/x.png)",
    "[a]: javascript:alert(1)",
    "[![a][b]][c] <https://example.org>",
    "*bold* **bolder** _slanted_ __more__ ~~gone~~ snake_case_name _",
    "# heading",
    "1. first",
    "12) twelfth",
    "- item",
    "+ item",
    "=====",
    "-----",
    "> quote",
    "    indented",
    "a  \nbroken line",
    "\\ \\\\ \\* ends in \\",
    "$x_1$ $$y$$ \\(z\\)",
    "]]> {{ a }} ${b}",
]
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> str:
    """What a reader sees: blanks run together, and what no font can show replaced."""
    return re.sub(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]", "\ufffd", " ".join(text.split()))


@pytest.mark.parametrize("text", NAMES, ids=range(len(NAMES)))
def test_yaml_reads_back_the_very_text_and_nothing_beside_it(text: str) -> None:
    front = f"a: 1\nbase_model: {yaml_string(text)}\nb: 2\n"
    assert yaml.safe_load(front) == {"a": 1, "base_model": text, "b": 2}
    assert front.count("\n") == 3


def test_a_hub_id_stands_as_it_is() -> None:
    assert yaml_string("sentence-transformers/all-MiniLM-L6-v2") == "sentence-transformers/all-MiniLM-L6-v2"
    assert markdown("all-MiniLM-L6-v2 on fiqa_2018") == "all-MiniLM-L6-v2 on fiqa_2018"


@pytest.mark.parametrize("text", MARKUP, ids=range(len(MARKUP)))
@pytest.mark.parametrize("before", ["# ", "- ", "", "said: "])
def test_markdown_shows_the_text_in_a_heading_an_item_and_a_line(text: str, before: str) -> None:
    tokens = PARSER.parse(f"{before}{markdown(text)}, end\n")
    inline = [token for token in tokens if token.type == "inline"]
    assert len(inline) == 1, "one block of text"
    assert {child.type for child in inline[0].children or ()} <= {"text", "text_special"}
    words = "".join(child.content for child in inline[0].children or ())
    assert words == f"{before.strip('#- ')}{' ' * (before == 'said: ')}{shown(text)}, end".strip()


@pytest.mark.parametrize("text", MARKUP, ids=range(len(MARKUP)))
def test_markdown_keeps_a_row_of_a_table_a_row(text: str) -> None:
    tokens = PARSER.parse(f"| a | b |\n|---|---|\n| {markdown(text)} | last |\n")
    cells = [token for token in tokens if token.type == "inline"][2:]
    words = ["".join(child.content for child in cell.children or ()) for cell in cells]
    assert words == [shown(text), "last"]
