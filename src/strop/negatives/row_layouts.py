"""How strop and other trainers name the columns of a training file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from strop.negatives.row_values import Text, passages, texts
from strop.records.errors import InputError, excerpt


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind of file; a row has at most one of the names for query, positive and negatives.

    With `numbered`, negatives may also be in columns of that name and that name with `_1`, `_2`, …, which are taken by
    number. `read` reads a column of positives or negatives; `others` are optional; `unused` columns are not trained on,
    for the reason given.
    """

    name: str
    query: tuple[str, ...]
    positive: tuple[str, ...]
    negatives: tuple[str, ...]
    others: tuple[str, ...]
    numbered: str = ""
    unused: Mapping[str, str] = field(default_factory=dict)
    read: Callable[[str, Any], list[Text]] = texts

    def unknown(self, columns: Sequence[str]) -> list[str]:
        known = {*self.query, *self.positive, *self.negatives, *self.others, *self.unused, *self.numbers(columns)}
        return [name for name in columns if name not in known]

    def numbers(self, columns: Sequence[str]) -> list[str]:
        """The columns of numbered negatives, by number; the one without is first."""
        if not self.numbered:
            return []
        found = [(re.fullmatch(self.numbered + "(?:_([0-9]{1,9}))?", name), name) for name in columns]
        return [name for _, name in sorted((int(match[1] or 0), name) for match, name in found if match)]

    def __str__(self) -> str:
        numbered = (self.numbered, f"{self.numbered}_1, …") if self.numbered else ()
        one_of = (self.query, self.positive, (*self.negatives, *numbered))
        return "; ".join([*(" or ".join(names) for names in one_of), ", ".join((*self.others, *self.unused))])


#: Read by name, never by place: of two columns that are just texts, no name says which is the query.
LAYOUTS = (
    Layout(
        "strop and sentence-transformers",
        query=("query", "anchor", "question"),
        positive=("positive", "answer"),
        negatives=("negatives",),
        numbered="negative",
        others=("query_id", "positive_id", "negative_ids", "sources", "relevant_ids", "scores", "label"),
    ),
    Layout(
        "FlagEmbedding",
        query=("query",),
        positive=("pos",),
        negatives=("neg",),
        others=("pos_scores", "neg_scores"),
        unused={"prompt": "a query's prompt is the model's own", "type": "no batch depends on it"},
    ),
    Layout(
        "Tevatron",
        query=("query", "query_text"),
        positive=("positive_passages",),
        negatives=("negative_passages",),
        others=("query_id",),
        unused={"answers": "passages are trained on"},
        read=passages,
    ),
)
QUERY_COLUMNS = frozenset(name for layout in LAYOUTS for name in layout.query)
WHY_UNUSED = {name: why for layout in LAYOUTS for name, why in layout.unused.items()}

_NAME_THEM = "Name the columns for what they hold, like query, positive, negative"
_BY_LABEL = "Write the texts labelled 1 as positives and those labelled 0 as negatives, without labels"
_OF_CORPUS = "The texts are in a corpus: write them into the row, as positive_passages and negative_passages"
#: What to do about some columns that are not known.
_INSTEAD = {
    "score": 'A similarity is not learned: keep the pairs that are positives, without it; a teacher\'s are "scores"',
    "labels": _BY_LABEL,
    "documents": _BY_LABEL,
    "sentence1": _NAME_THEM,
    "sentence2": _NAME_THEM,
    "set": "Write a row for each pair: query, positive",
    "positive_document_ids": _OF_CORPUS,
    "negative_document_ids": _OF_CORPUS,
}


@lru_cache(maxsize=100)
def layout_of(columns: tuple[str, ...]) -> Layout:
    """The layout of a row with these columns: one that has its positive, with the fewest columns strange to it.

    Raises InputError on a column that it does not know.
    """

    def strangeness(layout: Layout) -> tuple[bool, int]:
        return not {*layout.positive} & {*columns}, len(layout.unknown(columns))

    layout = min(LAYOUTS, key=strangeness)
    if unknown := layout.unknown(columns):
        several, names = len(unknown) > 1, ", ".join(map(excerpt, unknown))
        problem = f"the column{'s' * several} {names} {'are' if several else 'is'} not known"
        known = f"Rename or remove {'them' if several else 'it'}; the layout of {layout.name} has {layout}"
        raise InputError(problem, remedy=next((_INSTEAD[name] for name in unknown if name in _INSTEAD), known))
    return layout
