"""Which docstring pairs belong together: twins share their judgments, near-duplicates share a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from strop.collection.docstrings.text import Pair, content_words
from strop.collection.near_duplicates import components, shingles, similar

#: Packages whose documents and queries are never trained on.
HELD_OUT = ("networkx", "sklearn")
SPLITS = ("train", "dev", "test", *(f"test-{package}" for package in HELD_OUT))

#: Near-duplicates, for splitting: Jaccard of the summaries' content words, of the bodies' runs of four words.
SUMMARY_LIKENESS, BODY_LIKENESS = 0.8, 0.5

#: Bodies so alike that no reader could tell which one a summary belongs to.
SAME_BODY = 0.95

#: Larger ones are templates and boilerplate, and go: twins, and near-duplicates.
MAX_TWINS, MAX_COMPONENT = 5, 20


class Entry(NamedTuple):
    """A pair with its place. `twins` and `component` are the ids of the first member of each."""

    pair: Pair
    twins: str
    component: str
    split: str


def entries(pairs: Sequence[Pair]) -> list[Entry]:
    """Pairs with their twins, component and split, by id; templates are left out.

    Twins have the same summary but for stop words, or the same body but for a few words: each is an answer to the
    others' queries. A component also holds what is merely alike. Its hash decides between train, dev and test
    (80, 10, 10 %), so that nothing in one has a near-duplicate in another. A component with a member from a
    held-out package belongs to that package; its members from other packages are dropped, unless they are twins of
    one from the package.
    """
    pairs = sorted(pairs)
    words = [content_words(p.summary) for p in pairs]
    bodies = shingles((p.body for p in pairs), 4)
    first: dict[tuple[str, ...], int] = {}
    same = [(first.setdefault(tuple(w), i), i) for i, w in enumerate(words)]
    twins = components(len(pairs), same + list(similar(bodies, SAME_BODY)))
    alike = [*similar(shingles(map(" ".join, words), 1), SUMMARY_LIKENESS), *similar(bodies, BODY_LIKENESS)]
    component = components(len(pairs), [*alike, *((a, b) for b, a in enumerate(twins))])
    twin_count, component_size = Counter(twins), Counter(component)
    owner = {
        part: next((h for h in HELD_OUT if any(p.package == h for p in (pairs[i] for i in members))), None)
        for part, members in _members(component).items()
    }
    kept_twins = {twins[i] for i, p in enumerate(pairs) if p.package == owner[component[i]]}
    return [
        Entry(
            p,
            pairs[twins[i]].id,
            pairs[component[i]].id,
            f"test-{owner[component[i]]}" if owner[component[i]] else _drawn(pairs[component[i]].id),
        )
        for i, p in enumerate(pairs)
        if twin_count[twins[i]] <= MAX_TWINS
        and component_size[component[i]] <= MAX_COMPONENT
        and (owner[component[i]] is None or twins[i] in kept_twins)
    ]


def _members(labels: Sequence[int]) -> dict[int, list[int]]:
    members: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        members.setdefault(label, []).append(i)
    return members


def _drawn(component: str) -> str:
    share = int.from_bytes(hashlib.sha256(component.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.8 else "dev" if share < 0.9 else "test"
