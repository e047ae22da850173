"""The retriever without a model: BM25."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.records.errors import InputError
from strop.records.runs import write_run
from strop.retrieval.lexical import BM25
from strop.retrieval.stages import LEXICAL
from strop.retrieval.texts import ById, texts_key


@dataclass(frozen=True, slots=True)
class Lexical:
    """BM25 as a retriever: it searches, and that is all."""

    bm25: BM25

    has_geometry: ClassVar[bool] = False
    untrained: ClassVar[tuple[str, ...]] = ()

    def search(
        self,
        store: Store,
        queries: ById,
        documents: ById,
        depth: int,
        exclude: ById | None = None,
        progress: Progress = silent,
    ) -> Artifact:
        """Artifact `lexical`: `run.trec`."""
        values = {"bm25": self.bm25, "depth": depth, "exclude": dict(exclude or {})}

        def make(folder: Path) -> None:
            with progress(f"BM25 over {len(documents):,} documents", len(queries)) as advance:
                run = self.bm25.search(documents, queries, depth, exclude, advance)
            write_run(run, folder / "run.trec", "bm25")

        return store.build(LEXICAL, values, {"queries": texts_key(queries), "documents": texts_key(documents)}, make)

    def rerank(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("BM25 puts no run in a new order", remedy="Give a model")

    def represent(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("BM25 has no vectors", remedy="Give a model")

    def score(self, *_: Any, **__: Any) -> NoReturn:
        raise InputError("BM25 has no vectors", remedy="Give a model")
