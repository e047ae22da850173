"""Mining: the negatives of a study's training queries, of every kind, over training documents only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from strop.models.pretrained import Pretrained
from strop.negatives import filters, union
from strop.negatives.audit.calibration import Calibration, EveryRank, calibrate, hide
from strop.negatives.examples import Examples
from strop.negatives.filters import PositiveRelative, Scores, run_scores
from strop.negatives.from_run import RankWindow
from strop.negatives.positives import positive_groups
from strop.negatives.sampled import Uniform
from strop.negatives.taught import teach
from strop.records.documents import Collection, Group
from strop.records.errors import InputError
from strop.records.runs import Run
from strop.retrieval.lexical import BM25
from strop.retrieval.retriever import Retriever, retriever_of
from strop.study.negative_policies import Cleaned, Mined, Negatives, Provided, SelfMined, Taught, Union
from strop.training.cross_fitting import own_candidates
from strop.training.mining import Miner
from strop.training.stage import Training, tuned_model


class Sources:
    """The systems of a preset that mine or teach, by name; here, for policies that name none, there are none."""

    def miner(self, name: str) -> Pretrained:
        """The finished model."""
        raise ValueError(f"negatives mined by {name!r} belong to a preset's system")

    def teacher(self, name: str, candidates: Run) -> Run:
        """A reranker's scores of training queries' candidates, by models that were not trained on these queries."""
        raise ValueError(f"the teacher {name!r} belongs to a preset's system")


NO_SOURCES = Sources()

#: As deep as an estimator looks for the positive whose score it compares with.
_JUDGED_DEPTH = 1000


@dataclass(frozen=True, slots=True)
class Mining:
    """A training collection, its miner over training documents, and the base model."""

    train: Collection
    miner: Miner
    base: Pretrained
    seed: int

    def rows(self, policy: Negatives, sources: Sources = NO_SOURCES) -> list[Group]:
        """Groups with negatives, in the order of the judgments; a union's sources one after the other.

        Queries without enough candidates are left out. Self-mined negatives are those of `base`.
        """
        groups = positive_groups(self.train, first_only=True)
        match policy:
            case Provided():
                return self.rows(policy.otherwise, sources)
            case Uniform():
                return policy(groups, list(self.miner.documents), self.seed)
            case Union():
                parts = [self.rows(source, sources) for source in policy.of]
                return union.quota(parts, policy.counts) if policy.counts else union.rows(parts)
            case SelfMined():
                return self.mined(policy.window, self.base)
            case Cleaned():
                return self._cleaned(policy, sources)
            case Taught():
                mined = self.rows(policy.of, sources)
                return teach(mined, sources.teacher(policy.teacher, own_candidates(mined)))
        return self.miner(self._source(policy, sources), policy.window, groups, self.seed)

    def mined(self, window: RankWindow, model: Pretrained, among: Sequence[Group] | None = None) -> list[Group]:
        """Groups (those `among`, or all) with negatives from a window of a model's ranking."""
        groups = among or positive_groups(self.train, first_only=True)
        return self.miner(retriever_of(model), window, groups, self.seed)

    def run(self, policy: Mined, sources: Sources = NO_SOURCES) -> Run:
        """The miner's ranking of the training documents for the training queries."""
        return self.miner.ranked(self._source(policy, sources), policy.window.high)

    def _source(self, policy: Mined, sources: Sources) -> Retriever:
        named = sources.miner(policy.miner) if isinstance(policy.miner, str) else policy.miner
        return retriever_of(named or self.base)

    def _cleaned(self, policy: Cleaned, sources: Sources) -> list[Group]:
        mined = self.rows(policy.of, sources)
        if policy.teacher:
            scores = {"teacher": run_scores(sources.teacher(policy.teacher, own_candidates(mined)))}
        else:
            by = {"dense": retriever_of(self.base), "bm25": retriever_of(BM25())}
            scores = {name: run_scores(self.miner.ranked(each, _JUDGED_DEPTH)) for name, each in by.items()}
        return list(filters.denoise(mined, policy.estimator, scores, policy.keep).groups)


def refreshed(whole: Training, policy: Negatives | None, mining: Mining) -> Training:
    """A self-mined training in parts, each on negatives that its first model mines; trains all but the last. Any other
    training is one part."""
    if not isinstance(policy, SelfMined):
        return whole
    count = policy.refreshes + 1
    if whole.recipe.updates < count:
        problem = f"{whole.recipe.updates} updates cannot be cut in {count} parts to mine anew between"
        raise InputError(problem, remedy="Train longer, or refresh less often")
    part = replace(whole, until=round(whole.recipe.updates / count))
    for i in range(2, count + 1):
        model = tuned_model(part(mining.miner.store, mining.miner.progress))
        examples = Examples.of(mining.mined(policy.window, model, whole.examples.groups), mining.train)
        until = round(whole.recipe.updates * i / count) if i < count else None
        part = replace(whole, examples=examples, until=until, earlier=part)
    return part


#: The base's scores alone, and those BM25 agrees with: of these, what both flag.
ESTIMATORS = (PositiveRelative(0.95, ("dense",)), PositiveRelative(0.95, ("dense", "BM25")))


def calibrations(
    mining: Mining, policy: Mined, mined_by: str, ranks: EveryRank, scores: Mapping[str, Scores]
) -> list[Calibration]:
    """How the estimators fare on training queries with two known positives or more, half of them hidden; none without
    such queries."""
    train, known = mining.train, mining.miner.documents
    usable = {q: {d: r for d, r in judged.items() if d in known} for q, judged in train.qrels.items()}
    try:
        judged = hide(usable, 0.5, mining.seed)
    except InputError:
        return []
    return calibrate(f"{train.name}/{train.split}", judged, mining.run(policy), mined_by, ranks, scores, ESTIMATORS)
