"""Stages: pure functions of (inputs, values, seed) to artifact folders. Another engine could run them elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from strop import checkpoint, encode, search, train
from strop.artifacts import Artifact, Stage, Store, content_key
from strop.held_out import CosineAccuracy
from strop.lexical import BM25
from strop.models.adapters import export
from strop.models.dense import Dense, parameter_ledger
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.group_files import Examples
from strop.results import write_json
from strop.runs import Run, read_run, write_run
from strop.tokens import Tokens
from strop.train import Recipe, Texts

TOKENS = Stage("tokens", 1)
ENCODE = Stage("encode", 1)
SEARCH = Stage("search", 1)
LEXICAL = Stage("lexical", 1)
TRAIN = Stage("train", 1)

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


def tune(
    store: Store,
    base: Pretrained,
    recipe: Recipe,
    examples: Examples,
    held_out: Examples | None,
    seed: int,
    progress: Progress = silent,
) -> Artifact:
    """Artifact `train`: `model/` in sentence-transformers' layout (LoRA merged, its adapter in `model/adapter`),
    `log.json` of [update, measure, value], and the parameter ledger in the record.

    Killed, it goes on from its last checkpoint to the same weights. Raises NonFiniteLossError.
    """
    inputs = {
        "model": base.identity,
        "examples": content_key(asdict_examples(examples)),
        "held_out": content_key(asdict_examples(held_out)) if held_out else "",
    }

    def make(folder: Path) -> dict[str, Any]:
        encoder = Dense.load(base.path, recipe.max_length)
        queries, documents = texts_of(encoder, examples, "query"), texts_of(encoder, examples, "document")
        observers = []
        if held_out:
            watched = texts_of(encoder, held_out, "query"), texts_of(encoder, held_out, "document")
            observers.append(CosineAccuracy(held_out.groups, *watched, every=max(1, recipe.updates // 6)))
        with progress(f"train {recipe.updates} updates of {recipe.batching.size}", recipe.updates) as advance:
            log = train.train(encoder, recipe, examples.groups, queries, documents, seed, folder, observers, advance)
        ledger = parameter_ledger(encoder.module)
        probe = list(examples.queries.values())[:8] + list(examples.documents.values())[:8]
        export(encoder, folder / "model", base.name, probe)
        write_json(log, folder / "log.json")
        checkpoint.clear(folder)
        return {"ledger": ledger, "base": base.title, "groups": len(examples.groups)}

    return store.build(TRAIN, {"recipe": recipe, "seed": seed}, inputs, make, resumable=True)


def tuned_model(artifact: Artifact) -> Pretrained:
    return resolve(str(artifact.path / "model"))


def run_of(artifact: Artifact) -> Run:
    return read_run(artifact.path / "run.trec")


def asdict_examples(examples: Examples) -> dict[str, Any]:
    """Plain values, sets sorted, for a content key."""
    groups = [{**asdict(g), "relevant": sorted(g.relevant)} for g in examples.groups]
    return {"groups": groups, "queries": dict(examples.queries), "documents": dict(examples.documents)}


def _tokenize(store: Store, encoder: Dense, texts: ById, role: Role) -> Artifact:
    def make(folder: Path) -> None:
        encoder.tokenize(list(texts.values()), role).save(folder)

    return store.build(TOKENS, role, {"tokenizer": encoder.tokenizer_key, "texts": texts_key(texts)}, make)


def texts_of(encoder: Dense, examples: Examples, role: Role) -> Texts:
    """The examples' queries or documents as tokens."""
    texts = examples.queries if role == "query" else examples.documents
    return Texts(encoder.tokenize(list(texts.values()), role), {text_id: i for i, text_id in enumerate(texts)})


@lru_cache(maxsize=1)
def _encoder(path: Path) -> Dense:
    return Dense.load(path)
