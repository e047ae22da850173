"""Looks: what weights between base and tuned do on the pools of dev queries and guards. Only the values are kept."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Stage, Store
from strop.geometry.drift import neighbour_overlap
from strop.models.interpolation import interpolate
from strop.models.pretrained import Pretrained, resolve
from strop.models.scoring import Precision
from strop.records.documents import Collection
from strop.records.results import read_json, write_json
from strop.retrieval.retriever import retriever_of
from strop.retrieval.task import Task
from strop.tuning.ranking import ranked, values

LOOK = Stage("look", 1)
#: Candidates that a cross-encoder reorders in a pool.
CANDIDATES = 20
#: Documents whose neighbours are compared with the base's, at most.
NEIGHBOURS = 400


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """Values by pool and query, and how many of a document's ten nearest neighbours are still the base's; None where
    there is no geometry."""

    values: Mapping[str, Mapping[str, float]]
    overlap: float | None


@dataclass(frozen=True, eq=False)
class Panel:
    """The base, and the pools that every candidate is compared on: dev queries first, then each guard's."""

    store: Store
    base: Pretrained
    pools: Mapping[str, Collection]
    precision: Precision
    progress: Progress = silent

    def base_look(self) -> Seen:
        return self((), 0.0)

    def __call__(self, tuned: Sequence[Pretrained], share: float) -> Seen:
        """The weights at `share` of the way from the base to the mean of the tuned ones. Killed, it begins again."""

        def make(folder: Path) -> None:
            scratch, model = Store(folder / "scratch"), self.base
            if share:
                interpolate(self.base.path, [each.path for each in tuned], share, folder / "model")
                model = resolve(str(folder / "model"))
            with self.progress("look", len(self.pools)) as advance:
                of = {}
                for name, pool in self.pools.items():
                    of[name] = values(ranked(scratch, model, pool, self.precision, CANDIDATES), pool)
                    advance(1)
            write_json({"values": of}, folder / "look.json")
            if retriever_of(model).has_geometry:
                np.save(folder / "documents.npy", self._documents(scratch, model))
            shutil.rmtree(folder / "scratch")
            shutil.rmtree(folder / "model", ignore_errors=True)

        inputs = {name: pool.fingerprint for name, pool in self.pools.items()}
        inputs |= {"base": self.base.identity, "tuned": " ".join(each.identity for each in tuned)}
        artifact = self.store.build(LOOK, {"share": share, "precision": self.precision}, inputs, make)
        read = read_json(dict[str, dict[str, dict[str, float]]], artifact.path / "look.json")["values"]
        return Seen(read, self._overlap(artifact) if share else 1.0)

    def _documents(self, scratch: Store, model: Pretrained) -> np.ndarray:
        """Vectors `(N, D)` of the first pool's documents: of a model with one vector per token, their mean."""
        pool = next(iter(self.pools.values()))
        task = Task.of(pool, scratch, precision=self.precision)
        rows = retriever_of(model).represent(task, "document", list(pool.documents)[:NEIGHBOURS])
        if rows.mask is None:
            return rows.vectors.numpy()
        weights = rows.mask.unsqueeze(-1)
        return ((rows.vectors * weights).sum(1) / weights.sum(1).clamp(min=1)).numpy()

    def _overlap(self, artifact: Artifact) -> float | None:
        if not (artifact.path / "documents.npy").is_file():
            return None
        inputs = dict(artifact.record["inputs"]) | {"tuned": ""}
        base = self.store.find(LOOK, self.store.key(LOOK, {"share": 0.0, "precision": self.precision}, inputs))
        assert base is not None  # looked at first
        ours, theirs = (np.load(each.path / "documents.npy", allow_pickle=False) for each in (artifact, base))
        return neighbour_overlap(ours, theirs)
