"""The audit before any training: leaks, duplicates, lengths, and what so few queries can certify at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from strop.collection import audit as counting
from strop.collection.lazy_documents import Contents
from strop.evaluation.certification import smallest
from strop.evaluation.significance import USUAL_SD
from strop.models.encoder import Model
from strop.models.loading import load_any
from strop.models.pretrained import Pretrained
from strop.records.formats import duration
from strop.tuning.candidates import SHORT
from strop.tuning.certificate import Terms
from strop.tuning.domain import Domain
from strop.tuning.guards import Guard
from strop.tuning.plan import Plan

#: Standard deviation of a guard's per-query differences, as weights half-way between base and tuned have it.
GUARD_SD = 0.06
#: What a query that was never seen may lose, until the base's values are known: usual, and hardly ever less.
UNSEEN, LEAST_UNSEEN = -0.6, -0.3
#: Fewer queries than these choose or certify next to nothing.
FEW = 30
#: The share of documents that must be longer than the short training length before they are cut to it.
MANY_LONGER = 0.25
_SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Findings:
    """Sentences. Where something is `hopeless` nothing need be trained: the answer is HOLD."""

    findings: tuple[str, ...]
    warnings: tuple[str, ...]
    hopeless: tuple[str, ...]


def audit(domain: Domain, guards: Sequence[Guard], base: Pretrained, terms: Terms, alpha: float) -> Findings:
    findings, warnings, hopeless = list[str](), list[str](), list[str]()
    if domain.splits:
        model = load_any(base.path)
        counts = model.encoder.token_counts if model.encoder else None
        findings += counting.audit(domain.splits, counts, model.max_length)["readings"]
    findings.append(
        f"{len(domain.examples.groups):,} training pairs of {domain.queries:,} queries; "
        f"{len(domain.dev.queries):,} dev queries choose, on {len(domain.dev.documents):,} documents"
    )
    if len(domain.dev.queries) < FEW:
        warnings.append(f"{len(domain.dev.queries)} dev queries choose badly: give a hundred or more")
    if domain.test is not None:
        known, new = domain.populations(domain.test)
        judged = len(known) + len(new)
        findings.append(
            f"test: {judged:,} queries, of {len(known):,} some answer is a training query's too, of {len(new):,} none; "
            f"a gain of {smallest(judged, USUAL_SD, alpha, UNSEEN):.3f} can be expected to be certified"
        )
        if len(new) < FEW <= judged:
            warnings.append(
                f"{len(new)} test queries have new answers only: whether the gain holds for them cannot be told"
            )
        if smallest(judged, 0.0, alpha, LEAST_UNSEEN) > 0.1:
            hopeless.append(f"{judged} test queries cannot certify any gain: give fifty or more.")
    elif not domain.generated:
        hopeless.append("There is no test query: nothing could be certified.")
    for guard in guards:
        n = len(guard.certify.queries)
        expected, least = smallest(n, GUARD_SD, alpha, UNSEEN), smallest(n, 0.0, alpha, LEAST_UNSEEN)
        findings.append(
            f"guard {guard.name}: {n:,} queries; a margin of {expected:.3f} can be expected to be certified"
        )
        if least > terms.margin and not terms.trade:
            hopeless.append(
                f"The guard {guard.name} has {n:,} test queries: a fall of less than {least:.3f} could never be "
                f"excluded, and the margin is {terms.margin:g}. Give a larger --margin, more queries, or another guard."
            )
        elif expected > terms.margin:
            warnings.append(
                f"the guard {guard.name} may be too small for a margin of {terms.margin:g}: {expected:.3f} is likely"
            )
    if not guards:
        warnings.append("nothing is guarded: what the model loses elsewhere will not be seen")
    return Findings(tuple(findings), tuple(warnings), tuple(hopeless))


def mostly_longer(domain: Domain, model: Model) -> bool:
    """Whether training on documents cut to `SHORT` tokens is much cheaper."""
    if model.max_length <= SHORT:
        return False
    texts = list(islice(Contents(domain.corpus.documents).values(), _SAMPLE))
    return float(np.mean(model.tokenize(texts, "document").lengths > SHORT)) > MANY_LONGER


def costs(domain: Domain, plan: Plan, keep_index: bool) -> tuple[str, ...]:
    """What a new model costs where it is used."""
    documents = len(domain.corpus.documents)
    if keep_index:
        return (
            f"The index stays: the {documents:,} document vectors are the base's, and only queries are encoded anew.",
        )
    texts = documents * plan.whole_document_tokens / plan.encoded_per_second
    again = f"The index must be built again: encoding {documents:,} documents takes about {duration(texts)} here"
    return (f"{again} (none of it with --keep-index).",)
