"""Panels: the queries and documents that every system of a study shares, drawn before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from strop.artifacts.progress import Progress
from strop.collection import door
from strop.collection.lazy_documents import Contents
from strop.collection.panel import cut, panel, training_panel
from strop.negatives.examples import Examples
from strop.negatives.triples import read_triples
from strop.records.documents import Collection
from strop.records.errors import InputError, excerpt
from strop.records.runs import Run
from strop.retrieval import rankings
from strop.study.definition import Scale
from strop.training.held_out import HeldOut

#: A fifth of the queries, as the thesis held out, but no more than a curve needs.
HELD_OUT = HeldOut(share=0.2, most=128)


@dataclass(frozen=True)
class Panels:
    """What a study tests on and trains on, each a panel or a whole split; `whole` is the split that `test` is from."""

    test: Collection
    train: Collection
    whole: Collection

    @cached_property
    def train_documents(self) -> Mapping[str, str]:
        return Contents(self.train.documents, self.train.reserved)

    @cached_property
    def train_queries(self) -> Mapping[str, str]:
        return {q.id: q.text for q in self.train.queries.values()}


def read(scale: Scale, source: str, docstrings: Path, progress: Progress) -> Panels:
    """Panels in which no training document is relevant to a test query. Raises InputError on bad data."""
    seed = scale.seeds[0]
    with progress("read the collection", 2) as advance:
        whole = _cut(door.load(source, scale.test_split, docstrings), scale)
        advance(1)
        train = _cut(door.load(source, "train", docstrings), scale)
        advance(1)
    test = _panel(whole, scale.test_queries, scale.test_documents, seed)
    closed = {d for judged in test.qrels.values() for d, grade in judged.items() if grade > 0}
    if scale.train_queries is None or scale.train_documents is None:
        return Panels(test, replace(train, reserved=train.reserved | closed), whole)
    return Panels(test, training_panel(train, scale.train_queries, scale.train_documents, seed, closed), whole)


@dataclass(frozen=True, slots=True)
class Tested:
    """A collection to test on; with `candidates` it is whole, and only these are ranked."""

    collection: Collection
    candidates: Run | None = None


def tested(
    own: Collection, scale: Scale, others: Sequence[str], candidates: Run, docstrings: Path
) -> dict[str, Tested]:
    """By name, the study's own first: of each other collection its test split, or its only one.

    Raises InputError on bad data, when two collections share a name, and for candidates of no collection's queries.
    """
    collections = {own.name: Tested(own)}
    for source in others:
        splits = door.splits(source)
        whole = door.load(source, "test" if "test" in splits else splits[-1], docstrings)
        if whole.name in collections:
            raise InputError(f"two collections are named {excerpt(whole.name)}", where=source, remedy="Leave one out")
        if reranked := rankings.of_collection(candidates, whole, scale.rerank_depth):
            collections[whole.name] = Tested(*reranked)
        else:
            sample = _panel(_cut(whole, scale), scale.other_queries, scale.other_documents, scale.seeds[0])
            collections[whole.name] = Tested(sample)
    tested_on = {query_id for each in collections.values() for query_id in each.candidates or ()}
    if unknown := [query_id for query_id in candidates if query_id not in tested_on]:
        queries = f"{len(unknown):,} queries with candidates (first: {excerpt(unknown[0])})"
        raise InputError(
            f"{queries} are in no collection that is tested on", remedy="Give their collection with --test"
        )
    return collections


def triples(path: Path, share: float, count: int, seed: int) -> tuple[Examples, Examples]:
    """Provided triples: training examples (a `share` of them) and held-out ones."""
    data = read_triples(path, count, seed)
    training, held_out = HELD_OUT.split(data.groups, seed)
    return data.only(training[: int(share * len(training))]), data.only(held_out)


def _cut(data: Collection, scale: Scale) -> Collection:
    return data if scale.cut_chars is None else cut(data, scale.cut_chars)


def _panel(whole: Collection, queries: int | None, documents: int | None, seed: int) -> Collection:
    return whole if queries is None or documents is None else panel(whole, queries, documents, seed)
