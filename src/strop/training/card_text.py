"""Names and sentences of a user as a model card shows them: to YAML one string, to Markdown text and nothing else."""

from __future__ import annotations

import re

#: A name that YAML reads as the string it is: a hub id. Others are quoted.
_PLAIN = re.compile(r"[A-Za-z][\w.-]*/[\w.-]+", re.ASCII)
#: What Markdown, HTML or a formula may begin with, anywhere in a line; an underscore only at the edge of a word.
_INLINE = re.compile(r"[\\`*{}\[\]<>|~&$]|(?<![^\W_])_|_(?![^\W_])")
#: What a heading, a list, a rule or an indented block may begin with, where a text begins.
_FIRST = re.compile(r"^(\d{0,9})([#+.)=:-])")
_UNSEEN = re.compile(r"[\0-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def yaml_string(text: str) -> str:
    """A scalar of YAML 1.1 and 1.2 on one line that reads back as exactly this text."""
    return text if _PLAIN.fullmatch(text) else f'"{"".join(map(_in_quotes, text))}"'


def _in_quotes(character: str) -> str:
    code = ord(character)
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable() and code != 0xFEFF:
        return character
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def markdown(text: str) -> str:
    """CommonMark that shows this text, as a line or a cell of a table; line breaks and runs of blanks are one blank."""
    line = _UNSEEN.sub("\N{REPLACEMENT CHARACTER}", " ".join(text.split()))
    return _FIRST.sub(r"\1\\\2", _INLINE.sub(lambda found: f"\\{found[0]}", line))
