"""Material: what every system of a study shares, drawn from collections before any training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from strop.artifacts.progress import Progress
from strop.collection import door
from strop.collection.lazy_documents import Contents
from strop.collection.panel import cut, panel, training_panel
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.examples import Examples
from strop.negatives.triples import read_triples
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval import rankings
from strop.study.definition import Scale, Study
from strop.training.held_out import HeldOut

#: A fifth of the queries, as the thesis held out, but no more than a curve needs.
HELD_OUT = HeldOut(share=0.2, most=128)


@dataclass(frozen=True, slots=True)
class Material:
    """Panels (or whole splits) to test and train on, and the base."""

    test: Collection
    train: Collection
    base: Pretrained
    whole: Collection

    @property
    def train_documents(self) -> Mapping[str, str]:
        return Contents(self.train.documents, self.train.reserved)

    @property
    def train_queries(self) -> Mapping[str, str]:
        return {q.id: q.text for q in self.train.queries.values()}


def read(study: Study, scale: Scale, source: str, cache: Path, progress: Progress) -> Material:
    """Raises InputError on bad data, before any model is loaded."""
    seed = scale.seeds[0]
    with progress("read the collection", 2) as advance:
        whole = _load(scale, source, scale.test_split, cache)
        advance(1)
        train = _load(scale, source, "train", cache)
        advance(1)
    test = _panel(whole, scale.test_queries, scale.test_documents, seed)
    closed = {d for judged in test.qrels.values() for d, grade in judged.items() if grade > 0}
    if scale.train_queries is not None and scale.train_documents is not None:
        train = training_panel(train, scale.train_queries, scale.train_documents, seed, closed)
    else:
        train = replace(train, reserved=train.reserved | closed)
    return Material(test, train, resolve(scale.base or study.base), whole)


@dataclass(frozen=True, slots=True)
class Panel:
    """A collection to test on; where `candidates` were given it is whole, and only these are ranked."""

    collection: Collection
    candidates: Run | None = None


def panels(own: Collection, scale: Scale, others: Sequence[str], candidates: Run, cache: Path) -> dict[str, Panel]:
    """By name, the study's own first: of each other collection its test split, or its only one.

    Raises InputError on bad data, when two collections share a name, and for candidates of no collection's queries.
    """
    found = {own.name: Panel(own)}
    for source in others:
        splits = door.splits(source)
        whole = door.load(source, "test" if "test" in splits else splits[-1], cache)
        if whole.name in found:
            raise InputError(f"two collections are named {whole.name!r}", where=source, remedy="Leave one out")
        if given := rankings.of_collection(candidates, whole, scale.rerank_depth):
            found[whole.name] = Panel(*given)
        else:
            short = whole if scale.cut_chars is None else cut(whole, scale.cut_chars)
            short = _panel(short, scale.other_queries, scale.other_documents, scale.seeds[0])
            found[whole.name] = Panel(short)
    known = {query_id for panel in found.values() for query_id in panel.candidates or ()}
    if unknown := [query_id for query_id in candidates if query_id not in known]:
        raise InputError(
            f"{len(unknown):,} queries with candidates (first: {unknown[0]!r}) are in no collection that is tested on",
            remedy="Give their collection with --test",
        )
    return found


def triples(path: Path, share: float, count: int, seed: int) -> tuple[Examples, Examples]:
    """Provided triples: training examples (a `share` of them) and held-out ones."""
    data = read_triples(path, count, seed)
    training, held_out = HELD_OUT.split(data.groups, seed)
    return data.only(training[: int(share * len(training))]), data.only(held_out)


def _load(scale: Scale, source: str, split: str, cache: Path) -> Collection:
    data = door.load(source, split, cache)
    return data if scale.cut_chars is None else cut(data, scale.cut_chars)


def _panel(whole: Collection, queries: int | None, documents: int | None, seed: int) -> Collection:
    return whole if queries is None or documents is None else panel(whole, queries, documents, seed)
