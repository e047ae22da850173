"""Text as a page can hold it: what no page may contain, or what turns the text around it, is shown as what it is."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

#: Control characters but tab and line feed, what changes the direction of the text behind it, and line separators, at
#: which Vega's expressions break: Vega-Lite writes an order of names into one.
_CONTROL = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_NO_CHARACTER = re.compile("[\ud800-\udfff\ufffe\uffff]")


def shown(text: str) -> str:
    """The text with a picture for each control character (␛), `U+202E` for each change of direction, and � for what is
    no character. Text without any is the same text."""
    return _NO_CHARACTER.sub("\N{REPLACEMENT CHARACTER}", _CONTROL.sub(lambda found: _picture(found[0]), text))


def _picture(control: str) -> str:
    code = ord(control)
    if code < 0x20:
        return chr(0x2400 + code)
    if control in "\u2028\u2029":
        return "\N{SYMBOL FOR NEWLINE}"
    return "\N{SYMBOL FOR DELETE}" if code == 0x7F else f"⟨U+{code:04X}⟩"


def all_shown(value: Any) -> Any:
    """A plain value with every text in it as `shown`, keys too; numbers that JSON does not have are None."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {all_shown(key): all_shown(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [all_shown(each) for each in value]
    return value


def titles_plain(spec: Any, title: bool = False) -> Any:
    """A chart's specification with every title on one line, and another character for a backslash.

    Vega-Lite writes titles of axes and tooltips into expressions, and escapes nothing of them but double quotes.
    """
    if isinstance(spec, str):
        return " ".join(spec.split()).replace("\\", "\N{REVERSE SOLIDUS OPERATOR}") if title else spec
    if isinstance(spec, Mapping):
        return {key: titles_plain(each, key == "title") for key, each in spec.items()}
    if isinstance(spec, (list, tuple)):
        return [titles_plain(each, title) for each in spec]
    return spec
