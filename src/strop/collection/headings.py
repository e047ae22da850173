"""The headings in a text: Markdown's, reStructuredText's underlined lines, and lines in title case that stand alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

#: Words of a line that counts as a heading for its capital letters alone.
MOST_WORDS = 12

_FENCE = re.compile(r" {0,3}(```|~~~)")
_MARKED = re.compile(r"(#{1,6})[ \t]+(\S.*?)[ \t]*#*$")
_UNDERLINE = re.compile(r"([=\-~^*#+\"'`.:_])\1{2,}[ \t]*$")
_TITLE_CASE = re.compile(r"[A-Z0-9].*[\w)]$")

_MARKUP = (
    (re.compile(r"!\[[^\]]*\]\([^)]*\)|<[^<>]+>|\{#[^}]*\}|:[\w:]+:(?=`)"), ""),  # images, tags, anchors, roles
    (re.compile(r"\[([^\]]+)\](?:\([^)]*\)|\[[^\]]*\])"), r"\1"),  # links
    (re.compile(r"`+|\*+|(?<!\w)_+|_+(?!\w)|\\(?=\W)"), ""),  # code, emphasis, escapes
)
_NUMBER = re.compile(r"(?:\d+\.)+\d*\s+(?=\S)")


class Heading(NamedTuple):
    """A heading as it reads, without markup and number, and where its lines begin and end in the text."""

    text: str
    start: int
    end: int


def headings(text: str) -> Iterator[Heading]:
    """The headings in order. A heading stands at the top, below an empty line or below another one; none is in a fence.

    So neither comments within code nor blocks of comments are any. An underline is as long as its line, as
    reStructuredText demands.
    """
    lines = text.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    fence, free, i = "", True, 0
    while i < len(lines):
        if mark := _FENCE.match(lines[i]):
            fence = "" if fence == mark[1] else fence or mark[1]
        found, taken = ("", 1) if fence or not free else _heading(lines[i : i + 3])
        if read := plain(found):
            yield Heading(read, starts[i], starts[i + taken])
        i += taken
        free = bool(found) or not lines[i - 1].strip() or bool(_UNDERLINE.match(lines[i - 1]))


def plain(text: str) -> str:
    """One line of a text without Markdown's and reStructuredText's markup and a section's number."""
    for pattern, kept in _MARKUP:
        text = pattern.sub(kept, text)
    return _NUMBER.sub("", " ".join(text.split()), count=1) if _NUMBER.match(text.strip()) else " ".join(text.split())


def _heading(lines: list[str]) -> tuple[str, int]:
    """The heading at the first of these lines, or "", and how many of them it takes."""
    first, below, after = ([line.rstrip() for line in lines] + ["", ""])[:3]
    if marked := _MARKED.match(first):
        return ("" if below.startswith(f"{marked[1]} ") else marked[2]), 1
    if not first or first[0].isspace() or _UNDERLINE.match(first):
        return "", 1
    if _UNDERLINE.match(below) and len(below) >= len(first):
        return first, 2
    alone = not below and bool(after)
    return (first, 1) if alone and _in_title_case(first) else ("", 1)


def _in_title_case(line: str) -> bool:
    """Whether every longer word has a capital, and no full stop or comma ends the line."""
    words = line.split()
    longer = [word for word in words if len(word) > 3 and word[0].isalpha()]
    capitals = bool(longer) and all(word[0].isupper() for word in longer)
    return capitals and 2 <= len(words) <= MOST_WORDS and bool(_TITLE_CASE.match(line))
