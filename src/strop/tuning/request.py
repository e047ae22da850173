"""What a user asks of a tuning, and everything that follows from it and from the data alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from strop.tuning.certificate import Terms

#: Half an hour, in seconds.
BUDGET = 1800.0


@dataclass(frozen=True, slots=True)
class Request:
    """`budget` is in seconds. `dims` are those that vectors may be cut to; `keep_index` leaves document vectors as they
    are; `endpoint` is an OpenAI-compatible URL that makes queries of documents. `beside` names recipes to be
    shown beside the tuned model."""

    collection: str
    base: str
    guards: tuple[str, ...]
    budget: float = BUDGET
    terms: Terms = field(default_factory=Terms)
    seed: int = 42
    keep_index: bool = False
    dims: tuple[int, ...] = ()
    endpoint: str | None = None
    beside: tuple[str, ...] = ()
