"""A page as a real browser opens it: headless Chromium, of which is read what the page has become and what it said."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from html.parser import HTMLParser

#: The browser of Debian, of Ubuntu and of Google, whichever is there.
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
#: Milliseconds of the page's own time: charts are drawn and timers run, however long it takes.
_OWN_TIME = 8000
_OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    f"--virtual-time-budget={_OWN_TIME}", "--enable-logging=stderr", "--v=0", "--dump-dom",
)  # fmt: skip
_CONSOLE = re.compile(r"^\[[^]]*:CONSOLE[^]]*\] (.*)$", re.M)
#: What holds no text for a reader.
_UNREAD = frozenset({"script", "style", "template", "noscript", "title"})


@dataclass(frozen=True, slots=True)
class Opened:
    """`dom`: the document at the end. `console`: every line that it, or an error in it, wrote."""

    dom: str
    console: tuple[str, ...]


def opened(address: str, limit: float = 120.0) -> Opened:
    """Open an address in a browser with nothing remembered. Raises TimeoutExpired past `limit` seconds."""
    assert BROWSER, "there is no Chromium"
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        words = [BROWSER, *_OPTIONS, f"--user-data-dir={profile}", address]
        ended = subprocess.run(words, capture_output=True, timeout=limit)
    said = ended.stderr.decode(errors="replace")
    return Opened(ended.stdout.decode(errors="replace"), tuple(_CONSOLE.findall(said)))


@dataclass
class Seen(HTMLParser):
    """The elements of a document with their attributes, and its text as a reader has it: runs of blanks are one."""

    dom: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self._inside: list[str] = []
        self._parts: list[str] = []
        self.feed(self.dom)
        self.text = " ".join("".join(self._parts).split())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag in _UNREAD:
            self._inside.append(tag)
        self._parts.append(" " * (tag in ("td", "th", "p", "div", "li", "text", "tspan", "br", "dd", "dt", "span")))

    def handle_endtag(self, tag: str) -> None:
        if self._inside and self._inside[-1] == tag:
            self._inside.pop()

    def handle_data(self, data: str) -> None:
        if not self._inside:
            self._parts.append(data)
