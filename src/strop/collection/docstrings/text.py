"""One docstring as a known-item search: its summary sentence is the query, the rest of it the document."""

from __future__ import annotations

import re
from typing import NamedTuple

from strop.collection.docstrings.source import Docstring

#: Fewer words than these identify nothing.
MIN_QUERY_WORDS = 5
MIN_CONTENT_WORDS = 3
MIN_PROSE_WORDS = 15
#: A longer "summary" is a paragraph without a full stop, not a sentence.
MAX_QUERY_WORDS = 40

_WORD = re.compile(r"\w+")

#: What replaces the object's own name in the document.
BLANK = "_"

#: Words that distinguish no summary from another.
_STOPWORDS = frozenset(
    _WORD.findall(
        "a an and are as at be by compute computes for from get gets given if in is it its of on or return returns "
        "self that the this to with"
    )
)

#: Where a summary without an empty line below it ends: a section's heading, a field, a list, a session.
_SECTION = re.compile(
    r"\s*(args|arguments|parameters?|params|returns?|yields?|raises?|examples?|notes?|references|see also|attributes"
    r"|warnings?|usage|inputs?|outputs?|methods|keyword arguments?|kwargs)\s*:?\s*$"
    r"|\s*(args|arguments|parameters|returns?|raises|examples?|note|inputs?|outputs?)\s*:"
    r"|\s*[:@](param|type|returns?|rtype|raises)\b|\s*([-*+]|>>>|\.\.) ",
    re.I,
)
#: Summaries that only point elsewhere, and first lines that are markup or describe a parameter.
_BOILERPLATE = re.compile(
    r"(alias (for|of|to)|same as|internal|todo|deprecated|this (function|method|class) (is|was|has been) deprecated)\b"
    r"|see (also )?[:`\w.]+ ?(for|\.|$)|\.\.|:\w+:|@|>>>|[*\-|+=#<{\[]"
    r"|[`*]*[\w.]+[`*]*\s*(:|\(:|\(`|\([\w., ]*\)\s*:)",
    re.I,
)
#: A section that repeats the summaries of other objects, which are other queries; up to the next underlined heading.
_SEE_ALSO = re.compile(r"^ *See Also *\n *[-=]{3,} *\n.*?(?=^\S[^\n]*\n[-=]{3,} *$|\Z)", re.M | re.S | re.I)
_ADORNMENT = re.compile(r"\s*([-=~^*#_+\"'`.])\1{2,}\s*$")
_ABBREVIATION = re.compile(
    r"(\b(e\.g|i\.e|etc|vs|cf|al|eq|eqs|fig|no|resp|approx|ref|sec|dr|st|inc|pp?|pg|vol|w\.r\.t)|\b[A-Za-z])\.$", re.I
)
_LETTERS = re.compile(r"[^\W\d_]{3,}")

#: A call that fills the first line or lines, and one that fills a line anywhere, bare or after `.. function::`.
_TOP_CALL = re.compile(r"\s*(?:>>> )?[\w.]+\s*\((?:[^()]|\([^()]*\))*\)[ ]*(?:->.*|:|--.*)?(?:\n|$)")
_CALL_LINE = re.compile(r"^[ ]*(?:\.\. \w+::[ ]*)?(?:\w+\.)*(\w+)[ ]*\(.*\)[ ]*(?:->.*)?$", re.M)
_QUALIFIER = re.compile(r"(?<![\w.])(?:\w+\.)+$")


class Pair(NamedTuple):
    """A query and its document; `id` is the qualified name, `package` the domain."""

    id: str
    package: str
    summary: str
    body: str


def pair(docstring: Docstring) -> Pair | None:
    """The known-item pair of a docstring, or None when it has no summary sentence or says too little.

    The document holds neither summary nor signature, nor the object's name, nor the summaries of related objects.
    """
    name = docstring.qualified.rpartition(".")[2]
    text = _without_signatures(docstring.text, name).strip()
    lines = text.splitlines()
    end = next((i for i, line in enumerate(lines) if not line.strip() or _SECTION.match(line)), len(lines))
    summary, remainder = first_sentence(" ".join(" ".join(lines[:end]).split()))
    rest = "\n".join(lines[end:])
    if not MIN_QUERY_WORDS <= len(_WORD.findall(summary)) <= MAX_QUERY_WORDS or _BOILERPLATE.match(summary):
        return None
    if len(content_words(summary)) < MIN_CONTENT_WORDS:
        return None
    body = _tidy(_SEE_ALSO.sub("", f"{remainder}\n\n{rest}"))
    if " ".join(summary.split()).casefold() in " ".join(body.split()).casefold():
        body = re.sub(r"\s+".join(map(re.escape, summary.split())), "", body, flags=re.I)
    body = _tidy(_without_name(body, name))
    if prose_words(body) < MIN_PROSE_WORDS:
        return None
    return Pair(docstring.qualified, docstring.package, summary, body)


def content_words(text: str) -> list[str]:
    """Case-folded words without those that every summary has, in order."""
    return [word for word in _WORD.findall(text.casefold()) if word not in _STOPWORDS]


def prose_words(body: str) -> int:
    """Words of three letters or more outside interactive sessions."""
    lines = (line for line in body.splitlines() if not line.lstrip().startswith((">>>", "...")))
    return len(_LETTERS.findall("\n".join(lines)))


def first_sentence(paragraph: str) -> tuple[str, str]:
    """(first sentence, what follows it) of a paragraph on one line. Abbreviations and initials do not end one."""
    for end in re.finditer(r"[.!?][)\"'`]*(?= +[A-Z0-9`:\"'(\[*])", paragraph):
        if not _ABBREVIATION.search(paragraph[: end.end()]):
            return paragraph[: end.end()], paragraph[end.end() :].strip()
    return paragraph, ""


def _without_signatures(text: str, name: str) -> str:
    """Without the lines that repeat the signature: `name(…)`, `>>> name(…)` on top, `.. function:: name(…)`."""
    while match := _TOP_CALL.match(text):  # of any name: an alias often keeps the signature of its original
        text = text[match.end() :]
    return _CALL_LINE.sub(lambda match: "" if match[1] == name else match[0], text)


def _without_name(text: str, name: str) -> str:
    """Without the object's own name. An ordinary word (`average`) goes only where it is used as a name."""
    word = name.isalpha() and name[1:].islower()
    first, *parts = text.split(name)
    kept = first
    for part in parts:
        before, after = kept[-1:], part[:1]
        qualifier = _QUALIFIER.search(kept, max(0, len(kept) - 80))
        quoted = before == after != "" and before in "`'\""
        part_of_longer = _WORD.match(before) or _WORD.match(after)
        if part_of_longer or (word and not (qualifier or quoted or after == "(")):
            kept += name + part
        else:
            kept = (kept[: qualifier.start()] if qualifier else kept) + BLANK + part
    return kept


def _tidy(text: str) -> str:
    """Without lines of adornment (a tokenizer spends a token on each dash) and runs of empty lines."""
    kept = "\n".join(line.rstrip() for line in text.splitlines() if not _ADORNMENT.match(line))
    return re.sub(r"\n{3,}", "\n\n", kept).strip()
