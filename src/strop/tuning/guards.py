"""Guards: collections on which the tuned model must not be worse, with queries to choose by and to certify with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strop.collection import door
from strop.collection.populations import parts, split_parts
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.tuning.domain import DEV, TEST
from strop.tuning.pools import pool, relevant, some_queries

#: Guards where the user names none: packages of the embedded collection that nothing is ever trained on.
DEFAULT = ("docstrings:networkx", "docstrings:sklearn")
#: Of a guard without dev queries, the share of its queries to choose by.
CHOOSING = 1 / 3
#: Queries of a pool, at most.
QUERIES = 100


@dataclass(frozen=True, eq=False)
class Guard:
    """`choose` is a pool; `certify` is the whole corpus with queries that are in no pool."""

    name: str
    choose: Collection
    certify: Collection


def read(source: str, cache: Path, seed: int, pool_documents: int) -> Guard:
    """A guard's dev split chooses and its test split certifies. With a single split, its queries are dealt out by whole
    parts that share no answer and no near-duplicate. Raises InputError as `door.load`, and for too few queries."""
    splits = door.splits(source)
    test = door.load(source, TEST if TEST in splits else splits[-1], cache)
    dev = next((name for name in DEV if name in splits and name != test.split), None)
    if dev:
        choose, certify = door.load(source, dev, cache), test
    else:
        judged = [q for q, of in test.qrels.items() if relevant(of)]
        few, most = split_parts(parts(test, judged), (CHOOSING, 1 - CHOOSING), seed)
        if min(len(few), len(most)) < 1:
            raise InputError(
                f"the {len(judged):,} judged queries of the guard {test.name} cannot be dealt out",
                where=source,
                remedy="Give a guard with more queries, or leave it out",
            )
        choose, certify = some_queries(test, few), some_queries(test, most)
    return Guard(test.name, pool(choose, QUERIES, pool_documents), certify)


def read_all(sources: Sequence[str], own: str, cache: Path, seed: int, pool_documents: int) -> tuple[Guard, ...]:
    """Raises InputError for a guard that is the collection itself, and for two of one name."""
    if own in sources:
        raise InputError(f"{own} cannot guard itself", remedy="Name other collections as guards")
    guards = tuple(read(source, cache, seed, pool_documents) for source in sources)
    if len({guard.name for guard in guards}) < len(guards):
        raise InputError("two guards have one name", remedy="Give each guard's folder a name of its own")
    return guards
