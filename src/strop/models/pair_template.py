"""The rows a cross-encoder reads: two texts' tokens under one template, cut to the room there is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from strop.models.pair_scorer import Ids, Pair
from strop.models.transformer import token_ids
from strop.records.errors import InputError


@dataclass(frozen=True, slots=True, eq=False)
class PairTemplate:
    """What a tokenizer puts before, between and after the two texts of a pair, and the token types of all five spans.

    `typed`: whether the model is given token types at all.
    """

    parts: tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]
    types: tuple[int, int, int, int, int]
    typed: bool

    @classmethod
    def of(cls, tokenizer: Any) -> PairTemplate:
        """Read off one pair. Raises InputError where a text becomes other tokens in a pair than alone, where the
        tokenizer's own pairs are no such spans, or texts are cut from the left."""
        if tokenizer.truncation_side != "right":
            raise InputError(
                "the tokenizer cuts texts from the left (truncation_side)",
                where="tokenizer_config.json",
                remedy="Set truncation_side to right",
            )
        pair = tokenizer("a b", "c")
        ids = pair["input_ids"]
        sides = pair.sequence_ids(0)
        first, second = ([i for i, side in enumerate(sides) if side == k] for k in (0, 1))
        if [[ids[i] for i in side] for side in (first, second)] != token_ids(tokenizer, ["a b", "c"], special=False):
            raise _unlike("reads a text in a pair unlike the text alone")
        spans = (slice(0, first[0]), slice(first[-1] + 1, second[0]), slice(second[-1] + 1, None))
        parts = tuple(tuple(ids[span]) for span in spans)
        types = pair.get("token_type_ids") or [0] * len(ids)
        at = (0, first[0], first[-1] + 1, second[0], len(ids) - 1)
        template = cls(cast(Any, parts), cast(Any, tuple(types[i] for i in at)), "token_type_ids" in pair)
        template._check(tokenizer)
        return template

    def _check(self, tokenizer: Any) -> None:
        """Raises InputError where a pair with an empty side, or one that is cut, is not what the tokenizer makes."""
        longest = self.specials + 5
        cut = ("a b c a b c", "c b a c b a c b"), ("c b a c b a c", "a b")
        for texts in (("a b", "c"), ("", "c"), ("a b", ""), *cut):
            query, document = (np.array(row, dtype=np.int32) for row in token_ids(tokenizer, texts, special=False))
            row = self(query, document, longest)
            made = tokenizer([texts], truncation="longest_first", max_length=longest, verbose=False)
            (ids,) = made["input_ids"]
            (types,) = made.get("token_type_ids") or ([0] * len(ids),)
            if (row.ids.tolist(), row.types.tolist()) != (ids, types):
                raise _unlike(f"makes another row of the pair {texts} than special tokens around its two texts")

    @property
    def specials(self) -> int:
        return sum(map(len, self.parts))

    def __call__(self, query: Ids, document: Ids, max_length: int) -> Pair:
        """One row of at most `max_length` tokens."""
        kept = longest_first(len(query), len(document), max_length - self.specials)
        before, between, after = (np.array(part, dtype=np.int32) for part in self.parts)
        spans = (before, query[: kept[0]], between, document[: kept[1]], after)
        types = np.repeat(np.array(self.types, dtype=np.int32), [len(span) for span in spans])
        return Pair(np.concatenate(spans), types, len(query) + len(document) - sum(kept))


def longest_first(query: int, document: int, room: int) -> tuple[int, int]:
    """How many tokens each side keeps, together at most `room`: the longer loses first, then both in equal parts.

    As the tokenizers library truncates "longest_first": of an odd room the document gets the odd token, unless the
    query was the longer.
    """
    if query + document <= room:
        return query, document
    shorter = min(query, document)
    if 2 * shorter > room:
        shorter = room // 2
    return (room - shorter, shorter) if query > document else (shorter, room - shorter)


def _unlike(problem: str) -> InputError:
    return InputError(f"the tokenizer {problem}", where="tokenizer.json", remedy="Give another model")
