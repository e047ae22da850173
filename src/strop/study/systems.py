"""Systems: what a study compares, as values: rankings that are searched, tuned, fused or put in a new order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TypeAlias

from strop.models.architecture import Architecture
from strop.models.scoring import Joint
from strop.negatives.filters import Estimator
from strop.negatives.from_run import RankWindow
from strop.negatives.sampled import Uniform
from strop.retrieval.fuse import Fusion
from strop.retrieval.lexical import BM25
from strop.retrieval.windows import Windows
from strop.training.optimizers import Optimizer
from strop.training.recipes import Recipe


@dataclass(frozen=True, slots=True)
class Start:
    """What a training starts from: the study's base, or `base` by name, in this architecture (None: as it comes), of
    its first `layers` only.

    A model cut to some layers is first taught by the study's base on training text, so that size is not mixed up with
    damage; it cannot be cut from another. Raises ValueError for both.
    """

    architecture: Architecture | None = None
    layers: int | None = None
    base: str | None = None

    def __post_init__(self) -> None:
        if self.layers and self.base:
            raise ValueError("a start has either layers of the study's base, or another base")


@dataclass(frozen=True, slots=True)
class Mined:
    """Negatives from a window of ranks of what a miner finds among the training documents: BM25, the base (None), or
    the finished model of another system of the preset, by name, at the first seed."""

    window: RankWindow
    miner: BM25 | str | None = None


@dataclass(frozen=True, slots=True)
class Provided:
    """The triples that come with the collection; where none come, `otherwise`, which is what they are made of."""

    otherwise: Mined


@dataclass(frozen=True, slots=True)
class SelfMined:
    """Negatives from the trainee's own ranks: of the start at first, then anew from the model at each of `refreshes`
    evenly spread updates, with the same optimiser and schedule going on."""

    window: RankWindow
    refreshes: int = 1


@dataclass(frozen=True, slots=True)
class Union:
    """Every query once with the negatives of each source, so many times the rows; or, with `counts`, one row a query
    with so many of each."""

    of: tuple[Mined, ...]
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Cleaned:
    """The first `keep` negatives of a window that the estimator does not flag as false; `of` draws more than that.

    The estimator's sources are `dense` (the base), `bm25` and, where a reranker of the preset is named, `teacher`: its
    scores, cross-fitted, so that no query is judged by a model that was trained on it.
    """

    of: Mined
    estimator: Estimator
    keep: int = 1
    teacher: str = ""


@dataclass(frozen=True, slots=True)
class Taught:
    """Negatives of a source, and for each candidate the score of a reranker of the preset, cross-fitted."""

    of: Mined
    teacher: str


Negatives: TypeAlias = Uniform | Mined | Provided | SelfMined | Union | Cleaned | Taught


def teachers(policy: Negatives | None) -> frozenset[str]:
    """The systems whose scores it needs."""
    return frozenset({policy.teacher} - {""}) if isinstance(policy, Cleaned | Taught) else frozenset()


def miners(policy: Negatives | None) -> frozenset[str]:
    """The systems whose finished models mine."""
    match policy:
        case Mined(miner=str(name)):
            return frozenset({name})
        case Provided(otherwise=inner) | Cleaned(of=inner) | Taught(of=inner):
            return miners(inner)
        case Union(of=sources):
            return frozenset[str]().union(*map(miners, sources))
    return frozenset()


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates to choose from, each with every one of the weight `decays` (none: the recipe's own).

    The system `on` is trained with each at the first seed, and the setting whose model ranks the held-out queries best
    (RR@10 over training documents) serves every system that names the same.
    """

    values: tuple[float, ...]
    on: str
    decays: tuple[float, ...] = ()

    def settings(self, of: Optimizer) -> tuple[Optimizer, ...]:
        """The optimiser at each setting, the lowest rate and decay first."""
        grid = product(sorted(self.values), sorted(self.decays) or (of.weight_decay,))
        return tuple(replace(of, learning_rate=rate, weight_decay=decay) for rate, decay in grid)


@dataclass(frozen=True, slots=True)
class Tuned:
    """A fine-tuned system: a recipe, how many epochs it sees, and its negatives (None: only the batch's own).

    The recipe's `updates` are set from the epochs and the number of training groups, of which only `share` are used;
    its learning rate from `rates`, where there are some. `start` is what it is tuned from (None: the base). `after` is
    the epoch whose weights are taken (None: the last's); the schedule is of all epochs either way. A recipe that scores
    by `Joint` makes a reranker. Raises ValueError when a recipe that needs negatives has none, `share` is outside
    (0, 1], or `after` is none of the epochs.
    """

    recipe: Recipe
    epochs: int
    negatives: Negatives | None = None
    share: float = 1.0
    rates: Rates | None = None
    start: Start | None = None
    after: int | None = None

    def __post_init__(self) -> None:
        if self.negatives is None and not self.recipe.batching.in_batch:
            raise ValueError("the recipe takes no negatives from its batch, and `negatives` names no others")
        if not 0 < self.share <= 1:
            raise ValueError(f"share is {self.share}, not a share of the training groups")
        if self.after is not None and not 1 <= self.after <= self.epochs:
            raise ValueError(f"after {self.after} of {self.epochs} epochs")

    @property
    def reranks(self) -> bool:
        """Whether it reads pairs, and so puts what others found in a new order."""
        return isinstance(self.recipe.scoring, Joint)


@dataclass(frozen=True, slots=True)
class Fused:
    """Several systems' rankings as one."""

    of: tuple[str, ...]
    method: Fusion


@dataclass(frozen=True, slots=True)
class Reranked:
    """The first `depth` documents of the system `first` in the order of the model of the system `by`, which reads long
    ones in `windows` (None: their beginning)."""

    first: str
    by: str
    depth: int
    windows: Windows | None = None


@dataclass(frozen=True, slots=True)
class WithPositive:
    """A query's positive of the highest grade and a system's first `negatives` documents that are not judged relevant:
    the candidates that a data set brings with each query, of which one is known to be right."""

    of: str
    negatives: int = 9


How: TypeAlias = BM25 | Start | Tuned | Fused | Reranked | WithPositive | None


@dataclass(frozen=True, slots=True)
class System:
    """One row of the study's table. `how` is BM25, the untouched base model (None), the base in another architecture or
    size, a tuned one, or a ranking made of other systems' rankings.

    `point` names the doubtful point a knob's system stands for: it differs from the system `centre` by that alone.
    """

    name: str
    label: str
    how: How
    note: str = ""
    point: str = ""
    centre: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """The systems that its ranking is made of."""
        match self.how:
            case Fused(of=parts):
                return parts
            case Reranked(first=first, by=by):
                return first, by
            case WithPositive(of=part):
                return (part,)
        return ()
