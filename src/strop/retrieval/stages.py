"""Stages: pure functions of (inputs, values, seed) to artifact folders. Another engine could run them elsewhere."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from strop.artifacts.progress import Counted
from strop.artifacts.progress import Progress as Progress
from strop.artifacts.progress import silent as silent
from strop.artifacts.store import Artifact, Stage, Store, content_key
from strop.models.encoder import Encoder, Role
from strop.models.loading import is_cross_encoder, is_multi_vector, load, load_scorer
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision, Scoring
from strop.models.tokens import Tokens
from strop.records.errors import InputError
from strop.records.results import write_json
from strop.records.runs import Run, read_run, write_run
from strop.retrieval import dense_search, encode, late_search, rerank, token_vectors
from strop.retrieval.lexical import BM25
from strop.retrieval.token_vectors import TokenVectors
from strop.retrieval.windows import Windows

TOKENS = Stage("tokens", 2)
ENCODE = Stage("encode", 2)
SEARCH = Stage("search", 1)
LEXICAL = Stage("lexical", 1)
RERANK = Stage("rerank", 1)

#: Texts of one shard: about 0.1 GB of text and, at 384 dimensions, 0.3 GB of vectors. Another number makes other keys.
SHARD = 200_000

#: Texts by id: what a stage needs of a collection. Read in its order and never copied whole, so it may be lazy.
ById = Mapping[str, str]


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


def texts_key(texts: ById) -> str:
    """SHA-256 over ids and texts in their order, the length of each before it: 64 hex digits."""
    digest = hashlib.sha256()
    for pair in texts.items():
        for text in pair:
            data = text.encode(errors="surrogatepass")  # a lone surrogate has no UTF-8, but must not stop a run
            digest.update(len(data).to_bytes(8, "little"))
            digest.update(data)
    return digest.hexdigest()


def encode_texts(store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress = silent) -> Artifact:
    """Artifact `encode`: `vectors.npy` and `ids.json`, or above `SHARD` texts `shards.json`, the keys of such artifacts
    beside it. A killed run goes on at the shard it was in."""
    return _encode(store, model, texts, texts_key(texts), role, progress)


def _encode(store: Store, model: Pretrained, texts: ById, key: str, role: Role, progress: Progress) -> Artifact:
    what = f"encode {len(texts):,} {'queries' if role == 'query' else 'documents'}"

    def make(folder: Path) -> dict[str, Any]:
        if len(texts) > SHARD:
            return make_shards(folder)
        encoder = _encoder(model.path)
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
                shards.append(_encode(store, model, part, texts_key(part), role, counted))
                advance(len(part) - counted.done)  # what was there already
        write_json([shard.key for shard in shards], folder / "shards.json")
        return {"texts": len(texts), "tokens": sum(shard.record["tokens"] for shard in shards)}

    return store.build(ENCODE, role, {"model": model.identity, "texts": key}, make)


def search_dense(
    store: Store,
    model: Pretrained,
    queries: ById,
    documents: ById,
    depth: int,
    exclude: ById | None = None,
    progress: Progress = silent,
) -> Artifact:
    """Artifact `search`: `run.trec`, exact, by inner products or MaxSim. Encodes what is not yet encoded."""
    inputs = {"model": model.identity, "queries": texts_key(queries), "documents": texts_key(documents)}

    def make(folder: Path) -> None:
        if is_multi_vector(model.path):
            asked, found, similarity = _token_vectors(store, model, queries, documents, progress)
            with progress(f"MaxSim over {len(found.ids):,} documents", len(asked.ids)) as advance:
                run = late_search.search(asked, found, similarity, depth, exclude, progress=advance)
        else:
            matrix = Vectors.load(_encode(store, model, documents, inputs["documents"], "document", progress))
            rows = Vectors.load(_encode(store, model, queries, inputs["queries"], "query", progress))
            with progress(f"search {len(matrix.ids):,} documents", len(rows.ids)) as advance:
                run = dense_search.search(
                    rows.matrix, rows.ids, matrix.matrix, matrix.ids, depth, exclude, progress=advance
                )
        write_run(run, folder / "run.trec", "dense")

    return store.build(SEARCH, {"depth": depth, "exclude": dict(exclude or {})}, inputs, make)


def rescore_late(
    store: Store,
    model: Pretrained,
    candidates: Run,
    queries: ById,
    documents: ById,
    depth: int,
    exclude: ById | None = None,
    progress: Progress = silent,
) -> Run:
    """MaxSim over each query's candidates only, of a model with a vector a token."""
    asked, found, similarity = _token_vectors(store, model, queries, documents, progress)
    with progress(f"MaxSim over candidates of {len(asked.ids):,} queries", len(asked.ids)) as advance:
        return late_search.rescore(candidates, asked, found, similarity, depth, exclude, advance)


def _token_vectors(
    store: Store, model: Pretrained, queries: ById, documents: ById, progress: Progress
) -> tuple[TokenVectors, TokenVectors, Scoring]:
    """Queries', documents', and what scores them."""
    found = TokenVectors.load(encode_tokens(store, model, documents, "document", progress).path)
    asked = TokenVectors.load(encode_tokens(store, model, queries, "query", progress).path)
    return asked, found, _encoder(model.path).similarity


def encode_tokens(store: Store, model: Pretrained, texts: ById, role: Role, progress: Progress = silent) -> Artifact:
    """Artifact `encode`, of a model with a vector a token: what `TokenVectors` loads."""
    key = texts_key(texts)

    def make(folder: Path) -> dict[str, Any]:
        encoder = _encoder(model.path)
        tokens = Tokens.load(_tokenize(store, encoder, texts, key, role).path)
        with progress(f"encode {len(texts):,} {'queries' if role == 'query' else 'documents'}", len(tokens)) as advance:
            token_vectors.encode_tokens(encoder, tokens, list(texts), role, folder, advance)
        return {"texts": len(tokens), "tokens": int(tokens.offsets[-1])}

    return store.build(ENCODE, role, {"model": model.identity, "texts": key}, make)


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


def rerank_run(
    store: Store,
    model: Pretrained,
    candidates: Run,
    queries: ById,
    documents: ById,
    depth: int,
    progress: Progress = silent,
    precision: Precision = "float32",
    windows: Windows | None = None,
) -> Artifact:
    """Artifact `rerank`: `run.trec`, a query's first `depth` candidates by a cross-encoder, or by the similarity of
    any other model, for which their documents alone are encoded; `cost` in the record.

    A killed call goes on at the block, or the encoding, it was in. Raises InputError for an id that is not there, and
    for a precision or windows of a model that reads no pairs.
    """
    rerank.check_known(candidates, queries, documents)
    reads_pairs = is_cross_encoder(model.path)
    if not reads_pairs and (precision != "float32" or windows):
        raise InputError("the model reads no pairs, in windows or bfloat16", remedy="Leave both out")
    ranked = [d for ranking in candidates.top(depth).values() for d in ranking.doc_ids]
    asked, found = rerank.Part(queries, list(candidates)), rerank.Part(documents, ranked)
    inputs = {
        "model": model.identity,
        "candidates": content_key([[q, ranking.doc_ids] for q, ranking in candidates.items()]),
        "queries": texts_key(asked),
        "documents": texts_key(found),
    }

    def make(folder: Path) -> dict[str, Any]:
        if not reads_pairs:
            run, cost = _by_similarity(store, model, candidates, asked, found, depth, progress)
            write_run(run, folder / "run.trec", "rerank")
            return {"cost": asdict(cost), "max_length": _encoder(model.path).max_length}
        scorer = load_scorer(model.path, windows.max_length if windows else None)
        with progress(f"rerank {len(ranked):,} pairs", len(ranked)) as advance:
            given = (candidates, scorer, queries, documents, depth, folder)
            run, cost = rerank.rerank(*given, advance, precision=precision, windows=windows)
        write_run(run, folder / "run.trec", "rerank")
        rerank.clear(folder)
        return {"cost": asdict(cost), "max_length": scorer.max_length}

    added = ({"precision": precision} if precision != "float32" else {}) | ({"windows": windows} if windows else {})
    return store.build(RERANK, {"depth": depth} | added, inputs, make, resumable=True)


def _by_similarity(
    store: Store, model: Pretrained, run: Run, queries: ById, documents: ById, depth: int, progress: Progress
) -> tuple[Run, rerank.Cost]:
    """Vectors that were there already cost what they cost then. A pair is cut where its document is."""
    late = is_multi_vector(model.path)
    texts: tuple[tuple[ById, Role], ...] = ((queries, "query"), (documents, "document"))
    made = [(encode_tokens if late else encode_texts)(store, model, part, role, progress) for part, role in texts]
    started = time.perf_counter()
    if late:
        asked, found = (TokenVectors.load(artifact.path) for artifact in made)
        ordered = rerank.by_tokens(run, depth, asked, found, _encoder(model.path).similarity)
    else:
        rows, matrix = map(Vectors.load, made)
        ordered = rerank.by_vectors(run, depth, rows.ids, rows.matrix, matrix.ids, matrix.matrix)
    seconds = time.perf_counter() - started + sum(artifact.record["wall_seconds"] for artifact in made)
    encoder, tokens = _encoder(model.path), sum(artifact.record["tokens"] for artifact in made)
    long = [count > encoder.max_length for count in encoder.token_counts(list(documents.values()))]
    cut = {doc_id for doc_id, is_long in zip(documents, long, strict=True) if is_long}
    pairs = [doc_id in cut for ranking in run.top(depth).values() for doc_id in ranking.doc_ids]
    return ordered, rerank.Cost(len(pairs), tokens, sum(pairs), seconds)


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
def _encoder(path: Path) -> Encoder:
    return load(path)
