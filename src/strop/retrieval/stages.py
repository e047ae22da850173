"""Stages: texts and models in, artifact folders with tokens, vectors or a run out, which all retrievers share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.arrays import reserved
from strop.artifacts.progress import Counted, Progress, silent
from strop.artifacts.store import PARTS, Artifact, Stage, Store
from strop.models.encoder import Encoder, Role
from strop.models.loading import load
from strop.models.pretrained import Pretrained
from strop.models.scoring import MaxSim, Precision
from strop.models.tokens import Tokens
from strop.records.errors import InputError
from strop.records.results import write_json
from strop.records.runs import Run, read_run, write_run
from strop.retrieval import encode, token_vectors
from strop.retrieval.task import ById, Task, precise, texts_key

TOKENS = Stage("tokens", 2)
ENCODE = Stage("encode", 2)
SEARCH = Stage("search", 1)
LEXICAL = Stage("lexical", 1)
RERANK = Stage("rerank", 1)

#: Texts of one shard: about 0.1 GB of text and, at 384 dimensions, 0.3 GB of vectors. Another number makes other keys.
SHARD = 200_000


@dataclass(frozen=True)
class Vectors:
    """Searchable vectors `(N, D)`, memory-mapped, and the id of each row."""

    ids: tuple[str, ...]
    matrix: encode.Vectors | encode.Stack

    @classmethod
    def load(cls, artifact: Artifact, dims: int | None = None, unit: bool = False) -> Vectors:
        """Whole, or with `dims` as `Stack` reads them. Raises InputError for more dims than there are."""
        folders = [artifact.path]
        if (artifact.path / "shards.json").is_file():
            folders = [artifact.path.parent / key for key in _read(artifact.path / "shards.json")]
        ids = tuple(text_id for folder in folders for text_id in _read(folder / "ids.json"))
        parts = [np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False) for folder in folders]
        own = parts[0].shape[1]
        if dims is not None and not 0 < dims <= own:
            raise InputError(f"vectors of {own} have no first {dims} dimensions", remedy=f"Give 1 to {own}")
        return cls(ids, parts[0] if len(parts) == 1 and dims is None else encode.Stack(parts, dims, unit))

    @cached_property
    def _row(self) -> dict[str, int]:
        return {text_id: i for i, text_id in enumerate(self.ids)}

    def of(self, ids: Iterable[str]) -> encode.Vectors:
        """The rows of these ids, in their order. Raises KeyError for an id without one."""
        return np.asarray(self.matrix[np.array([self._row[text_id] for text_id in ids], dtype=np.int64)])


def encode_texts(
    store: Store,
    model: Pretrained,
    texts: ById,
    role: Role,
    progress: Progress = silent,
    key: str | None = None,
    precision: Precision = "float32",
) -> Artifact:
    """Artifact `encode`, which `Vectors` or `TokenVectors` loads. Of a model with one vector per text it has above
    `SHARD` texts `shards.json` instead, the keys of such artifacts beside it; a killed run goes on at the shard it was
    in. `key` is `texts_key(texts)` where it is known already."""
    key = key or texts_key(texts)
    what = f"encode {len(texts):,} {'queries' if role == 'query' else 'documents'}"

    def make(folder: Path) -> dict[str, Any]:
        encoder = encoder_of(model)
        per_token = isinstance(encoder.similarity, MaxSim)
        if len(texts) > SHARD and not per_token:
            return make_shards(folder)
        inputs = {"tokenizer": encoder.tokenizer_key, "texts": key}
        tokenized = store.build(TOKENS, role, inputs, lambda at: encoder.tokenize(list(texts.values()), role).save(at))
        tokens = Tokens.load(tokenized.path)
        with progress(what, len(tokens)) as advance:
            if per_token:
                token_vectors.encode_tokens(encoder, tokens, list(texts), role, folder, advance, precision)
            else:
                shape = (len(tokens), encoder.dimension)
                out = reserved(folder / "vectors.npy", shape)
                encode.encode(encoder, tokens, role, out, advance, precision)
                out.flush()
                write_json(list(texts), folder / "ids.json")
        return {"texts": len(tokens), "tokens": int(tokens.offsets[-1])}

    def make_shards(folder: Path) -> dict[str, Any]:
        shards, pairs = [], iter(texts.items())
        with progress(what, len(texts)) as advance:
            while part := dict(islice(pairs, SHARD)):
                counted = Counted(advance)
                shards.append(encode_texts(store, model, part, role, counted, precision=precision))
                advance(len(part) - counted.done)  # what was there already
        write_json([shard.key for shard in shards], folder / "shards.json")
        tokens = sum(shard.record["tokens"] for shard in shards)
        return {"texts": len(texts), "tokens": tokens, PARTS: [shard.key for shard in shards]}

    values = {"role": role, **precise(precision)} if precise(precision) else role
    return store.build(ENCODE, values, {"model": model.identity, "texts": key}, make)


def encode_side(task: Task, model: Pretrained, role: Role) -> Artifact:
    """`encode_texts` of a task's queries or documents."""
    queries = role == "query"
    texts, key = (task.queries if queries else task.documents), task.keys["queries" if queries else "documents"]
    return encode_texts(task.store, model, texts, role, task.progress, key, task.precision)


def build_run(
    store: Store, stage: Stage, values: Any, inputs: Mapping[str, str], tag: str, rank: Callable[[], Run]
) -> Artifact:
    """Artifact with `run.trec`, whose last column is `tag`."""
    return store.build(stage, values, inputs, lambda folder: write_run(rank(), folder / "run.trec", tag))


def run_of(artifact: Artifact) -> Run:
    return read_run(artifact.path / "run.trec")


def _read(path: Path) -> list[str]:
    read: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return read


@lru_cache(maxsize=1)
def encoder_of(model: Pretrained) -> Encoder:
    """The model, kept until another is loaded. Known by its content: a folder may be overwritten in the meantime."""
    return load(model.path)
