"""Stages: texts and models in, artifact folders with tokens, vectors or a run out, which all retrievers share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.progress import Counted, Progress, silent
from strop.artifacts.store import Artifact, Stage, Store
from strop.models.encoder import Encoder, Role
from strop.models.loading import load
from strop.models.pretrained import Pretrained
from strop.models.tokens import Tokens
from strop.records.results import write_json
from strop.records.runs import Run, read_run
from strop.retrieval import encode, token_vectors
from strop.retrieval.texts import ById, texts_key

TOKENS = Stage("tokens", 2)
ENCODE = Stage("encode", 2)
SEARCH = Stage("search", 1)
LEXICAL = Stage("lexical", 1)
RERANK = Stage("rerank", 1)

#: Texts of one shard: about 0.1 GB of text and, at 384 dimensions, 0.3 GB of vectors. Another number makes other keys.
SHARD = 200_000


@dataclass(frozen=True, slots=True)
class Vectors:
    """Searchable vectors `(N, D)`, memory-mapped, and the id of each row."""

    ids: tuple[str, ...]
    matrix: encode.Vectors | encode.Stack

    @classmethod
    def load(cls, artifact: Artifact) -> Vectors:
        folders = [artifact.path]
        if (artifact.path / "shards.json").is_file():
            folders = [artifact.path.parent / key for key in _read(artifact.path / "shards.json")]
        ids = tuple(text_id for folder in folders for text_id in _read(folder / "ids.json"))
        parts = [np.load(folder / "vectors.npy", mmap_mode="r", allow_pickle=False) for folder in folders]
        return cls(ids, parts[0] if len(parts) == 1 else encode.Stack(parts))

    def of(self, ids: Iterable[str]) -> encode.Vectors:
        """The rows of these ids, in their order."""
        row = {text_id: i for i, text_id in enumerate(self.ids)}
        return np.asarray(self.matrix[np.array([row[text_id] for text_id in ids])])


def encode_texts(
    store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress = silent, key: str | None = None
) -> Artifact:
    """Artifact `encode`: `vectors.npy` and `ids.json`, or above `SHARD` texts `shards.json`, the keys of such artifacts
    beside it. A killed run goes on at the shard it was in. `key` is `texts_key(texts)` where it is known already."""
    key = key or texts_key(texts)
    what = f"encode {len(texts):,} {'queries' if role == 'query' else 'documents'}"

    def make(folder: Path) -> dict[str, Any]:
        if len(texts) > SHARD:
            return make_shards(folder)
        encoder = encoder_of(model)
        tokens = Tokens.load(_tokenize(store, encoder, texts, key, role).path)
        shape = (len(tokens), encoder.dimension)
        out = np.lib.format.open_memmap(folder / "vectors.npy", mode="w+", dtype=np.float32, shape=shape)
        with progress(what, len(tokens)) as advance:
            encode.encode(encoder, tokens, role, out, advance)
        out.flush()
        write_json(list(texts), folder / "ids.json")
        return {"texts": len(tokens), "tokens": int(tokens.offsets[-1])}

    def make_shards(folder: Path) -> dict[str, Any]:
        shards = []
        with progress(what, len(texts)) as advance:
            for part in _parts(texts, SHARD):
                counted = Counted(advance)
                shards.append(encode_texts(store, model, part, role, counted))
                advance(len(part) - counted.done)  # what was there already
        write_json([shard.key for shard in shards], folder / "shards.json")
        return {"texts": len(texts), "tokens": sum(shard.record["tokens"] for shard in shards)}

    return store.build(ENCODE, role, {"model": model.identity, "texts": key}, make)


def encode_tokens(
    store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress = silent, key: str | None = None
) -> Artifact:
    """Artifact `encode` of a model with one vector per token: what `TokenVectors` loads. `key` as in `encode_texts`."""
    key = key or texts_key(texts)

    def make(folder: Path) -> dict[str, Any]:
        encoder = encoder_of(model)
        tokens = Tokens.load(_tokenize(store, encoder, texts, key, role).path)
        with progress(f"encode {len(texts):,} {'queries' if role == 'query' else 'documents'}", len(tokens)) as advance:
            token_vectors.encode_tokens(encoder, tokens, list(texts), role, folder, advance)
        return {"texts": len(tokens), "tokens": int(tokens.offsets[-1])}

    return store.build(ENCODE, role, {"model": model.identity, "texts": key}, make)


def run_of(artifact: Artifact) -> Run:
    return read_run(artifact.path / "run.trec")


def _tokenize(store: Store, encoder: Encoder, texts: ById, key: str, role: Role) -> Artifact:
    def make(folder: Path) -> None:
        encoder.tokenize(list(texts.values()), role).save(folder)

    return store.build(TOKENS, role, {"tokenizer": encoder.tokenizer_key, "texts": key}, make)


def _parts(texts: ById, size: int) -> Iterator[dict[str, str]]:
    """The texts in their order, `size` at a time."""
    pairs = iter(texts.items())
    while part := dict(islice(pairs, size)):
        yield part


def _read(path: Path) -> list[str]:
    read: list[str] = json.loads(path.read_text(encoding="utf-8"))
    return read


@lru_cache(maxsize=1)
def encoder_of(model: Pretrained) -> Encoder:
    """The model, kept until another is loaded. Known by its content: a folder may be overwritten in the meantime."""
    return load(model.path)
