"""Retriever: the one value that ranks, made once from a name or a model; no caller asks which kind it is."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn, Protocol

from torch import Tensor

from strop.artifacts.store import Artifact
from strop.models.cross_encoder import Reranker, untrained_in
from strop.models.encoder import Role
from strop.models.loading import loaded_by, no_vectors
from strop.models.pretrained import Pretrained, resolve
from strop.models.scoring import Precision, Representation
from strop.records.errors import InputError, InputWarning, excerpt
from strop.records.runs import Run, write_run
from strop.retrieval import rerank
from strop.retrieval.by_vectors import VectorPerText, VectorPerToken
from strop.retrieval.candidates import Candidates
from strop.retrieval.lexical import BM25
from strop.retrieval.stages import LEXICAL, build_run
from strop.retrieval.task import Task
from strop.retrieval.windows import Windows
from strop.retrieval.words import has_paired_letters


class Retriever(Protocol):
    """What ranks documents for queries: all of a collection's, or a run's candidates."""

    @property
    def has_geometry(self) -> bool:
        """Whether each text has a place of its own among the others, so that geometry can be read."""
        ...

    @property
    def untrained(self) -> tuple[str, ...]:
        """Its modules with random weights that nothing has trained: with one, scores carry no order."""
        ...

    def search(self, task: Task, depth: int) -> Artifact:
        """Artifact with `run.trec`: the `depth` best of all documents, exact. Raises InputError where it has nothing to
        search with."""
        ...

    def rerank(
        self, task: Task, run: Run, depth: int, precision: Precision = "float32", windows: Windows | None = None
    ) -> Artifact:
        """Artifact `rerank`: `run.trec`, each query's first `depth` candidates in its order, and `cost` in the record.

        Only texts of the run are encoded. A killed call goes on at the block, or the encoding, it was in. Raises
        InputError for an id that is not there, and for a precision or windows of what reads no pairs."""
        ...

    def represent(self, task: Task, role: Role, ids: Sequence[str]) -> Representation:
        """The searchable vectors of some texts of one side. Raises InputError without a geometry."""
        ...

    def score(self, queries: Representation, documents: Representation) -> Tensor:
        """Scores `(Q, K)` of such vectors, as `search` ranks by. Raises InputError without a geometry."""
        ...


@dataclass(frozen=True, slots=True)
class Lexical:
    """BM25: it searches, and that is all."""

    bm25: BM25

    has_geometry: ClassVar[bool] = False
    untrained: ClassVar[tuple[str, ...]] = ()

    def search(self, task: Task, depth: int) -> Artifact:
        """Artifact `lexical`. Warns of queries that are searched by pairs of letters. Raises InputError when no query
        shares a word with any document."""
        suited = self.bm25.suited(task.queries.values())
        if paired := [q for q, text in task.queries.items() if has_paired_letters(text)]:
            which = f"{len(paired):,} of {len(task.queries):,} queries (first: {excerpt(paired[0])})"
            problem = f"{which} are in Chinese, Japanese, Korean, Thai or the like"
            rule = "BM25 takes pairs of their letters for words, as Lucene's CJKAnalyzer"
            warnings.warn(f"{problem}: {rule}", InputWarning, stacklevel=2)

        def rank() -> Run:
            with task.progress(f"BM25 over {len(task.documents):,} documents", len(task.queries)) as advance:
                run = suited.search(task.documents, task.queries, depth, task.exclude, advance)
            if not any(ranking.doc_ids for ranking in run.values()):
                problem = "BM25 finds nothing: no query shares a word with any document"
                raise InputError(problem, remedy="Check that both are of one language, or search with a model")
            return run

        values = {"bm25": suited, "depth": depth, "exclude": dict(task.exclude)}
        return build_run(task.store, LEXICAL, values, task.keys, "bm25", rank)

    def rerank(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("BM25 puts no run in a new order", remedy="Give a model")

    def represent(self, *_: Any) -> NoReturn:
        raise InputError("BM25 has no vectors", remedy="Give a model")

    score = represent


@dataclass(frozen=True, slots=True)
class ReadsPairs:
    """A cross-encoder: it reads pairs to put a run in a new order, and searches nothing."""

    model: Pretrained

    has_geometry: ClassVar[bool] = False

    @property
    def untrained(self) -> tuple[str, ...]:
        return untrained_in(self.model.path)

    def rerank(
        self, task: Task, run: Run, depth: int, precision: Precision = "float32", windows: Windows | None = None
    ) -> Artifact:
        """By the logits of pairs."""
        candidates = Candidates.of(task, run, depth)

        def make(folder: Path) -> dict[str, Any]:
            scorer, pairs = Reranker.load(self.model.path, windows.max_length if windows else None), candidates.ranked
            with task.progress(f"rerank {len(pairs):,} pairs", len(pairs)) as advance:
                reranked, cost = rerank.rerank(candidates, scorer, folder, advance, precision, windows)
            write_run(reranked, folder / "run.trec", "rerank", replace=True)
            rerank.clear(folder)
            return {"cost": asdict(cost), "max_length": scorer.max_length}

        settings = {"precision": precision if precision != "float32" else None, "windows": windows}
        return candidates.build(self.model, {name: value for name, value in settings.items() if value}, make)

    def search(self, *_: Any) -> NoReturn:
        raise no_vectors(self.model.path)

    represent = score = search


def retriever(name: str) -> Retriever:
    """`bm25`, or the model of a folder or a hub id. Raises InputError as `resolve` does."""
    return Lexical(BM25()) if name == "bm25" else retriever_of(resolve(name))


def retriever_of(source: Pretrained | BM25) -> Retriever:
    """What the model's folder says that it holds."""
    if isinstance(source, BM25):
        return Lexical(source)
    kind = loaded_by(source.path)
    if kind == "CrossEncoder":
        return ReadsPairs(source)
    return VectorPerToken(source) if kind == "MultiVectorEncoder" else VectorPerText(source)
