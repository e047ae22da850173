"""A row of a training file, in any layout, as one value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strop.negatives.row_layouts import Layout, layout_of
from strop.negatives.row_values import LINE, SCORES, Text, identifier, listed, named, scores, teacher, text_id
from strop.records.errors import InputError, excerpt


@dataclass(frozen=True, slots=True)
class TrainingRow:
    """A query, its positives and its negatives as (id, text).

    `sources` has one name per negative, or none at all; `relevant` holds ids of further positives; `teacher` maps ids
    to finite scores; `unused` names columns that are not trained on.
    """

    query: tuple[str, str]
    positives: tuple[tuple[str, str], ...]
    negatives: tuple[tuple[str, str], ...]
    sources: tuple[str, ...]
    relevant: tuple[str, ...]
    teacher: Mapping[str, float]
    unused: tuple[str, ...]


def training_row(row: Mapping[str, Any], where: str) -> TrainingRow:
    """A row by its columns; None is no value. Raises InputError with `where` on a column that its layout does not know,
    two columns for one thing, and values of a wrong type or number."""
    try:
        layout = layout_of(tuple(row))
        if row.get("label", 1) != 1:
            problem = f"the label is {excerpt(row['label'])}, and only pairs labelled 1 are positives"
            raise InputError(problem, remedy="Write a text labelled 0 among the negatives of its query's row")
        return _read({name: value for name, value in row.items() if value is not None}, layout)
    except InputError as error:
        raise InputError(error.problem, where=where, remedy=error.remedy) from None


def _read(row: Mapping[str, Any], layout: Layout) -> TrainingRow:
    query, positive = _one(row, layout.query, "query"), _one(row, layout.positive, "positive")
    if not isinstance(row.get(query), str) or not row[query].strip():
        raise _missing(row, query)
    positives = layout.read(positive, row[positive]) if positive in row else []
    if not positives or not all(text.strip() for _, text, _ in positives):
        raise _missing(row, positive)
    negatives = _negatives(row, layout)
    if negatives and "label" in row:
        raise InputError("a label beside negatives may be a teacher's margin", remedy=f"Remove it. {SCORES}")
    if same := {text for _, text, _ in positives} & {text for _, text, _ in negatives}:
        raise InputError(f"the positive is among its own negatives: {excerpt(min(same))}", remedy="Remove it there")
    ids = row.get("positive_id", [])
    of_positives = named(positives, "positive_id", ids if isinstance(ids, list) else [ids])
    of_negatives = named(negatives, "negative_ids", listed("negative_ids", row))
    given = (
        scores("scores", row, positives + negatives)
        if "scores" in row
        else scores("pos_scores", row, positives) + scores("neg_scores", row, negatives)
    )
    return TrainingRow(
        (identifier("query_id", row["query_id"]) if "query_id" in row else text_id(row[query]), row[query]),
        of_positives,
        of_negatives,
        _sources(row, len(negatives)),
        tuple(identifier("relevant_ids", doc_id) for doc_id in listed("relevant_ids", row)),
        teacher([doc_id for doc_id, _ in of_positives + of_negatives], given),
        tuple(name for name in layout.unused if name in row),
    )


def _one(row: Mapping[str, Any], names: Sequence[str], what: str) -> str:
    """The one of these names that the row has, else the first."""
    held = [name for name in names if name in row]
    if len(held) > 1:
        raise InputError(f"{excerpt(held[0])} and {excerpt(held[1])} both hold the {what}", remedy="Keep one of them")
    return (held or names)[0]


def _negatives(row: Mapping[str, Any], layout: Layout) -> list[Text]:
    numbers = layout.numbers(tuple(row))
    one = _one(row, (*layout.negatives, *numbers[:1]), "negatives")
    return [text for name in numbers or [one] if name in row for text in layout.read(name, row[name])]


def _sources(row: Mapping[str, Any], negatives: int) -> tuple[str, ...]:
    sources = listed("sources", row)
    if not all(isinstance(source, str) for source in sources) or len(sources) not in (0, negatives):
        problem = f"'sources' has no name for each of {negatives} negatives: {excerpt(sources)}"
        raise InputError(problem, remedy="Write a text for each, or leave them out")
    return tuple(sources)


def _missing(row: Mapping[str, Any], name: str) -> InputError:
    value = f": {excerpt(row[name])}" if name in row else ""
    return InputError(f"{excerpt(name)} is missing, empty or not a text{value}", remedy=LINE)
