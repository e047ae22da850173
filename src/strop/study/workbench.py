"""The workbench: a study at a scale, and every artifact of it, made when first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.evaluation.measures import evaluate, mean
from strop.geometry.sample import Sample
from strop.models.pretrained import Pretrained, resolve
from strop.models.scoring import Joint, Precision
from strop.monitoring.diagnose import sample_of
from strop.monitoring.monitor import affordable
from strop.monitoring.probe import DOCUMENTS, QUERIES, Probe, of_collection
from strop.negatives.examples import Examples
from strop.records.documents import Collection
from strop.records.runs import Run
from strop.retrieval import rankings, stages
from strop.retrieval.lexical import BM25
from strop.retrieval.rankings import read_candidates
from strop.retrieval.retriever import retriever_of
from strop.retrieval.texts import texts
from strop.retrieval.windows import Windows
from strop.study.definition import Preset, Scale, Study
from strop.study.mining import refreshed
from strop.study.panels import Material, Panel, panels, read
from strop.study.systems import Fused, How, Rates, Reranked, Start, Tuned, WithPositive
from strop.study.training_examples import TrainingData, held_out_probe
from strop.training import cross_fitting, initial_models
from strop.training.batches import Batching
from strop.training.optimizers import Optimizer
from strop.training.stage import Training, tuned_model

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
        candidates: Sequence[str] = (),
    ) -> None:
        self.study, self.scale, self.source, self.store, self.progress = study, scale, source, store, progress
        self.others = tuple(others) or scale.others
        self.candidates = read_candidates(candidates)

    @cached_property
    def material(self) -> Material:
        return read(self.study, self.scale, self.source, self.store.docstrings, self.progress)

    @cached_property
    def data(self) -> TrainingData:
        return TrainingData(self.scale, self.source, self.material, self.store, self.progress)

    @property
    def panels(self) -> Mapping[str, Collection]:
        """Every collection that systems are tested on, by name: its own first. Raises InputError when two share a name,
        and for candidates of other queries."""
        return {name: panel.collection for name, panel in self._tested.items()}

    @cached_property
    def _tested(self) -> Mapping[str, Panel]:
        return panels(self.material.test, self.scale, self.others, self.candidates, self.store.docstrings)

    def ranking(self, preset: Preset, name: str, seed: int, collection: Collection | None = None) -> Artifact:
        """The Run of a system over the test panel, or over another collection's."""
        among, how, depth = collection or self.material.test, preset.system(name).how, self.scale.rerank_depth

        def part(system: str) -> Artifact:
            return self.ranking(preset, system, seed, among)

        def reordered(first: Artifact, by: str, depth: int, windows: Windows | None = None) -> Artifact:
            order, precision = retriever_of(self.model(preset, by, seed)), _precision(preset.system(by).how)
            return rankings.reordered(self.store, order, first, among, depth, precision, self.progress, windows)

        match how:
            case Fused():
                return rankings.fused(self.store, [part(system) for system in how.of], how.method)
            case WithPositive():
                return rankings.with_positive(self.store, part(how.of), among, how.negatives)
            case Reranked():
                return reordered(part(how.first), how.by, how.depth, how.windows)
            case Tuned(reranks=True):
                return reordered(part(preset.candidates), name, depth)
        if (panel := self._tested.get(among.name)) and panel.candidates:
            first = rankings.given(self.store, panel.candidates, among)
            return first if isinstance(how, BM25) else reordered(first, name, depth)
        return self.retrieve(how if isinstance(how, BM25) else None, self.model(preset, name, seed), among)

    def is_given(self, collection: Collection) -> bool:
        """Whether a panel's candidates were given, and nothing is searched."""
        panel = self._tested.get(collection.name)
        return panel is not None and panel.candidates is not None

    def retrieve(self, how: BM25 | None, model: Pretrained, collection: Collection) -> Artifact:
        """What BM25, or else the model finds in a collection."""
        return rankings.searched(self.store, retriever_of(how or model), collection, self.scale.depth, self.progress)

    @cached_property
    def probe(self) -> Probe:
        """What of the test panel geometry is read on."""
        test = self.material.test
        return of_collection(test, min(QUERIES, len(test.queries)), min(DOCUMENTS, len(test.documents)))

    def sample(self, model: Pretrained) -> Sample:
        """How a model sees the probe, by the vectors it searches the test panel with."""
        queries, documents = texts(self.material.test)
        return sample_of(self.store, model, self.probe, self.progress, queries, documents)

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
            seeds = self.seeds(preset) if preset.trained(name) else self.scale.seeds[:1]
        runs = [stages.run_of(self.ranking(preset, name, seed, tested)) for seed in seeds]
        return [evaluate(run, tested.qrels, (measure,))[measure] for run in runs]

    def seeds(self, preset: Preset) -> tuple[int, ...]:
        return self.scale.seeds[: self.scale.presets.get(preset.name, 1)]

    def model(self, preset: Preset, name: str, seed: int) -> Pretrained:
        """The tuned model, or for a system that is not tuned what it is made of: the base in its architecture."""
        how = preset.system(name).how
        if not isinstance(how, Tuned):
            return self.start(how if isinstance(how, Start) else None, seed)
        if how.after is None:
            return tuned_model(self.training(preset, name, seed))
        job = self.job(preset, name, seed)
        return tuned_model(job.snapshot(self.store, job.snapshot_steps[how.after - 1], self.progress))

    def start(self, start: Start | None, seed: int) -> Pretrained:
        """What a training starts from; `seed` draws what is random in it."""
        start = start or Start()
        architecture = self.scale.stand_ins.get(start.base or "", start.architecture)
        base = resolve(start.base) if start.base and start.base not in self.scale.stand_ins else self.material.base
        if start.layers:
            base = tuned_model(self.teaching(start.layers)(self.store, self.progress))
        return (
            initial_models.converted(self.store, base, initial_models.seeded(architecture, seed))
            if architecture
            else base
        )

    def teaching(self, layers: int) -> Training:
        """What teaches the base's first layers."""
        size, seed = self.scale.largest_batch or LESSON_BATCH, self.scale.seeds[0]
        return initial_models.teaching(self.store, self.material.base, layers, self.data.lesson(), size, seed)

    def training(self, preset: Preset, name: str, seed: int) -> Artifact:
        return self.job(preset, name, seed)(self.store, self.progress)

    def job(self, preset: Preset, name: str, seed: int) -> Training:
        """What trains a tuned system, at its chosen learning rate: choosing it may train others first. Random weights
        choose none."""
        how = preset.system(name).how
        assert isinstance(how, Tuned)
        if how.rates and not preset.is_random(name, self.scale):
            how = _set(how, self.setting(preset, how.rates))
        return refreshed(self._job(preset, how, seed), how.negatives, self.data.mining)

    def is_ready(self, preset: Preset, name: str, seed: int) -> bool:
        """Whether a system's rankings of every panel are there, and with them all that they are made of."""
        return self.store.holds(lambda: [self.ranking(preset, name, seed, panel) for panel in self.panels.values()])

    def folds(self, preset: Preset, name: str) -> tuple[Training, ...]:
        """The trainings of a reranker that a teacher is cross-fitted from, at the first seed."""
        return cross_fitting.trainings(self.job(preset, name, self.scale.seeds[0]), self.data.folds)

    @cache  # noqa: B019  a workbench lives as long as its study runs
    def setting(self, preset: Preset, rates: Rates) -> Optimizer:
        """The optimiser whose model ranks the held-out queries best; of equals the lower rate and decay."""
        values = self.held_out_values(preset, rates)
        return max(values, key=lambda setting: values[setting])

    def held_out_values(self, preset: Preset, rates: Rates) -> Mapping[Optimizer, float]:
        """RR@10 over held-out queries and training documents of the system the rates are chosen on, at each setting."""
        return {s: self._held_out_value(preset, self._on(preset, rates, s)) for s in self._settings(preset, rates)}

    def _held_out_value(self, preset: Preset, job: Training) -> float:
        held_out, model = self.data.held_out(preset), tuned_model(job(self.store, self.progress))
        if isinstance(job.recipe.scoring, Joint):
            first = self.retrieve(BM25(), model, held_out)
            depth, precision = self.scale.rerank_depth, job.recipe.precision
            order = retriever_of(model)
            found = rankings.reordered(self.store, order, first, held_out, depth, precision, self.progress)
        else:
            found = rankings.searched(self.store, retriever_of(model), held_out, 10, self.progress)
        return mean(evaluate(stages.run_of(found), held_out.qrels, ("RR@10",))["RR@10"])

    def _settings(self, preset: Preset, rates: Rates) -> tuple[Optimizer, ...]:
        how = preset.system(rates.on).how
        assert isinstance(how, Tuned)
        return rates.settings(how.recipe.optimizer)

    def _on(self, preset: Preset, rates: Rates, setting: Optimizer) -> Training:
        how = preset.system(rates.on).how
        assert isinstance(how, Tuned)
        return self._job(preset, _set(how, setting), self.scale.seeds[0])

    def _job(self, preset: Preset, how: Tuned, seed: int) -> Training:
        training = self.examples(preset, how)
        watched = {name: self.data.watched(preset, policy) for name, policy in preset.watched}
        batching = self._batching(preset, how)
        epochs = max(1, round(how.epochs * self.scale.epochs_share))
        updates = epochs * batching.per_epoch(len(training.groups))
        recipe = replace(how.recipe, updates=updates, batching=batching)
        probe = None
        if watched and not how.reranks and (share := affordable(updates, batching.size, training.groups)):
            probe = held_out_probe(training, watched, share)
        snapshots = how.epochs if how.after else 0
        return Training(self.start(how.start, seed), recipe, training, watched, seed, probe, snapshots)

    def examples(self, preset: Preset, how: Tuned) -> Examples:
        """What a system is trained on."""
        return self.data.examples(preset, how, Others(self, preset), self.start(how.start, self.scale.seeds[0]))

    def _batching(self, preset: Preset, how: Tuned) -> Batching:
        """The batch at this scale: every system's shrinks by the factor of the preset's largest."""
        largest = max(s.how.recipe.batching.size for s in preset.systems if isinstance(s.how, Tuned))
        shrink = max(1.0, largest / (self.scale.largest_batch or largest))
        share, size = self.scale.batch_share, how.recipe.batching.size
        return replace(how.recipe.batching, size=max(1, round(size * share if share else size / shrink)))


@dataclass(frozen=True, slots=True)
class Others:
    """The systems of a preset at the first seed, as sources of negatives and of a teacher's scores."""

    bench: Workbench
    preset: Preset

    def miner(self, name: str) -> Pretrained:
        return self.bench.model(self.preset, name, self.bench.scale.seeds[0])

    def teacher(self, name: str, candidates: Run) -> Run:
        bench, data = self.bench, self.bench.data
        job = bench.job(self.preset, name, bench.scale.seeds[0])
        queries, documents = data.material.train_queries, data.material.train_documents
        args = (job, candidates, queries, documents, data.folds, bench.store, bench.progress, job.recipe.precision)
        return cross_fitting.cross_fitted(*args)


def _set(how: Tuned, optimizer: Optimizer) -> Tuned:
    return replace(how, recipe=replace(how.recipe, optimizer=optimizer))


def _precision(how: How) -> Precision:
    """What a system's pairs are read in: what it was trained in."""
    return how.recipe.precision if isinstance(how, Tuned) and how.reranks else "float32"
