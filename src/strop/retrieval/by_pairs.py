"""The retriever that reads a query and a document together: it puts a run in a new order, and searches nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, NoReturn

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.models.cross_encoder import untrained_in
from strop.models.loading import load_scorer, no_vectors
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision
from strop.records.runs import Run, write_run
from strop.retrieval import rerank
from strop.retrieval.candidates import Candidates
from strop.retrieval.texts import ById
from strop.retrieval.windows import Windows


@dataclass(frozen=True, slots=True)
class ReadsPairs:
    """A cross-encoder."""

    model: Pretrained

    has_geometry: ClassVar[bool] = False

    @property
    def untrained(self) -> tuple[str, ...]:
        return untrained_in(self.model.path)

    def search(self, *_: Any, **__: Any) -> NoReturn:
        raise no_vectors(self.model.path)

    def rerank(
        self,
        store: Store,
        candidates: Run,
        queries: ById,
        documents: ById,
        depth: int,
        progress: Progress = silent,
        precision: Precision = "float32",
        windows: Windows | None = None,
    ) -> Artifact:
        """Artifact `rerank`, by the logits of pairs."""
        listed = Candidates.of(candidates, queries, documents, depth)

        def make(folder: Path) -> dict[str, Any]:
            scorer = load_scorer(self.model.path, windows.max_length if windows else None)
            with progress(f"rerank {len(listed.ranked):,} pairs", len(listed.ranked)) as advance:
                run, cost = rerank.rerank(
                    candidates, scorer, queries, documents, depth, folder, advance, precision=precision, windows=windows
                )
            write_run(run, folder / "run.trec", "rerank")
            rerank.clear(folder)
            return {"cost": asdict(cost), "max_length": scorer.max_length}

        settings = {"precision": precision if precision != "float32" else None, "windows": windows}
        return listed.build(store, self.model, {name: value for name, value in settings.items() if value}, make)

    def represent(self, *_: Any, **__: Any) -> NoReturn:
        raise no_vectors(self.model.path)

    def score(self, *_: Any, **__: Any) -> NoReturn:
        raise no_vectors(self.model.path)
