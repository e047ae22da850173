"""Which docstring pairs belong together: twins share their judgments, near-duplicates share a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from strop.collection.docstrings.text import Pair, content_words
from strop.collection.near_duplicates import components, similar
from strop.collection.shingles import shingles

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
        part: held for held in reversed(HELD_OUT) for p, part in zip(pairs, component, strict=True) if p.package == held
    }
    kept_twins = {twins[i] for i, p in enumerate(pairs) if p.package == owner.get(component[i])}
    pool = []
    for p, twin, part in zip(pairs, twins, component, strict=True):
        templates = twin_count[twin] > MAX_TWINS or component_size[part] > MAX_COMPONENT
        if not templates and (part not in owner or twin in kept_twins):
            split = f"test-{owner[part]}" if part in owner else _drawn(pairs[part].id)
            pool.append(Entry(p, pairs[twin].id, pairs[part].id, split))
    return pool


def _drawn(component: str) -> str:
    share = int.from_bytes(hashlib.sha256(component.encode()).digest()[:4], "big") / 2**32
    return "train" if share < 0.8 else "dev" if share < 0.9 else "test"
