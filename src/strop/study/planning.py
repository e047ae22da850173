"""Planning: what a study at a scale would cost here, and the smallest effect it could detect, before it is run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from strop.evaluation.significance import USUAL_SD, minimum_detectable_difference
from strop.models.adapters import LoRA
from strop.models.dense import Dense
from strop.models.precision import native
from strop.study.schedule import Trial, schedule
from strop.study.systems import Start, Tuned
from strop.study.workbench import Workbench
from strop.training.rates import encoding_rate, seconds_of, training_rate

#: Texts to measure lengths and rates on.
SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do: how many texts and tokens, and about how many seconds at the rates measured here."""

    what: str
    texts: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates in tokens per second, measured just now; `detectable` is the difference in the primary measure that this
    many queries resolve with power 0.8."""

    work: tuple[Work, ...]
    encoded_per_second: float
    trained_per_second: float
    queries: int
    detectable: float

    @property
    def seconds(self) -> float:
        return sum(w.seconds for w in self.work)


@dataclass(frozen=True, slots=True)
class _Costs:
    """The base, a sample of documents, the mean tokens of a query and of a document, and rates in tokens per second: of
    encoding, and of training by whether it is LoRA's."""

    encoder: Dense
    sample: list[str]
    query: float
    document: float
    encoded: float
    trained: dict[bool, float]

    @classmethod
    def of(cls, bench: Workbench) -> _Costs:
        encoder = Dense.load(bench.base.path)
        samples = [list(islice(t.values(), SAMPLE)) for t in (bench.own.train_queries, bench.own.train_documents)]
        query, document = (float(np.minimum(encoder.token_counts(t), encoder.max_length).mean()) for t in samples)
        documents = samples[1]
        half = native("bfloat16")
        trained = {lora: training_rate(bench.base, documents, encoder.max_length, lora, half) for lora in (False, True)}
        return cls(encoder, documents, query, document, encoding_rate(encoder, documents), trained)

    def tokens(self, queries: float, documents: float) -> float:
        return queries * self.query + documents * self.document

    def encoding(self, what: str, queries: int, documents: int) -> Work:
        tokens = self.tokens(queries, documents)
        return Work(what, queries + documents, int(tokens), tokens / self.encoded)

    def reading(self, what: str, pairs: int) -> Work:
        """Pairs of a query and a document, at the rate of encoding in bfloat16 where there is any."""
        tokens = self.tokens(pairs, pairs)
        return Work(what, pairs, int(tokens), tokens / encoding_rate(self.encoder, self.sample, native("bfloat16")))


def plan(bench: Workbench, presets: Sequence[str] = ()) -> Plan:
    """The whole study from scratch; what is in the artifact store already will cost nothing."""
    trials = schedule(bench.study, bench.scale, presets)
    costs, own = _Costs.of(bench), bench.own
    work = [costs.encoding("encode for mining", len(own.train_queries), len(own.train_documents))]
    work += _testing(bench, trials, costs)
    if bench.scale.thorough:
        work.append(costs.encoding("encode the whole corpus", len(own.whole.queries), len(own.whole.documents)))
    work += _training(bench, trials, costs)
    queries = len(own.test.queries)
    return Plan(
        tuple(work), costs.encoded, costs.trained[False], queries, minimum_detectable_difference(USUAL_SD, queries)
    )


def _testing(bench: Workbench, trials: Sequence[Trial], costs: _Costs) -> Iterator[Work]:
    """Encoding and searching the panels with every model that retrieves, and reranking what was retrieved."""
    scale, panels, own = bench.scale, list(bench.panels.values()), bench.own
    ways = [trial.preset.system(trial.system).way for trial in trials]
    tuned = [way for way in ways if way.is_tuned and not way.needs_candidates]
    models = len(tuned) + len({Start(), *(way for way in ways if isinstance(way, Start))})
    queries, documents = sum(len(c.queries) for c in panels), sum(len(c.documents) for c in panels)
    yield costs.encoding(f"encode for the test, {models} models", models * queries, models * documents)
    pairs = len(own.train_queries) * len(own.train_documents)
    pairs += models * sum(len(c.queries) * len(c.documents) for c in panels)
    dimension = costs.encoder.dimension
    seconds = 2 * dimension * pairs / _product_rate(dimension)
    yield Work(f"search exactly, {models + 1} times", len(own.train_queries) + models * queries, 0, seconds)
    reranked = [t for t in trials if t.preset.reranking(t.system) and not _is_random(bench, t)]
    if reranked:
        depth = {True: scale.rerank_depth, False: min(scale.depth, scale.rerank_depth)}
        pairs = len(reranked) * sum(len(c.queries) * depth[bench.is_given(c)] for c in panels)
        yield costs.reading(f"rerank, {len(reranked)} times", pairs)


def _training(bench: Workbench, trials: Sequence[Trial], costs: _Costs) -> Iterator[Work]:
    """Every preset's trainings."""
    groups = round(0.8 * len(bench.own.train_queries))
    for preset in dict.fromkeys(trial.preset for trial in trials):
        texts = tokens = seconds = 0.0
        for how in _trainings([t for t in trials if t.preset == preset and not _is_random(bench, t)]):
            rows = max(1, how.epochs * bench.scale.epochs_share) * how.share * groups
            size = rows * costs.tokens(*how.texts)
            texts += rows * sum(how.texts)
            tokens += size
            seconds += size / costs.trained[isinstance(how.recipe.tuning, LoRA)]
        yield Work(f"train {preset.name}", int(texts), int(tokens), seconds)


def _trainings(trials: Sequence[Trial]) -> list[Tuned]:
    """Every training of one preset, and once for each grid of rates those of the settings that are not chosen."""
    tuned = [trial.tuned for trial in trials if trial.tuned and trial.trained]
    grids = {how.rates: how for how in tuned if how.rates}
    return tuned + [how for rates, how in grids.items() for _ in rates.settings(how.recipe.optimizer)[1:]]


def _is_random(bench: Workbench, trial: Trial) -> bool:
    """Whether a tiny model of random weights stands in: it costs next to nothing."""
    return trial.preset.is_random(trial.system, bench.scale)


def _product_rate(dimension: int) -> float:
    """Floating-point operations per second of search's matrix product, best rows kept."""
    queries, documents = torch.randn(256, dimension), torch.randn(65536, dimension)
    return 2.0 * dimension * len(queries) * len(documents) / seconds_of(lambda: (queries @ documents.T).topk(100))
