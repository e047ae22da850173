"""What BM25 takes for words: as it was built for English, and in scripts that spaces or letters alone do not divide."""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache
from itertools import pairwise

#: Single letters and digits are words too, as in Lucene's StandardTokenizer; bm25s' own pattern drops them.
_WORD = re.compile(r"\w+")

#: Letters that Lucene's CJKAnalyzer pairs (Han, kana, Hangul, Bopomofo), and those of Thai, Lao, Khmer and Burmese.
_PAIRED = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f\u3131-\u318e\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb"
    "\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd-\u0ec6\u0edc-\u0edf"
    "\u1780-\u17b3\u17d7\u17dc\u1000-\u102a\u103f\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081"
)
_PAIRED_LETTER = re.compile(f"[{_PAIRED}]")


def words(text: str) -> list[str]:
    """Runs of letters and digits, in lower case."""
    return _WORD.findall(text.lower())


def words_of_any_script(text: str) -> list[str]:
    """Runs of letters and digits with their combining marks, in lower case, of the text in Unicode's form NFKC.

    A run of letters between which no space divides words is the pairs of its neighbours; one of a single letter is that
    letter.

    Source: Lucene's CJKAnalyzer, which has the same pairs for Chinese, Japanese and Korean; the other scripts are ours.
    """
    letter, run = _patterns()
    found: list[str] = []
    for match in run.finditer(unicodedata.normalize("NFKC", text).lower()):
        letters = letter.findall(match[1] or "")
        found += [a + b for a, b in pairwise(letters)] or letters or [match[0]]
    return found


def has_paired_letters(text: str) -> bool:
    """Whether a letter is there of a script that `words_of_any_script` cuts in pairs."""
    return bool(_PAIRED_LETTER.search(text))


def needs_any_script(text: str) -> bool:
    """Whether `words` would take several of a text's words for one, or break one at its marks."""
    return not text.isascii() and (has_paired_letters(text) or any(map(_is_mark, text)))


def _is_mark(character: str) -> bool:
    return unicodedata.category(character).startswith("M")


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """A paired letter with its marks; and a run of such letters (group 1), or of any others."""
    marks = "".join(c for c in map(chr, range(0x300, sys.maxunicode + 1)) if _is_mark(c))
    marks = f"[{marks}\u200c\u200d]*"  # with the joiners that stand inside words
    letter = f"[{_PAIRED}]{marks}"
    return re.compile(letter), re.compile(rf"((?:{letter})+)|(?:(?![{_PAIRED}])\w{marks})+")
