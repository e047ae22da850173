"""Text that runs, breaks or bends a page which takes it as it is, put wherever a value holds text of a user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints
from zlib import crc32

#: Leaves a mark on the document that runs it, and a word on the console.
RUN = "document.documentElement.setAttribute('data-ran',1); console.log('RAN')"
TEXTS = (
    f"</script><script>{RUN}</script>",
    f'<img src=x onerror="{RUN}">',
    f'" onmouseover="{RUN}" autofocus onfocus="{RUN}" x="',
    f"' onerror='{RUN}",
    f'<svg onload="{RUN}"><a href="javascript:{RUN}">x</a></svg>',
    f"javascript:{RUN}",
    f"data:text/html,<script>{RUN}</script>",
    f"]]><script>{RUN}</script><![CDATA[",
    f"--><script>{RUN}</script><!-- <!--",
    f"</title></style></textarea></template></noscript><script>{RUN}</script>",
    "{{ 7 * 7 }} {% for a in b %} {# gone #} ${7 * 7} `${RUN}` <%= 7 %>",
    "&lt;b&gt; &amp; &#60; &nbsp &copy",
    "\\u003c \\x3c \\ \\\\ \\' \\\"",
    "line\u2028and\u2029paragraph",
    "NUL\0 bell\a back\b escape\x1b[31m form\f return\r\ndelete\x7f next\x85 line",
    "half \ud83d and \udc00 and no character \ufffe \uffff",
    "right\u202eleft \u202a\u2066\u2067 isolate\u2069",
    "__proto__ constructor toString",
    "datum['x'] datum.value + 1; [a](b) a.b.c",
    "w" * 10_000,
    "<plaintext>",
    "é ü ß \u4e2d\u6587 \u05e9\u05dc\u05d5\u05dd \U0001f600",
)
#: What tells the page how to be made, and is no text of a user: by the field or key that holds it.
_OURS = frozenset(
    {"study", "kind", "rule", "word", "good", "verdict", "rank_before", "rank_after", "fit", "started", "type", "rates"}
)


def marked(number: int) -> str:
    """The text of a number, behind a mark by which it is found again."""
    return f"H{number}H {TEXTS[number]}"


class Hostile:
    """Adds one of `TEXTS` to every text of a value, always the same to the same one: what refers to a name finds it.

    `seed` chooses which. Measures and keys with a slash are strop's own; so are `_OURS`, and texts of a fixed choice.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def __call__(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if is_dataclass(value) and not isinstance(value, type):
            hints = get_type_hints(type(value))
            changed = {f.name: self(getattr(value, f.name)) for f in fields(value) if not _fixed(f.name, hints[f.name])}
            return replace(value, **changed)
        if isinstance(value, Mapping):
            kept = {key: each for key, each in value.items() if key in _OURS}
            return kept | {self(key): self(each) for key, each in value.items() if key not in _OURS}
        if isinstance(value, (list, tuple)):
            return type(value)(self(each) for each in value)
        return value

    def values(self, value: Any) -> Any:
        """As the call, with every key as it is."""
        if isinstance(value, Mapping):
            return {key: each if key in _OURS else self.values(each) for key, each in value.items()}
        return [*map(self.values, value)] if isinstance(value, (list, tuple)) else self(value)

    def _text(self, text: str) -> str:
        if not text or "/" in text:
            return text
        return f"{text} {marked((crc32(text.encode()) + self._seed) % len(TEXTS))}"


def _fixed(name: str, hint: Any) -> bool:
    return name in _OURS or get_origin(hint) is Literal or any(get_origin(arg) is Literal for arg in get_args(hint))
