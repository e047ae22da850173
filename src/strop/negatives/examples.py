"""Training examples, with texts: a value, the JSON lines that strop writes, and how any trainer's file is read."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from strop.negatives.row_layouts import WHY_UNUSED
from strop.negatives.row_values import LINE
from strop.negatives.training_files import rows
from strop.negatives.training_rows import training_row
from strop.records.documents import Collection, Group
from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.text_lines import check_whole_characters
from strop.records.writing import whole_file


@dataclass(frozen=True, slots=True)
class Examples:
    """Groups and the texts of every id in them."""

    groups: tuple[Group, ...]
    queries: Mapping[str, str]
    documents: Mapping[str, str]

    @classmethod
    def of(cls, groups: Sequence[Group], collection: Collection) -> Examples:
        """The groups with their texts from a collection."""
        queries = {g.query_id: collection.queries[g.query_id].text for g in groups}
        return cls(tuple(groups), queries, {d: collection.documents[d].contents for d in _doc_ids(groups)})

    def only(self, groups: Sequence[Group]) -> Examples:
        """Some of its groups, with their texts alone."""
        queries = {g.query_id: self.queries[g.query_id] for g in groups}
        return Examples(tuple(groups), queries, {d: self.documents[d] for d in _doc_ids(groups)})


def _doc_ids(groups: Sequence[Group]) -> Iterable[str]:
    return dict.fromkeys(d for g in groups for d in (*g.positives, *g.negatives))


def write_examples(examples: Examples, path: str | Path) -> None:
    """Write one line for each (query, positive), with ids, so that other positives of a query can be masked by id.

    A teacher's scores of the positive and the negatives are written as `scores`; those of other documents are not.
    """
    with whole_file(path) as own, own.open("w", encoding="utf-8", newline="\n") as file:
        for group in examples.groups:
            for positive in group.positives:
                line: dict[str, Any] = {
                    "query": examples.queries[group.query_id],
                    "positive": examples.documents[positive],
                    "negatives": [examples.documents[d] for d in group.negatives],
                    "query_id": group.query_id,
                    "positive_id": positive,
                    "negative_ids": list(group.negatives),
                    "sources": list(group.sources),
                    "relevant_ids": sorted(group.relevant),
                }
                scores = [group.teacher.get(d) for d in (positive, *group.negatives)]
                if scores != [None] * len(scores):
                    line["scores"] = scores
                file.write(json.dumps(line, ensure_ascii=False) + "\n")


def read_examples(path: str | Path) -> Examples:
    """Read a training file: strop's own, or one in another trainer's layout (`row_layouts`), as `training_files` tells.

    Each positive of a row becomes a group, with all of the row's negatives. Where ids are missing they are made from
    the texts, so that equal texts are one document; all positives that a query has in the file are its relevant ones.
    Raises InputError with file and line; warns of columns that are not trained on, of negatives without a text, and of
    those that do not count because another row has them as positives of the same query.
    """
    path = Path(path)
    queries: dict[str, str] = {}
    documents: dict[str, str] = {}
    relevant: dict[str, set[str]] = {}
    unused: dict[str, None] = {}
    groups: list[Group] = []
    for where, columns in rows(path):
        check_whole_characters(json.dumps(columns, ensure_ascii=False), where)
        row = training_row(columns, where)
        query_id, negatives = row.query[0], tuple(doc_id for doc_id, _ in row.negatives)
        for known, (name, text) in ((queries, row.query), *((documents, d) for d in row.positives + row.negatives)):
            if known.setdefault(name, text) != text:
                problem = f"the id {excerpt(name)} has two different texts"
                raise InputError(problem, where=where, remedy="Give each text its own id, or leave the ids out")
        relevant.setdefault(query_id, set()).update([doc_id for doc_id, _ in row.positives], row.relevant)
        unused.update(dict.fromkeys(row.unused))
        for positive, _ in row.positives:
            teacher = {d: row.teacher[d] for d in (positive, *negatives) if d in row.teacher}
            groups.append(Group(query_id, (positive,), negatives, row.sources, teacher=teacher))
    if not groups:
        raise InputError("there are no training examples", where=str(path), remedy=LINE)
    if unused:
        columns_unused = "; ".join(f"{excerpt(name)} ({WHY_UNUSED[name]})" for name in unused)
        warnings.warn(f"{path}: read, but not trained on: {columns_unused}", InputWarning, stacklevel=2)
    if empty := sum(not documents[d].strip() for g in groups for d in g.negatives):
        warnings.warn(f"{path}: {empty:,} negatives have no text", InputWarning, stacklevel=2)
    if masked := sum(d in relevant[g.query_id] for g in groups for d in g.negatives):
        problem = f"{masked:,} negatives do not count: the file has them as positives of the same query"
        warnings.warn(f"{path}: {problem}", InputWarning, stacklevel=2)
    all_relevant = {query_id: frozenset(ids) for query_id, ids in relevant.items()}
    return Examples(tuple(replace(g, relevant=all_relevant[g.query_id]) for g in groups), queries, documents)
