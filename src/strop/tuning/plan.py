"""The plan: what a budget of seconds buys here. It is made once, from measured rates; nothing later reads a clock, so
that a killed run comes back to the same model."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from strop.collection.lazy_documents import Contents
from strop.models.encoder import Model, observing
from strop.models.loading import load_any
from strop.models.precision import LACKING, Precision, forward_in, has_bfloat16
from strop.models.pretrained import Pretrained
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.formats import duration
from strop.retrieval.drift import Choice, chosen
from strop.training.rates import encoding_rate, seconds_of, training_rate
from strop.tuning import certificate, looks
from strop.tuning.candidates import Candidate
from strop.tuning.domain import Domain
from strop.tuning.trials import tokens_of_pair

#: Points that are looked at between base and tuned weights: of the last update, and of the average of late checkpoints;
#: and where so many looks would leave less than `LEAST` of the budget to train.
SHARES, AVERAGE_SHARES = (0.25, 0.5, 0.75, 1.0), (0.5, 0.75, 1.0)
FEW_SHARES, LEAST = (0.25, 0.5, 1.0), 0.2
TOO_LITTLE = 0.1
#: Shares at which a candidate of the race is looked at.
RACE_SHARES = (0.5,)
#: What is left of a budget for what no plan foresees.
SPARE = 0.15
#: Seconds of training that call for a round more, with twice the candidates.
ROUND_SECONDS = 150.0
ROUNDS = 4
#: A pair is trained on so many times at most.
EPOCHS = 4
SAMPLE = 128
#: A step's rate as a share of a forward pass' where it is not measured.
TRAINING = 0.25
#: So many times as fast bfloat16 must be to be worth its rounding.
FASTER = 1.3


@dataclass(frozen=True, slots=True)
class Round:
    """So many candidates are trained on so many pairs each; for one that costs more a pair, on fewer."""

    candidates: int
    pairs: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`certify_seconds`, `look_seconds` (one look) and `train_seconds` (all trainings) are estimates. Tokens are means
    of a pair at the length it is trained at; `whole_document` is a document's at the model's own length."""

    precision: Precision
    encoded_per_second: float
    trained_per_second: float
    query_tokens: float
    document_tokens: float
    whole_document_tokens: float
    certify_seconds: float
    look_seconds: float
    train_seconds: float
    rounds: tuple[Round, ...]
    shares: tuple[float, ...] = SHARES
    average_shares: tuple[float, ...] = AVERAGE_SHARES
    #: Why this precision.
    why: str = ""

    def pairs(self, candidate: Candidate, of: Round) -> int:
        """What a candidate is trained on for the price of that many plain pairs."""
        document = self.document_tokens if candidate.recipe.max_length else self.whole_document_tokens
        cost = self.query_tokens + document * (1 + candidate.negatives)
        if candidate.recipe.penalty:
            cost *= 4 / 3  # one more forward pass, of the base
        return max(4, round(of.pairs * (self.query_tokens + self.document_tokens) / cost))


def plan(
    budget: float,
    base: Pretrained,
    domain: Domain,
    pools: Sequence[Collection],
    corpora: Mapping[str, Collection],
    candidates: Sequence[Candidate],
    shorten: bool,
    is_ranked: Callable[[Collection], bool],
) -> Plan:
    """In bfloat16 where that moves vectors little (`drift.chosen`) and encodes `FASTER` than float32; certificates are
    in float32. Half of the time for training is the last round's.
    `is_ranked` tells where the base's part of the certificate is there already.

    Raises InputError when certifying alone leaves too little of the budget to train.
    """
    length = candidates[0].recipe.max_length
    model = load_any(base.path)
    sample = list(islice(Contents(domain.corpus.documents).values(), SAMPLE))
    exact = _encoding(model, sample, "float32")
    choice = _choice(model, Contents(domain.corpus.documents))
    encoded = exact if choice.precision == "float32" else _encoding(model, sample, choice.precision)
    if choice.precision == "bfloat16" and encoded <= FASTER * exact:
        choice, encoded = Choice("float32", f"bfloat16 is {encoded / exact:.1f} times as fast"), exact
    precision = choice.precision
    trained = encoded * TRAINING if model.encoder is None else training_rate(base, sample, length, False, precision)
    query, document = tokens_of_pair(base, domain.examples, length)
    whole = tokens_of_pair(base, domain.examples, None)[1] if shorten else document
    tokens = {name: _tokens(model, each, certificate.CANDIDATES) for name, each in corpora.items()}
    certify = sum(n * (1 if is_ranked(corpora[name]) else 2) for name, n in tokens.items()) / exact
    look = sum(_tokens(model, each, looks.CANDIDATES) for each in pools) / encoded + 0.5
    able = [2**i for i in range(ROUNDS) if 2**i <= len(candidates)]
    ways = [(count, SHARES, AVERAGE_SHARES) for count in reversed(able)] + [(1, FEW_SHARES, ())]
    for count, shares, average_shares in ways:
        rounds = [Round(2**i, 0) for i in range(count.bit_length() - 1, -1, -1)]
        seen = 1 + sum(of.candidates for of in rounds[:-1]) * len(RACE_SHARES) + len(shares) + len(average_shares)
        seconds = (1 - SPARE) * budget - certify - seen * look
        if seconds >= (ROUND_SECONDS * len(rounds) if count > 1 else LEAST * budget):
            break
    if seconds < TOO_LITTLE * budget:
        needed = math.ceil((certify + seen * look) / (1 - SPARE - LEAST) / 60)
        raise InputError(
            f"{duration(budget)} leave no time to train: certifying takes about {duration(certify)} here, and looking "
            f"at candidates {duration(seen * look)}",
            remedy=f"Give --budget {needed}m or more, or smaller guards",
        )
    per_pair = (query + document) / trained
    most = EPOCHS * len(domain.examples.groups)
    parts = [*[0.5 / (len(rounds) - 1)] * (len(rounds) - 1), 0.5] if len(rounds) > 1 else [1.0]
    shared = [int(min(most, seconds * part / of.candidates / per_pair)) for part, of in zip(parts, rounds, strict=True)]
    return Plan(
        precision, encoded, trained, query, document, whole, certify, look, seconds,
        tuple(Round(of.candidates, max(4, pairs)) for of, pairs in zip(rounds, shared, strict=True)),
        shares, average_shares, choice.why,
    )  # fmt: skip


def _choice(model: Model, documents: Mapping[str, str]) -> Choice:
    """Logits of pairs have no cosine: bfloat16 where there is any, and the logit itself is float32's either way."""
    if model.encoder is not None:
        return chosen(model.encoder, documents)
    return Choice("bfloat16", "pairs are read so to choose") if has_bfloat16() else Choice("float32", LACKING)


def _encoding(model: Model, texts: Sequence[str], precision: Precision) -> float:
    """Tokens per second of documents that are encoded; or, where pairs are read, of documents read with themselves."""
    if model.encoder is not None:
        return encoding_rate(model.encoder, texts, precision)
    rows = [model.tokenize(texts, "document").row(i) for i in range(len(texts))]

    def read() -> None:
        with forward_in(precision, model.device), observing(model):
            model.pair_scores(rows, rows, [(i, i) for i in range(len(rows))])

    return 2 * sum(map(len, rows)) / seconds_of(read)


def _tokens(model: Model, collection: Collection, candidates: int) -> float:
    """About so many tokens to encode, or to read in pairs with so many candidates of each query, from a sample."""
    texts = list(islice(Contents(collection.documents).values(), SAMPLE))
    queries = [q.text for q in islice(collection.queries.values(), SAMPLE)]
    document = float(model.tokenize(texts, "document").lengths.mean())
    query = float(model.tokenize(queries, "query").lengths.mean())
    if model.encoder is None:
        return (query + document) * candidates * len(collection.queries)
    return document * len(collection.documents) + query * len(collection.queries)
