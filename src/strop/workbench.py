"""The workbench: a study at a scale, and every artifact of it, made when first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path

import numpy as np

from strop import stages, starts
from strop.artifacts import Artifact, Store
from strop.batches import Batching
from strop.collection.contents import Contents
from strop.collection.panel import shuffled
from strop.diagnose import sample_of
from strop.geometry.sample import Sample
from strop.lexical import BM25
from strop.material import HELD_OUT, Material, read, tested, triples
from strop.measures import evaluate, mean
from strop.mining import Mining, is_made, miners, refreshed
from strop.models.architecture import Start
from strop.models.loading import is_multi_vector
from strop.models.pretrained import Pretrained, resolve
from strop.monitor import affordable
from strop.negatives.group_files import Examples
from strop.negatives.positives import positive_groups
from strop.negatives.taught import teach
from strop.negatives.triples import TRIPLES
from strop.nouns import Collection, Group, InputError
from strop.probe import DOCUMENTS, QUERIES, Probe, of_collection, of_examples
from strop.stages import Progress, Vectors, silent
from strop.study import Mined, Negatives, Preset, Provided, Rates, Scale, SelfMined, Study, Tuned
from strop.tuning import Training, tuned_model

#: Learning rates are chosen by how the held-out queries rank at most so many training documents.
RATE_DOCUMENTS = 10_000
#: Queries a batch while a model cut short is taught, where the scale sets no limit.
LESSON_BATCH = 32


class Workbench:
    """Artifacts of a study at a scale: what is there is read, what is not is made and kept.

    `source` is the collection. Raises InputError on bad data, before any model is loaded.
    """

    def __init__(
        self,
        study: Study,
        scale: Scale,
        source: str,
        store: Store,
        progress: Progress = silent,
        others: Sequence[str] = (),
    ) -> None:
        self.study, self.scale, self.source, self.store, self.progress = study, scale, source, store, progress
        self.others = tuple(others) or scale.others

    @cached_property
    def material(self) -> Material:
        return read(self.study, self.scale, self.source, self.store.root, self.progress)

    @cached_property
    def panels(self) -> Mapping[str, Collection]:
        """Every collection that systems are tested on, by name: its own first. Raises InputError when two share one."""
        found = {self.material.test.name: self.material.test}
        for source in self.others:
            collection = tested(self.scale, source, self.store.root)
            if collection.name in found:
                raise InputError(f"two collections are named {collection.name!r}", where=source, remedy="Leave one out")
            found[collection.name] = collection
        return found

    def ranking(self, preset: Preset, name: str, seed: int, collection: Collection | None = None) -> Artifact:
        """The Run of a system over the test panel, or over another collection's."""
        return self.retrieve(preset.system(name).how, self.model(preset, name, seed), collection or self.material.test)

    def retrieve(self, how: BM25 | Start | Tuned | None, model: Pretrained, collection: Collection) -> Artifact:
        queries = {q.id: q.text for q in collection.queries.values()}
        documents, own = Contents(collection.documents), _own(collection)
        if isinstance(how, BM25):
            found = stages.search_lexical(self.store, how, queries, documents, self.scale.depth, own, self.progress)
        else:
            found = stages.search_dense(self.store, model, queries, documents, self.scale.depth, own, self.progress)
        return found

    @cached_property
    def probe(self) -> Probe:
        """What of the test panel geometry is read on."""
        test = self.material.test
        return of_collection(test, min(QUERIES, len(test.queries)), min(DOCUMENTS, len(test.documents)))

    def sample(self, model: Pretrained) -> Sample:
        """How a model sees the probe, by the vectors it searches the test panel with."""
        test = self.material.test
        queries, documents = {q.id: q.text for q in test.queries.values()}, Contents(test.documents)
        if is_multi_vector(model.path):
            return sample_of(self.store, model, self.probe, self.progress)
        asked = Vectors.load(stages.encode_texts(self.store, model, queries, "query", self.progress))
        found = Vectors.load(stages.encode_texts(self.store, model, documents, "document", self.progress))
        return self.probe.sample(asked.of(self.probe.queries), found.of(self.probe.documents))

    def values(
        self,
        preset: Preset,
        name: str,
        measure: str,
        collection: Collection | None = None,
        seeds: tuple[int, ...] = (),
    ) -> list[dict[str, float]]:
        """Per-query values of a system on the test panel or another collection's, a mapping a seed."""
        tested = collection or self.material.test
        if not seeds:
            seeds = self.seeds(preset) if isinstance(preset.system(name).how, Tuned) else self.scale.seeds[:1]
        runs = [stages.run_of(self.ranking(preset, name, seed, tested)) for seed in seeds]
        return [evaluate(run, tested.qrels, (measure,))[measure] for run in runs]

    def seeds(self, preset: Preset) -> tuple[int, ...]:
        return self.scale.seeds[: self.scale.presets.get(preset.name, 1)]

    def model(self, preset: Preset, name: str, seed: int) -> Pretrained:
        """The tuned model, or for a system that is not tuned what it is made of: the base in its architecture."""
        how = preset.system(name).how
        if isinstance(how, Tuned):
            return tuned_model(self.training(preset, name, seed))
        return self.start(how if isinstance(how, Start) else None)

    def start(self, start: Start | None) -> Pretrained:
        """What a training starts from."""
        base = resolve(start.base) if start and start.base else self.material.base
        if start and start.layers:
            base = tuned_model(self.teaching(start.layers)(self.store, self.progress))
        return starts.converted(self.store, base, start.architecture) if start and start.architecture else base

    def teaching(self, layers: int) -> Training:
        """What teaches the base's first layers."""
        size, seed = self.scale.largest_batch or LESSON_BATCH, self.scale.seeds[0]
        return starts.teaching(self.store, self.material.base, layers, self.lesson(), size, seed)

    def lesson(self) -> Examples:
        """Training queries with documents the base ranks high and its scores of them."""
        shared, window = self.material, starts.LESSON_WINDOW
        groups = self.mining.mined(window, shared.base)
        return Examples.of(teach(groups, self.mining.run(Mined(window))), shared.train)

    def training(self, preset: Preset, name: str, seed: int) -> Artifact:
        return self.job(preset, name, seed)(self.store, self.progress)

    def job(self, preset: Preset, name: str, seed: int) -> Training:
        """What trains a tuned system, at its chosen learning rate: choosing it may train others first."""
        how = preset.system(name).how
        assert isinstance(how, Tuned)
        if how.rates:
            how = _at_rate(how, self.rate(preset, how.rates))
        return refreshed(self._job(preset, how, seed), how.negatives, self.mining)

    def is_done(self, preset: Preset, name: str, seed: int) -> bool:
        """Whether a tuned system needs no more training: neither its own nor of what mines or starts it."""
        how = preset.system(name).how
        assert isinstance(how, Tuned)
        if not self._is_ready(preset, how):
            return False
        if how.rates:
            on = preset.system(how.rates.on).how
            if not (isinstance(on, Tuned) and self._is_ready(preset, on)):
                return False
            jobs = [self._rate_job(preset, how.rates, rate) for rate in how.rates.values]
            if not all(job.found(self.store) for job in jobs):
                return False
            how = _at_rate(how, self.rate(preset, how.rates))
        return is_made(self._job(preset, how, seed), how.negatives, self.mining)

    def _is_ready(self, preset: Preset, how: Tuned) -> bool:
        """Whether asking for what trains it would train nothing else first."""
        if how.start and how.start.layers and self.teaching(how.start.layers).found(self.store) is None:
            return False
        return all(self.is_done(preset, miner, self.scale.seeds[0]) for miner in miners(how.negatives))

    @cache  # noqa: B019  a workbench lives as long as its study runs
    def rate(self, preset: Preset, rates: Rates) -> float:
        """The learning rate whose model ranks the held-out queries best; the lower of equals."""
        return max(sorted(rates.values), key=lambda rate: self.held_out_value(preset, rates, rate))

    def held_out_value(self, preset: Preset, rates: Rates, rate: float) -> float:
        """RR@10 over held-out queries and training documents of the system the rates are chosen on, tuned at `rate`."""
        tuned = self._rate_job(preset, rates, rate)(self.store, self.progress)
        data, queries = self.material.train, sorted({g.query_id for g in self.groups(preset)[1]})
        needed = {d for q in queries for d in data.qrels[q]}
        pool = shuffled((d for d in self.material.train_documents if d not in needed), "held-out documents")
        kept = needed.union(pool[:RATE_DOCUMENTS]) & self.material.train_documents.keys()
        documents = {d: data.documents[d].contents for d in sorted(kept)}
        texts = {q: data.queries[q].text for q in queries}
        found = stages.search_dense(self.store, tuned_model(tuned), texts, documents, 10, None, self.progress)
        judged = {q: {d: r for d, r in data.qrels[q].items() if d in documents} for q in queries}
        return mean(evaluate(stages.run_of(found), judged, ("RR@10",))["RR@10"])

    def _rate_job(self, preset: Preset, rates: Rates, rate: float) -> Training:
        how = preset.system(rates.on).how
        assert isinstance(how, Tuned)
        return self._job(preset, _at_rate(how, rate), self.scale.seeds[0])

    def _job(self, preset: Preset, how: Tuned, seed: int) -> Training:
        training = self.examples(preset, how)
        watched = {name: self.watched(preset, policy) for name, policy in preset.watched}
        batching = self._batching(preset, how)
        epochs = max(1, round(how.epochs * self.scale.epochs_share))
        updates = epochs * batching.per_epoch(len(training.groups))
        recipe = replace(how.recipe, updates=updates, batching=batching)
        probe = None
        if watched and (share := affordable(recipe, training.groups)):
            probe = held_out_probe(training, watched, share)
        return Training(self.start(how.start), recipe, training, watched, seed, probe)

    def _batching(self, preset: Preset, how: Tuned) -> Batching:
        """The batch at this scale: every system's shrinks by the factor of the preset's largest."""
        largest = max(s.how.recipe.batching.size for s in preset.systems if isinstance(s.how, Tuned))
        shrink = max(1.0, largest / (self.scale.largest_batch or largest))
        share, size = self.scale.batch_share, how.recipe.batching.size
        return replace(how.recipe.batching, size=max(1, round(size * share if share else size / shrink)))

    def examples(self, preset: Preset, how: Tuned) -> Examples:
        """What a system is trained on: the preset's training groups with its own negatives, `share` of them."""
        seed = self.scale.seeds[0]
        if isinstance(how.negatives, Provided) and self.triples:
            return triples(self.triples, how.share, self.scale.train_queries or 0, seed)[0]
        groups = self.groups(preset)[0]
        if how.share < 1:
            order = np.random.default_rng(seed).permutation(len(groups))
            groups = tuple(groups[i] for i in sorted(order[: int(how.share * len(groups))]))
        if how.negatives is not None:
            own = self.rows(preset, how)
            groups = tuple(row for g in groups for row in own.get(g.query_id, ()))
        return Examples.of(groups, self.material.train)

    def watched(self, preset: Preset, policy: Negatives) -> Examples:
        """The held-out groups with this kind of negatives."""
        if isinstance(policy, Provided) and self.triples:
            return triples(self.triples, 1.0, self.scale.train_queries or 0, self.scale.seeds[0])[1]
        own = self.with_negatives(policy)
        return Examples.of([own[g.query_id] for g in self.groups(preset)[1]], self.material.train)

    @property
    def triples(self) -> Path | None:
        """The file of triples that comes with the collection, if one does."""
        path = Path(self.source) / TRIPLES
        return path if path.is_file() else None

    @cache  # noqa: B019
    def groups(self, preset: Preset) -> tuple[tuple[Group, ...], tuple[Group, ...]]:
        """Training and held-out groups, without negatives: the queries for which every watched kind has some."""
        groups = positive_groups(self.material.train, first_only=True)
        for _, policy in preset.watched:
            if not (isinstance(policy, Provided) and self.triples):
                own = self.with_negatives(policy)
                groups = [g for g in groups if g.query_id in own]
        training, held_out = HELD_OUT.split(groups, self.scale.seeds[0])
        return tuple(training), tuple(held_out)

    @cache  # noqa: B019
    def with_negatives(self, policy: Negatives) -> Mapping[str, Group]:
        """Query id -> its group with negatives, mined over training documents only."""
        return {g.query_id: g for g in self.mining.rows(policy)}

    def rows(self, preset: Preset, how: Tuned) -> Mapping[str, list[Group]]:
        """Query id -> its groups with a system's negatives: of a union one for each source."""
        assert how.negatives is not None
        seed, found, mining = self.scale.seeds[0], dict[str, list[Group]](), self.mining
        if isinstance(how.negatives, SelfMined):
            mining = replace(mining, base=self.start(how.start))
        for group in mining.rows(how.negatives, lambda name: self.model(preset, name, seed)):
            found.setdefault(group.query_id, []).append(group)
        return found

    @cached_property
    def mining(self) -> Mining:
        shared = self.material
        args = (shared.train, shared.train_queries, shared.train_documents, shared.base)
        return Mining(*args, self.scale.seeds[0], self.store, self.progress)


def held_out_probe(training: Examples, watched: Mapping[str, Examples], share: float) -> Probe | None:
    """A probe of held-out queries among training documents: no test text is in it."""
    held_out = next(iter(watched.values()))
    both = replace(held_out, documents={**training.documents, **held_out.documents})
    return of_examples(both, held_out.groups, share)


def _at_rate(how: Tuned, rate: float) -> Tuned:
    return replace(how, recipe=replace(how.recipe, optimizer=replace(how.recipe.optimizer, learning_rate=rate)))


def _own(collection: Collection) -> dict[str, str]:
    """The document that is the query itself, where there is one."""
    pairs = ((q, collection.own_document(q)) for q in collection.queries)
    return {q: d for q, d in pairs if d is not None}
