"""Reads a report's page back: its tags, rows, scripts and the data of its charts."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

#: Text that runs or breaks the page where it is not escaped.
HOSTILE = "<script>alert(1)</script></script><img src=x onerror=alert(2)>\u2028'\"&"
#: As a page shows it.
SHOWN = HOSTILE.replace("\u2028", "\N{SYMBOL FOR NEWLINE}")


class Reader(HTMLParser):
    """Tags, attributes, the text inside each element id, and the scripts of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.rows: list[list[str]] = []
        self._script: dict[str, str | None] | None = None
        self.feed(text)
        self.rows = [[cell.strip() for cell in row] for row in self.rows]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._script = dict(attrs)
            self.scripts.append((self._script, ""))
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._script = None

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self.rows and self.rows[-1]:
            self.rows[-1][-1] += data

    def json(self, name: str) -> Any:
        return next(json.loads(text) for attrs, text in self.scripts if attrs.get("id") == name)


def rows_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [row for rows in spec["datasets"].values() for row in rows]


def without_scripts(html: str) -> str:
    return re.sub(r"<script.*?</script>", "", html, flags=re.DOTALL)
