"""Trials: a candidate and so many pairs -> a trained model, on negatives that the base mines for training queries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Store
from strop.collection.lazy_documents import Contents
from strop.models.loading import load_any
from strop.models.pretrained import Pretrained
from strop.models.scoring import Precision
from strop.monitoring import monitor, probe
from strop.negatives.examples import Examples
from strop.negatives.filters import PositiveRelative, denoise, run_scores
from strop.negatives.from_run import RankWindow
from strop.records.documents import Group
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.lexical import BM25
from strop.retrieval.retriever import retriever_of
from strop.retrieval.stages import run_of
from strop.retrieval.task import Task
from strop.training.halved_chunks import within_memory
from strop.training.mining import Miner
from strop.training.stage import Training
from strop.tuning.candidates import Candidate
from strop.tuning.domain import Domain, closed_to_training

#: Negatives come from these ranks; those that score nearly as high as the positive are left out as likely false.
WINDOW, LIKELY_FALSE = RankWindow(2, 100, count=8), PositiveRelative(0.95, ("miner",))
_DEPTH = 200
_SAMPLE = 256
#: The share of general pairs where they are replayed.
REPLAYED = 0.25


@dataclass(frozen=True, eq=False)
class Trials:
    """Everything that candidates share. `general` reads the pairs to replay; `mined_pairs` is the most pairs that any
    candidate is trained on, so that negatives are mined once."""

    store: Store
    base: Pretrained
    domain: Domain
    precision: Precision
    seed: int
    mined_pairs: int
    general: Callable[[], Examples]
    progress: Progress = silent

    def __call__(self, candidate: Candidate, pairs: int, snapshots: int = 0) -> tuple[Artifact, Training]:
        """The trained model, and what trained it. Where memory runs out, its chunks are halved, with a warning."""
        training = self.training(candidate, pairs, snapshots)
        return within_memory(training, lambda each: each(self.store, self.progress))

    def training(self, candidate: Candidate, pairs: int, snapshots: int = 0) -> Training:
        examples = self._examples(candidate, pairs)
        size = min(candidate.recipe.batching.size, max(2, len(examples.groups) // 2))
        updates = max(1, pairs // size)
        batching = replace(candidate.recipe.batching, size=size)
        recipe = replace(candidate.recipe, batching=batching, updates=updates, precision=self.precision)
        dev = self.domain.dev
        groups = [
            Group(q, (next(iter(judged)),), relevant=frozenset(judged)) for q, judged in dev.qrels.items() if judged
        ]
        share = monitor.affordable(updates, size, examples.groups)
        looked = probe.of_examples(replace(Examples.of(groups, dev), documents=Contents(dev.documents)), groups, share)
        return Training(self.base, recipe, examples, {}, self.seed, looked, snapshots)

    def _examples(self, candidate: Candidate, pairs: int) -> Examples:
        own = self.domain.examples
        count = max(2, round(pairs * (1 - REPLAYED))) if candidate.replay else pairs
        groups = list(own.groups[:count])
        if candidate.negatives:
            groups = [self._negatives.get((g.query_id, g.positives), g) for g in groups]
            groups = [replace(g, negatives=g.negatives[: candidate.negatives], sources=()) for g in groups]
            if not candidate.recipe.batching.in_batch:
                groups = [g for g in groups if g.negatives]
            if not any(g.negatives for g in groups):
                raise InputError("no negatives could be mined", remedy="Give a collection with more documents")
        ids = dict.fromkeys(d for g in groups for d in (*g.positives, *g.negatives))
        documents = {d: own.documents.get(d) or self.domain.corpus.documents[d].contents for d in ids}
        examples = Examples(tuple(groups), {g.query_id: own.queries[g.query_id] for g in groups}, documents)
        return _joined(examples, self.general(), pairs - len(groups)) if candidate.replay else examples

    @cached_property
    def _negatives(self) -> Mapping[tuple[str, tuple[str, ...]], Group]:
        """By query and positives, the group with what the base ranks high, or BM25 where the base searches nothing."""
        groups = self.domain.examples.groups[: self.mined_pairs]
        queries = {g.query_id: self.domain.examples.queries[g.query_id] for g in groups}
        corpus = self.domain.corpus
        open_documents = Contents(corpus.documents, frozenset(closed_to_training(self.domain)))
        miner = Miner(queries, open_documents, self.store, self.progress)
        run = miner.ranked(self._run(queries), _DEPTH)
        found = WINDOW(groups, run, self.seed)
        cleaned = denoise(found, LIKELY_FALSE, {"miner": run_scores(run)}, keep=4).groups
        return {(g.query_id, g.positives): g for g in cleaned}

    def _run(self, queries: Mapping[str, str]) -> Run:
        """Over the whole corpus, whose vectors the certificate needs too."""
        retriever = retriever_of(self.base)
        if not retriever.has_geometry:
            retriever = retriever_of(BM25())
        corpus = Contents(self.domain.corpus.documents)
        task = Task(self.store, queries, corpus, progress=self.progress, precision=self.precision)
        return run_of(retriever.search(task, _DEPTH))


def _joined(own: Examples, general: Examples, count: int) -> Examples:
    """Both kinds of examples, the general ones under ids of their own."""

    def renamed() -> Iterator[Group]:
        for g in islice(general.groups, count):
            positives, others = (tuple(f"general:{d}" for d in ids) for ids in (g.positives, sorted(g.relevant)))
            yield Group(f"general:{g.query_id}", positives, relevant=frozenset(others))

    groups = list(renamed())
    queries = {g.query_id: general.queries[g.query_id.removeprefix("general:")] for g in groups}
    documents = {d: general.documents[d.removeprefix("general:")] for g in groups for d in g.positives}
    return Examples((*own.groups, *groups), {**own.queries, **queries}, {**own.documents, **documents})


def tokens_of_pair(base: Pretrained, examples: Examples, length: int | None) -> tuple[float, float]:
    """Mean tokens of a query and of a positive, cut at `length`, of the first pairs."""
    model, groups = load_any(base.path, length), examples.groups[:_SAMPLE]
    queries = model.tokenize([examples.queries[g.query_id] for g in groups], "query").lengths
    documents = model.tokenize([examples.documents[g.positives[0]] for g in groups], "document").lengths
    return float(queries.mean()), float(documents.mean())
