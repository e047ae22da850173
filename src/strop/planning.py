"""Planning: what a study at a scale would cost here, and the smallest effect it could see, before it is run."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from strop import encode
from strop.artifacts import Store
from strop.conduct import material
from strop.lexical import BM25
from strop.models.dense import Dense
from strop.significance import minimum_detectable_effect
from strop.study import Preset, Scale, Study, Tuned

#: Standard deviation of a per-query difference between two systems, as a rule of thumb before anything is measured.
USUAL_SD = 0.12
#: A training update costs about this many times the encoding of the same tokens (forward, backward, update).
TRAINING_FACTOR = 3.0


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do: how many texts and tokens, and about how many seconds at the rate measured here."""

    what: str
    texts: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """`tokens_per_second` was measured just now, encoding; `detectable` is the difference in the primary measure
    that this many queries resolve with power 0.8."""

    work: tuple[Work, ...]
    tokens_per_second: float
    queries: int
    detectable: float

    @property
    def seconds(self) -> float:
        return sum(w.seconds for w in self.work)


def plan(study: Study, scale: Scale, preset: Preset, store: Store) -> Plan:
    """The whole study from scratch; what is in the artifact store already will cost nothing."""
    shared = material(study, scale, store)
    encoder = Dense.load(shared.base.path)
    rate = _rate(encoder, list(shared.train_documents.values()))
    query, document = (
        float(np.mean(encoder.token_counts(texts)))
        for texts in ([q.text for q in shared.train.queries.values()], list(shared.train_documents.values()))
    )
    models = sum(1 if s.how is None else len(scale.seeds) for s in preset.systems if not isinstance(s.how, BM25))
    mining = len(shared.train_documents) * document + len(shared.train.queries) * query
    testing = models * (len(shared.test.documents) * document + len(shared.test.queries) * query)
    mined = len(shared.train_documents) + len(shared.train.queries)
    tested = models * (len(shared.test.documents) + len(shared.test.queries))
    work = [Work("encode for mining", mined, int(mining), mining / rate)] if preset.window else []
    work.append(Work(f"encode the test panel, {models} models", tested, int(testing), testing / rate))
    for system in preset.systems:
        if isinstance(system.how, Tuned):
            size = system.how.recipe.batching.size
            groups = system.how.epochs * (int(0.8 * len(shared.train.queries)) // size) * size * len(scale.seeds)
            texts = groups * (3 if system.how.negatives else 2)
            tokens = groups * query + (texts - groups) * document
            work.append(Work(f"train {system.name}", texts, int(tokens), TRAINING_FACTOR * tokens / rate))
    queries = len(shared.test.queries)
    return Plan(tuple(work), rate, queries, minimum_detectable_effect(USUAL_SD, queries))


def _rate(encoder: Dense, texts: list[str]) -> float:
    """Tokens encoded a second, over about 10,000 tokens after a warm-up."""
    tokens = encoder.tokenize(texts[:128], "document")
    out = np.empty((len(tokens), encoder.dimension), dtype=np.float32)
    encode.encode(encoder, tokens, out)
    started = time.perf_counter()
    encode.encode(encoder, tokens, out)
    return int(tokens.offsets[-1]) / (time.perf_counter() - started)
