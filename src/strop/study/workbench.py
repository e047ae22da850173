"""The workbench: one place to ask for every artifact of a study at a scale, each made when it is first asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.collection import door
from strop.evaluation.measures import evaluate
from strop.geometry.sample import Sample
from strop.models.encoder import Role
from strop.models.pretrained import Pretrained, resolve
from strop.monitoring.diagnose import sample_of
from strop.monitoring.probe import DOCUMENTS, QUERIES, Probe, of_collection
from strop.records.documents import Collection
from strop.records.runs import Run
from strop.retrieval import rankings, stages
from strop.retrieval.rankings import read_candidates
from strop.retrieval.retriever import Retriever, retriever_of
from strop.retrieval.task import ById, Task
from strop.study.definition import Preset, Scale, Study
from strop.study.learning_rates import held_out_values, with_optimizer
from strop.study.mining import Sources, refreshed
from strop.study.panels import Panels, Tested, read, tested
from strop.study.systems import Fused, Rates, Reranked, Start, WithPositive
from strop.study.training_examples import TrainingData
from strop.study.trainings import Trainings
from strop.training import cross_fitting
from strop.training.optimizers import Optimizer
from strop.training.stage import Training, tuned_model


class Workbench:
    """Artifacts of a study at a scale: what is in the store is read, the rest is made and kept.

    `source` is the collection to train on, `others` more to test on (default: the scale's), `candidates` TREC runs over
    some of these. Raises InputError on bad data, before any model is loaded.
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
        door.check(source, scale.test_split)
        door.check(source, "train")
        for other in self.others:
            door.splits(other)
        self.candidates = read_candidates(candidates)

    @cached_property
    def base(self) -> Pretrained:
        return resolve(self.scale.base or self.study.base)

    def base_vectors(self, of: ById, role: Role) -> stages.Vectors:
        """The base's vectors of these texts."""
        return stages.Vectors.load(stages.encode_texts(self.store, self.base, of, role, self.progress))

    @cached_property
    def own(self) -> Panels:
        """The panels of the collection to train on."""
        return read(self.scale, self.source, self.store.docstrings, self.progress)

    @property
    def panels(self) -> Mapping[str, Collection]:
        """Every collection that systems are tested on, by name: its own first. Raises InputError when two share a name,
        and for candidates of other queries."""
        return {name: each.collection for name, each in self._tested.items()}

    @cached_property
    def _tested(self) -> Mapping[str, Tested]:
        return tested(self.own.test, self.scale, self.others, self.candidates, self.store.docstrings)

    def is_given(self, collection: Collection) -> bool:
        """Whether a panel's candidates were given, and nothing is retrieved."""
        return self._candidates(collection) is not None

    def _candidates(self, collection: Collection) -> Run | None:
        panel = self._tested.get(collection.name)
        return panel.candidates if panel else None

    @cached_property
    def data(self) -> TrainingData:
        return TrainingData(self.scale, self.source, self.own, self.base, self.store, self.progress)

    @cached_property
    def trainings(self) -> Trainings:
        return Trainings(self.data)

    def seeds(self, preset: Preset) -> tuple[int, ...]:
        return self.scale.seeds[: self.scale.presets.get(preset.name, 1)]

    def job(self, preset: Preset, name: str, seed: int) -> Training:
        """What trains a tuned system, at its chosen learning rate: choosing it may train others first. Nothing is
        chosen for random weights."""
        how = preset.tuned(name)
        if how.rates and not preset.is_random(name, self.scale):
            how = with_optimizer(how, self.setting(preset, how.rates))
        training = self.trainings.training(preset, how, seed, Others(self, preset))
        return refreshed(training, how.negatives, self.data.mining)

    @cache  # noqa: B019  a workbench lives as long as its study runs
    def training(self, preset: Preset, name: str, seed: int) -> Artifact:
        return self.job(preset, name, seed)(self.store, self.progress)

    @cache  # noqa: B019
    def setting(self, preset: Preset, rates: Rates) -> Optimizer:
        """The optimiser whose model ranks the held-out queries best; of equals the lower rate and decay."""
        values = self.held_out_values(preset, rates)
        return max(values, key=values.__getitem__)

    def held_out_values(self, preset: Preset, rates: Rates) -> Mapping[Optimizer, float]:
        """RR@10 of the model of each setting over held-out queries and training documents."""
        return held_out_values(self.trainings, preset, rates, Others(self, preset))

    @cache  # noqa: B019
    def model(self, preset: Preset, name: str, seed: int) -> Pretrained:
        """The model of a system: the tuned one, or the base in its architecture; of one without a model the base."""
        way = preset.system(name).way
        if not way.is_tuned:
            return self.trainings.initial(way.initial or Start(), seed)
        how = preset.tuned(name)
        if how.after is None:
            return tuned_model(self.training(preset, name, seed))
        job = self.job(preset, name, seed)
        return tuned_model(job.snapshot(self.store, job.snapshot_steps[how.after - 1], self.progress))

    def ranking(self, preset: Preset, name: str, seed: int, collection: Collection | None = None) -> Artifact:
        """The Run of a system over the test panel, or over another collection."""
        among = collection or self.own.test
        match way := preset.system(name).way:
            case Fused():
                parts = [self.ranking(preset, part, seed, among) for part in way.of]
                return rankings.fused(self.store, parts, way.method)
            case WithPositive():
                part = self.ranking(preset, way.of, seed, among)
                return rankings.with_positive(self.store, part, among, way.negatives)
        reranking = preset.reranking(name, self.scale.rerank_depth)
        if reranking:
            first = self.ranking(preset, reranking.first, seed, among)
        elif candidates := self._candidates(among):
            first = rankings.given(self.store, candidates, among)
            if preset.system(name).lexical:
                return first
            reranking = Reranked("", name, self.scale.rerank_depth)
        else:
            return self.retrieve(self.retriever(preset, name, seed), among)
        retriever, precision = self.retriever(preset, reranking.by, seed), preset.system(reranking.by).way.precision
        depth, windows = reranking.depth, reranking.windows
        return retriever.rerank(self._task(among), stages.run_of(first), depth, precision, windows)

    def retriever(self, preset: Preset, name: str, seed: int) -> Retriever:
        """What a system ranks with."""
        return retriever_of(preset.system(name).lexical or self.model(preset, name, seed))

    def retrieve(self, retriever: Retriever, collection: Collection) -> Artifact:
        """Its search of a collection, to the scale's depth."""
        return retriever.search(self._task(collection), self.scale.depth)

    def _task(self, collection: Collection) -> Task:
        return Task.of(collection, self.store, self.progress)

    def values(
        self,
        preset: Preset,
        name: str,
        measure: str,
        collection: Collection | None = None,
        seeds: tuple[int, ...] = (),
    ) -> list[dict[str, float]]:
        """Per-query values of a system on the test panel or another collection's, one mapping per seed."""
        panel = collection or self.own.test
        if not seeds:
            seeds = self.seeds(preset) if preset.trained(name) else self.scale.seeds[:1]
        runs = [stages.run_of(self.ranking(preset, name, seed, panel)) for seed in seeds]
        return [evaluate(run, panel.qrels, (measure,))[measure] for run in runs]

    def is_ready(self, preset: Preset, name: str, seed: int) -> bool:
        """Whether a system's rankings of every panel are there, and with them all that they are made of."""
        return self.store.holds(lambda: [self.ranking(preset, name, seed, panel) for panel in self.panels.values()])

    @cached_property
    def probe(self) -> Probe:
        """The texts of the test panel that geometry is measured on."""
        test = self.own.test
        return of_collection(test, min(QUERIES, len(test.queries)), min(DOCUMENTS, len(test.documents)))

    def sample(self, model: Pretrained) -> Sample:
        """The probe in a model's space, by the vectors with which it searches the test panel."""
        task = self._task(self.own.test)
        return sample_of(self.store, model, self.probe, self.progress, task.queries, task.documents)


@dataclass(frozen=True, slots=True)
class Others(Sources):
    """The systems of a preset at the first seed, as sources of negatives and of a teacher's scores."""

    bench: Workbench
    preset: Preset

    def miner(self, name: str) -> Pretrained:
        return self.bench.model(self.preset, name, self.bench.scale.seeds[0])

    def teacher(self, name: str, candidates: Run) -> Run:
        bench, own = self.bench, self.bench.own
        job = bench.job(self.preset, name, bench.scale.seeds[0])
        texts = own.train_queries, own.train_documents
        args = (job, candidates, *texts, bench.data.folds, bench.store, bench.progress, job.recipe.precision)
        return cross_fitting.cross_fitted(*args)
