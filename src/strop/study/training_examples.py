"""Training data of a study: its groups, every kind of negatives for them, and what is held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
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
from strop.study.panels import HELD_OUT, Material, triples
from strop.study.systems import Mined, Negatives, Provided, SelfMined, Tuned
from strop.training import cross_fitting, initial_models

#: Choices among models are made by how held-out queries rank at most so many training documents.
HELD_OUT_DOCUMENTS = 10_000
#: A teacher's parts: each is trained on half of the queries.
FOLDS = 2


class TrainingData:
    """What systems of a study are trained on and watched with, over training documents only."""

    def __init__(self, scale: Scale, source: str, material: Material, store: Store, progress: Progress) -> None:
        self.scale, self.source, self.material = scale, source, material
        self.seed = scale.seeds[0]
        args = (material.train, material.train_queries, material.train_documents, material.base)
        self.mining = Mining(*args, self.seed, store, progress)

    def examples(self, preset: Preset, how: Tuned, sources: Sources, start: Pretrained) -> Examples:
        """What a system is trained on: the preset's training groups with its own negatives, `share` of them.

        `sources` are the preset's systems that mine or teach; `start` mines for a system that does so itself.
        """
        if isinstance(how.negatives, Provided) and self.triples:
            return triples(self.triples, how.share, self.scale.train_queries or 0, self.seed)[0]
        groups = self.groups(preset)[0]
        if how.share < 1:
            order = np.random.default_rng(self.seed).permutation(len(groups))
            groups = tuple(groups[i] for i in sorted(order[: int(how.share * len(groups))]))
        if how.negatives is not None:
            mining = self.mining
            if isinstance(how.negatives, SelfMined):
                mining = replace(mining, base=start)
            own: dict[str, list[Group]] = {}
            for group in mining.rows(how.negatives, sources):
                own.setdefault(group.query_id, []).append(group)
            groups = tuple(row for g in groups for row in own.get(g.query_id, ()))
        return Examples.of(groups, self.material.train)

    def watched(self, preset: Preset, policy: Negatives) -> Examples:
        """The held-out groups with this kind of negatives."""
        if isinstance(policy, Provided) and self.triples:
            return triples(self.triples, 1.0, self.scale.train_queries or 0, self.seed)[1]
        own = self.with_negatives(policy)
        return Examples.of([own[g.query_id] for g in self.groups(preset)[1]], self.material.train)

    @cache  # noqa: B019  it lives as long as its study runs
    def groups(self, preset: Preset) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
        """Training and held-out groups, without negatives: the queries for which every watched kind has some."""
        groups = positive_groups(self.material.train, first_only=True)
        for _, policy in preset.watched:
            if not (isinstance(policy, Provided) and self.triples):
                own = self.with_negatives(policy)
                groups = [g for g in groups if g.query_id in own]
        training, held_out = HELD_OUT.split(groups, self.seed)
        return tuple(training), tuple(held_out)

    @cached_property
    def folds(self) -> tuple[frozenset[str], ...]:
        """Training queries in two parts that share no relevant document, for a teacher that knows none it scores."""
        groups, material = positive_groups(self.material.train, first_only=True), self.material
        return cross_fitting.folds(groups, FOLDS, self.seed, material.train_queries, material.train_documents)

    @cache  # noqa: B019
    def held_out(self, preset: Preset) -> Collection:
        """The held-out queries over training documents, the relevant ones among them: what choices are made on."""
        data, queries = self.material.train, sorted({g.query_id for g in self.groups(preset)[1]})
        needed = {d for q in queries for d in data.qrels[q]}
        pool = shuffled((d for d in self.material.train_documents if d not in needed), "held-out documents")
        kept = sorted(needed.union(pool[:HELD_OUT_DOCUMENTS]) & self.material.train_documents.keys())
        documents = {d: data.documents[d] for d in kept}
        judged = {q: {d: r for d, r in data.qrels[q].items() if d in documents} for q in queries}
        texts = {q: data.queries[q] for q in queries}
        return replace(data, split="held out", documents=documents, queries=texts, qrels=judged)

    @cache  # noqa: B019
    def with_negatives(self, policy: Negatives) -> Mapping[str, Group]:
        """Query id -> its group with negatives."""
        return {g.query_id: g for g in self.mining.rows(policy)}

    @cached_property
    def triples(self) -> Path | None:
        """The file of triples that comes with the collection, if one does."""
        path = Path(self.source) / TRIPLES
        return path if path.is_file() else None

    def lesson(self) -> Examples:
        """Training queries with documents the base ranks high and its scores of them."""
        shared, window = self.material, initial_models.LESSON_WINDOW
        groups = self.mining.mined(window, shared.base)
        return Examples.of(teach(groups, self.mining.run(Mined(window))), shared.train)


def held_out_probe(training: Examples, watched: Mapping[str, Examples], share: float) -> Probe | None:
    """A probe of held-out queries among training documents: no test text is in it."""
    held_out = next(iter(watched.values()))
    both = replace(held_out, documents={**training.documents, **held_out.documents})
    return of_examples(both, held_out.groups, share)
