"""Stages: pure functions of (inputs, values, seed) to artifact folders. Another engine could run them elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from strop import encode, search
from strop.artifacts import Artifact, Stage, Store, content_key
from strop.lexical import BM25
from strop.models.dense import Dense
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained
from strop.results import write_json
from strop.runs import Run, read_run, write_run
from strop.tokens import Tokens

TOKENS = Stage("tokens", 1)
ENCODE = Stage("encode", 1)
SEARCH = Stage("search", 1)
LEXICAL = Stage("lexical", 1)

#: Texts by id: what a stage needs of a collection.
ById = Mapping[str, str]


class Progress(Protocol):
    """`with progress("encode documents", 2000) as advance: advance(64)`."""

    def __call__(self, what: str, total: int) -> AbstractContextManager[Callable[[int], None]]: ...


@contextmanager
def silent(what: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


@dataclass(frozen=True, slots=True)
class Vectors:
    """Searchable vectors `(N, D)`, memory-mapped, and the id of each row."""

    ids: tuple[str, ...]
    matrix: encode.Vectors

    @classmethod
    def load(cls, artifact: Artifact) -> Vectors:
        ids = json.loads((artifact.path / "ids.json").read_text(encoding="utf-8"))
        return cls(tuple(ids), np.load(artifact.path / "vectors.npy", mmap_mode="r", allow_pickle=False))


def texts_key(texts: ById) -> str:
    return content_key(dict(texts))


def encode_texts(store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress = silent) -> Artifact:
    """Artifact `encode`: `vectors.npy`, `ids.json`."""

    def make(folder: Path) -> dict[str, Any]:
        encoder = _encoder(model.path)
        tokens = Tokens.load(_tokenize(store, encoder, texts, role).path)
        shape = (len(tokens), encoder.dimension)
        out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
        with progress(
            f"encode {len(tokens):,} {'queries' if role == 'query' else 'documents'}", len(tokens)
        ) as advance:
            encode.encode(encoder, tokens, out, advance)
        out.flush()
        write_json(list(texts), folder / "ids.json")
        return {"texts": len(tokens), "tokens": int(tokens.offsets[-1])}

    return store.build(ENCODE, role, {"model": model.identity, "texts": texts_key(texts)}, make)


def search_dense(
    store: Store,
    model: Pretrained,
    queries: ById,
    documents: ById,
    depth: int,
    exclude: ById | None = None,
    progress: Progress = silent,
) -> Artifact:
    """Artifact `search`: `run.trec`, exact. Encodes what is not yet encoded."""
    inputs = {"model": model.identity, "queries": texts_key(queries), "documents": texts_key(documents)}

    def make(folder: Path) -> None:
        found = Vectors.load(encode_texts(store, model, documents, "document", progress))
        asked = Vectors.load(encode_texts(store, model, queries, "query", progress))
        with progress(f"search {len(found.ids):,} documents", len(asked.ids)) as advance:
            run = search.search(asked.matrix, asked.ids, found.matrix, found.ids, depth, exclude, progress=advance)
        write_run(run, folder / "run.trec", "dense")

    return store.build(SEARCH, {"depth": depth, "exclude": dict(exclude or {})}, inputs, make)


def search_lexical(
    store: Store,
    bm25: BM25,
    queries: ById,
    documents: ById,
    depth: int,
    exclude: ById | None = None,
    progress: Progress = silent,
) -> Artifact:
    """Artifact `lexical`: `run.trec`."""
    inputs = {"queries": texts_key(queries), "documents": texts_key(documents)}

    def make(folder: Path) -> None:
        with progress(f"BM25 over {len(documents):,} documents", len(queries)) as advance:
            write_run(bm25.search(documents, queries, depth, exclude, advance), folder / "run.trec", "bm25")

    return store.build(LEXICAL, {"bm25": bm25, "depth": depth, "exclude": dict(exclude or {})}, inputs, make)


def run_of(artifact: Artifact) -> Run:
    return read_run(artifact.path / "run.trec")


def _tokenize(store: Store, encoder: Dense, texts: ById, role: Role) -> Artifact:
    def make(folder: Path) -> None:
        encoder.tokenize(list(texts.values()), role).save(folder)

    return store.build(TOKENS, role, {"tokenizer": encoder.tokenizer_key, "texts": texts_key(texts)}, make)


@lru_cache(maxsize=1)
def _encoder(path: Path) -> Dense:
    return Dense.load(path)
