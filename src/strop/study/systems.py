"""Systems: what a study compares, as values: rankings that are searched, tuned, fused or put in a new order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import ClassVar

from strop.models.architecture import Architecture
from strop.models.scoring import Precision
from strop.retrieval.fuse import Fusion
from strop.retrieval.lexical import BM25
from strop.retrieval.windows import Windows
from strop.study.negative_policies import Negatives, count, helpers
from strop.training.optimizers import Optimizer
from strop.training.recipes import Recipe


class How:
    """The way a system is made, and the answers that most ways give."""

    __slots__ = ()
    is_tuned: ClassVar[bool] = False

    @property
    def parts(self) -> tuple[str, ...]:
        """The systems whose rankings it is made of."""
        return ()

    def helpers(self, name: str) -> frozenset[str]:
        """Of a system `name`: those that mine or score its negatives, or that its learning rate is chosen on."""
        return frozenset()

    @property
    def initial(self) -> Start | None:
        """What its model is before any tuning; None where it has no model of its own."""
        return None

    @property
    def needs_candidates(self) -> bool:
        """Whether its model reads pairs, and so can only put in a new order what another system retrieves."""
        return False

    @property
    def precision(self) -> Precision:
        """In which its model reads pairs: a tuned one in that of its training."""
        return "float32"


@dataclass(frozen=True, slots=True)
class Start(How):
    """A model before it is tuned: the study's base, or `base` by name, in this architecture (None: its own), of its
    first `layers` only.

    First layers alone are a damaged model, so they are distilled from the study's base on training text. Raises
    ValueError for layers of another base than the study's.
    """

    architecture: Architecture | None = None
    layers: int | None = None
    base: str | None = None

    def __post_init__(self) -> None:
        if self.layers and self.base:
            raise ValueError("only the study's base can be cut to its first layers, and another base is named")

    @property
    def initial(self) -> Start:
        return self


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates to choose from, each with every one of the weight `decays` (empty: the recipe's own).

    The system `on` is trained at each setting with the first seed. The setting whose model ranks the held-out queries
    best (RR@10 over training documents) is then that of every system with the same Rates.
    """

    values: tuple[float, ...]
    on: str
    decays: tuple[float, ...] = ()

    def settings(self, of: Optimizer) -> tuple[Optimizer, ...]:
        """The optimiser at each setting, the lowest rate and decay first."""
        grid = product(sorted(self.values), sorted(self.decays) or (of.weight_decay,))
        return tuple(replace(of, learning_rate=rate, weight_decay=decay) for rate, decay in grid)


@dataclass(frozen=True, slots=True)
class Tuned(How):
    """A fine-tuned system: a recipe, a number of epochs, and its negatives (None: only the batch's own).

    The recipe's `updates` follow from the epochs and the `share` of the training groups; its learning rate is chosen
    from `rates`, if any. `start` is what it is tuned from (None: the base). `after` is the epoch whose weights are
    taken (None: the last); the schedule spans all epochs either way. A recipe that reads pairs makes a reranker. Raises
    ValueError when a recipe that needs negatives has none, `share` is outside (0, 1], or `after` is none of the epochs.
    """

    recipe: Recipe
    epochs: int
    negatives: Negatives | None = None
    share: float = 1.0
    rates: Rates | None = None
    start: Start | None = None
    after: int | None = None
    is_tuned: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if self.negatives is None and not self.recipe.batching.in_batch:
            raise ValueError("the recipe takes no negatives from its batch, and `negatives` names no others")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}, not a share of the training groups")
        if self.after is not None and not 1 <= self.after <= self.epochs:
            raise ValueError(f"after {self.after} of {self.epochs} epochs")

    def helpers(self, name: str) -> frozenset[str]:
        return helpers(self.negatives) | ({self.rates.on} - {name} if self.rates else set())

    @property
    def initial(self) -> Start:
        return self.start or Start()

    @property
    def needs_candidates(self) -> bool:
        return self.recipe.reads_pairs

    @property
    def precision(self) -> Precision:
        return self.recipe.precision if self.needs_candidates else "float32"

    @property
    def texts(self) -> tuple[int, int]:
        """The queries and documents that its model reads for one row: a reranker reads the query with each document."""
        documents = 1 + count(self.negatives)
        return documents if self.needs_candidates else 1, documents


@dataclass(frozen=True, slots=True)
class Fused(How):
    """Several systems' rankings as one."""

    of: tuple[str, ...]
    method: Fusion

    @property
    def parts(self) -> tuple[str, ...]:
        return self.of


@dataclass(frozen=True, slots=True)
class Reranked(How):
    """The first `depth` documents of system `first`, reordered by the model of system `by`, which reads long ones in
    `windows` (None: their beginning)."""

    first: str
    by: str
    depth: int
    windows: Windows | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        return self.first, self.by


@dataclass(frozen=True, slots=True)
class WithPositive(How):
    """A query's positive of the highest grade and a system's first `negatives` documents that are not judged relevant:
    like the candidates that some data sets bring with each query, of which one is known to be right."""

    of: str
    negatives: int = 9

    @property
    def parts(self) -> tuple[str, ...]:
        return (self.of,)


@dataclass(frozen=True, slots=True)
class System:
    """One row of the study's table; `how` is None for the untouched base.

    `point` names the one thing, often an open question's id, by which it differs from the system `centre`.
    """

    name: str
    label: str
    how: How | BM25 | None
    note: str = ""
    point: str = ""
    centre: str = ""

    @property
    def way(self) -> How:
        """`how`, its short forms written out: the untouched base is a Start that changes nothing."""
        if self.how is None:
            return Start()
        return How() if isinstance(self.how, BM25) else self.how

    @property
    def lexical(self) -> BM25 | None:
        """The BM25 that it is, if it is one."""
        return self.how if isinstance(self.how, BM25) else None
