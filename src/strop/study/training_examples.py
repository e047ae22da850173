"""Training examples of a study: its groups, every kind of negatives for them, and the held-out queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from strop.artifacts.progress import Progress
from strop.artifacts.store import Store
from strop.collection.panel import shuffled
from strop.models.pretrained import Pretrained
from strop.monitoring.probe import Probe, of_examples
from strop.negatives.examples import Examples
from strop.negatives.positives import positive_groups
from strop.negatives.taught import teach
from strop.negatives.triples import TRIPLES
from strop.records.documents import Collection, Group
from strop.study.definition import Preset, Scale
from strop.study.mining import Mining, Sources
from strop.study.negative_policies import Mined, Negatives, Provided, SelfMined, helpers
from strop.study.panels import HELD_OUT, Panels, triples
from strop.study.systems import Tuned
from strop.training import cross_fitting, initial_models
from strop.training.mining import Miner

#: Choices among models are made by how held-out queries rank at most so many training documents.
HELD_OUT_DOCUMENTS = 10_000
#: Folds of a cross-fitted teacher: each of its models is trained on half of the queries.
FOLDS = 2


@dataclass(frozen=True, eq=False)
class TrainingData:
    """What the systems of a study are trained on and evaluated on in training, over training documents only."""

    scale: Scale
    source: str
    panels: Panels
    base: Pretrained
    store: Store
    progress: Progress

    @property
    def seed(self) -> int:
        return self.scale.seeds[0]

    @cached_property
    def mining(self) -> Mining:
        panels = self.panels
        miner = Miner(panels.train_queries, panels.train_documents, self.store, self.progress)
        return Mining(panels.train, miner, self.base, self.seed)

    def examples(self, preset: Preset, how: Tuned, sources: Sources, initial: Pretrained) -> Examples:
        """What a system is trained on: the preset's training groups with its own negatives, `share` of them.

        `sources` are the preset's systems that mine or teach; `initial` mines the first negatives of a self-mined one.
        """
        if file := self.provided(how.negatives):
            return triples(file, how.share, self.scale.train_queries or 0, self.seed)[0]
        groups = self.groups(preset)[0]
        if how.share < 1:
            order = np.random.default_rng(self.seed).permutation(len(groups))
            groups = tuple(groups[i] for i in sorted(order[: int(how.share * len(groups))]))
        if how.negatives is not None:
            own: dict[str, list[Group]] = {}
            for group in self._rows(how.negatives, sources, initial):
                own.setdefault(group.query_id, []).append(group)
            groups = tuple(row for g in groups for row in own.get(g.query_id, ()))
        return Examples.of(groups, self.panels.train)

    def _rows(self, policy: Negatives, sources: Sources, initial: Pretrained) -> Sequence[Group]:
        if isinstance(policy, SelfMined):
            return replace(self.mining, base=initial).rows(policy)
        return self.mining.rows(policy, sources) if helpers(policy) else self._shared_rows(policy)

    @cache  # noqa: B019  these values live as long as their study runs
    def _shared_rows(self, policy: Negatives) -> tuple[Group, ...]:
        """The rows of a policy that names no system: every system's are the same."""
        return tuple(self.mining.rows(policy))

    def watched(self, preset: Preset, policy: Negatives) -> Examples:
        """The held-out groups with this kind of negatives."""
        if file := self.provided(policy):
            return triples(file, 1.0, self.scale.train_queries or 0, self.seed)[1]
        own = self.with_negatives(policy)
        return Examples.of([own[g.query_id] for g in self.groups(preset)[1]], self.panels.train)

    @cache  # noqa: B019
    def groups(self, preset: Preset) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
        """Training and held-out groups, without negatives: the queries for which every watched kind has some."""
        groups = positive_groups(self.panels.train, first_only=True)
        for _, policy in preset.watched:
            if not self.provided(policy):
                own = self.with_negatives(policy)
                groups = [g for g in groups if g.query_id in own]
        training, held_out = HELD_OUT.split(groups, self.seed)
        return tuple(training), tuple(held_out)

    @cached_property
    def folds(self) -> tuple[frozenset[str], ...]:
        """Training queries in parts that share no relevant document: a teacher scores what it was not trained on."""
        panels = self.panels
        groups = positive_groups(panels.train, first_only=True)
        return cross_fitting.folds(groups, FOLDS, self.seed, panels.train_queries, panels.train_documents)

    @cache  # noqa: B019
    def held_out(self, preset: Preset) -> Collection:
        """The held-out queries over training documents, the relevant ones among them: what choices are made on."""
        data, trainable = self.panels.train, self.panels.train_documents
        queries = {q: data.queries[q] for q in sorted({g.query_id for g in self.groups(preset)[1]})}
        judged = {d for q in queries for d in data.qrels[q]}
        pool = shuffled((d for d in trainable if d not in judged), "held-out documents")
        ids = sorted(judged.union(pool[:HELD_OUT_DOCUMENTS]) & trainable.keys())
        documents = {d: data.documents[d] for d in ids}
        qrels = {q: {d: r for d, r in data.qrels[q].items() if d in documents} for q in queries}
        return replace(data, split="held out", documents=documents, queries=queries, qrels=qrels)

    @cache  # noqa: B019
    def with_negatives(self, policy: Negatives) -> Mapping[str, Group]:
        """Query id -> its group with negatives."""
        return {g.query_id: g for g in self._shared_rows(policy)}

    def provided(self, policy: Negatives | None) -> Path | None:
        """The file of triples that a policy takes: of Provided ones, where one comes with the collection."""
        path = Path(self.source) / TRIPLES
        return path if isinstance(policy, Provided) and path.is_file() else None

    def distillation(self) -> Examples:
        """What the base's first layers are distilled on: training queries, documents that the base ranks high for them,
        and its scores."""
        window = initial_models.DISTILLATION_WINDOW
        groups = self.mining.mined(window, self.base)
        return Examples.of(teach(groups, self.mining.run(Mined(window))), self.panels.train)


def held_out_probe(training: Examples, watched: Mapping[str, Examples], share: float) -> Probe | None:
    """A probe of held-out queries among training documents: no test text is in it."""
    held_out = next(iter(watched.values()))
    both = replace(held_out, documents={**training.documents, **held_out.documents})
    return of_examples(both, held_out.groups, share)
