"""The embedded collection: search for a known docstring of the installed scientific packages by its summary."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

from filelock import FileLock

from strop.collection.assembly import check_split
from strop.collection.docstrings.pool import HELD_OUT, SPLITS, Entry, entries
from strop.collection.docstrings.source import package_docstrings, package_version
from strop.collection.docstrings.text import Pair, pair
from strop.collection.fingerprint import with_fingerprint
from strop.records.documents import Collection, Document, Query
from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.writing import write_text

NAME = "docstrings"

#: Rises whenever the same sources would give other pairs, groups or splits.
EXTRACTOR = 4

#: package -> (its distribution, the version whose docstrings the published scores were measured on).
PACKAGES = {
    "accelerate": ("accelerate", "1.15.0"),
    "fsspec": ("fsspec", "2026.9.0"),
    "huggingface_hub": ("huggingface_hub", "2.4.0"),
    "joblib": ("joblib", "1.6.0"),
    "mpmath": ("mpmath", "1.3.0"),
    "networkx": ("networkx", "3.6.1"),
    "numpy": ("numpy", "2.4.6"),
    "peft": ("peft", "0.21.2"),
    "scipy": ("scipy", "1.17.1"),
    "sentence_transformers": ("sentence-transformers", "6.2.0"),
    "sklearn": ("scikit-learn", "1.9.1"),
    "sympy": ("sympy", "1.14.0"),
    "torch": ("torch", "2.13.0"),
    "transformers": ("transformers", "5.23.0"),
}


def is_docstrings(source: str | Path) -> bool:
    """Whether a source is this collection, or a part of it: `docstrings:scipy`, `docstrings:numpy,scipy`."""
    return str(source).partition(":")[0] == NAME


def docstring_splits(source: str) -> tuple[str, ...]:
    """The splits of the collection, or of a part: `train`, `dev` and `test`; `test` alone where all of it is held out.

    Raises InputError on an unknown package.
    """
    if source == NAME:
        return SPLITS
    return ("test",) if set(_packages(source)) <= set(HELD_OUT) else ("train", "dev", "test")


def read_docstrings(source: str, split: str, cache: Path | None = None) -> Collection:
    """One split: every document of the pool, and the split's queries; its name is `source`.

    A query is one summary sentence; relevant are its own document, which holds the rest of the docstring, and its
    twins'. A document's domain is its package. Reserved are the documents of all other splits. The packages' versions
    are part of the fingerprint, and of the name under which the folder `cache`, if there is one, keeps the pool.
    A part holds its packages' documents alone, with the queries asked for them and no judgments of twins elsewhere. It
    is split as the whole is, but all that is held out there is in its `test`. Raises InputError on an unknown split or
    package, and on a package that is not installed.
    """
    packages = _packages(source)
    check_split(split, docstring_splits(source), source)
    versions = {package: package_version(package, distribution) for package, (distribution, _) in PACKAGES.items()}
    pool = _cached_pool(versions, cache) if cache else extract()
    if source != NAME:
        pool = [e._replace(split=e.split.partition("-")[0]) for e in pool if e.pair.package in packages]
        versions = {package: versions[package] for package in packages}
    documents = {e.pair.id: Document(e.pair.id, e.pair.body, domain=e.pair.package) for e in pool}
    twins: defaultdict[str, list[str]] = defaultdict(list)
    questions: dict[tuple[str, str], Entry] = {}  # twins with one summary ask it once
    for entry in pool:
        twins[entry.twins].append(entry.pair.id)
        if entry.split == split:
            questions.setdefault((entry.twins, entry.pair.summary.casefold()), entry)
    by_query = {f"q:{entry.pair.id}": entry for entry in questions.values()}
    queries = {query_id: Query(query_id, entry.pair.summary) for query_id, entry in by_query.items()}
    qrels = {query_id: dict.fromkeys(twins[entry.twins], 1) for query_id, entry in by_query.items()}
    reserved = frozenset(entry.pair.id for entry in pool if entry.split != split)
    warnings = _differences(versions)
    data = with_fingerprint(Collection(source, split, documents, queries, qrels, "", reserved, warnings))
    stamped = f"{data.fingerprint} {_stamp(versions)}".encode()
    return replace(data, fingerprint=hashlib.sha256(stamped).hexdigest())


def extract() -> list[Entry]:
    """The pool, from the sources of the installed packages; about 15 seconds. Equal versions give an equal pool."""
    pairs = (pair(docstring) for package in PACKAGES for docstring in package_docstrings(package))
    return entries([p for p in pairs if p])


def _packages(source: str) -> tuple[str, ...]:
    """The packages that "docstrings:a,b" names, in the collection's order; all of them for "docstrings"."""
    _, part, names = source.partition(":")
    named = names.split(",") if part else list(PACKAGES)
    if unknown := [name for name in named if name not in PACKAGES]:
        problem = f"no package {excerpt(unknown[0])} is among the docstrings"
        raise InputError(problem, where=source, remedy=f"Packages there: {', '.join(PACKAGES)}")
    return tuple(package for package in PACKAGES if package in named)


def _stamp(versions: dict[str, str]) -> str:
    return json.dumps([EXTRACTOR, versions], sort_keys=True)


def _differences(versions: dict[str, str]) -> tuple[str, ...]:
    """A sentence when versions differ from those that the published scores were measured with."""
    pairs = ((package, here, PACKAGES[package][1]) for package, here in versions.items())
    other = [f"{package} {here} instead of {expected}" for package, here, expected in pairs if here != expected]
    return (f"{', '.join(other)}: scores are not comparable with the published ones",) if other else ()


def _cached_pool(versions: dict[str, str], cache: Path) -> list[Entry]:
    """The pool as a file of `cache` has it; extracted, and kept there, where it has none or a damaged one."""
    path = cache / f"docstrings-{hashlib.sha256(_stamp(versions).encode()).hexdigest()[:16]}.jsonl"
    if pool := _kept(path):
        return pool
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # whoever waited for another's extraction reads it
        if pool := _kept(path):
            return pool
        if path.exists():
            problem = f"{path} is damaged: the docstrings are extracted again"
            warnings.warn(problem, InputWarning, stacklevel=3)
        pool = extract()
        text = json.dumps(pool)
        write_text(f"{json.dumps(_digest(text))}\n{text}\n", path, replace=True)
    return pool


def _kept(path: Path) -> list[Entry]:
    """The pool of a file of two lines, its hash and its entries; empty where it is not there, or not as written."""
    try:
        digest, text = path.read_text(encoding="utf-8").splitlines()
        if digest == json.dumps(_digest(text)):
            return [Entry(Pair(*members), *rest) for members, *rest in json.loads(text)]
    except (OSError, ValueError, TypeError):
        pass
    return []


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
