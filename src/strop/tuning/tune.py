"""Tuning: audit, plan, race, walk and certificate, each made of artifacts, so that a killed run comes back to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Stage, Store
from strop.collection import door, questions
from strop.collection.docstrings.reader import is_docstrings
from strop.collection.endpoint import check_address
from strop.collection.generated import Generated, generated
from strop.evaluation.certification import alpha_of_look
from strop.models.architecture import Doubled
from strop.models.interpolation import interpolate
from strop.models.loading import load_any
from strop.models.precision import check_native, has_bfloat16
from strop.models.pretrained import Pretrained, resolve
from strop.negatives.examples import Examples
from strop.negatives.positives import positive_groups
from strop.records.documents import Collection, Document
from strop.records.plain import to_plain
from strop.records.results import read_json, write_json
from strop.records.tuned import Beside, Point, TuneRecord
from strop.training.initial_models import converted
from strop.training.recipes import recipe
from strop.training.stage import tuned_model
from strop.tuning import artifact, auditing, domain, guards, ledger, selection
from strop.tuning.candidates import Candidate, candidates
from strop.tuning.certificate import Certificate, Court, Terms, beside, certify
from strop.tuning.domain import Domain
from strop.tuning.guards import Guard
from strop.tuning.looks import Panel
from strop.tuning.phases import Phases
from strop.tuning.plan import Plan, plan
from strop.tuning.race import Finish, Stop, choose, pairs_of, race, raised, walk
from strop.tuning.ranking import MEASURE
from strop.tuning.request import Request
from strop.tuning.selection import Judge
from strop.tuning.trials import Trials

TUNE, PLAN, MERGE = Stage("tune", 3), Stage("plan", 2), Stage("merge", 1)
#: Documents of the dev pool, and as many of all guards' pools together, by minute of the budget; and their limits.
POOL, LEAST_POOL, LARGEST_POOL = 25, 300, 1500
#: General pairs that may be replayed.
GENERAL, GENERAL_PAIRS = "docstrings", 4000
#: Verdicts without a certificate.
HOPELESS = "The base is kept: nothing could be certified."
NOTHING = "The base is kept: nothing was good enough to be tested."
NO_POINT = "No point between base and tuned weights gains on dev queries with every guard within the margin."
UNJUDGED = "The base is kept: no judged queries are there to certify with."
#: What record and certificate have in common.
CERTIFIED = ("decision", "verdict", "reasons", "alpha", "gain", "guards", "won", "lost", "truncated")


@dataclass(frozen=True, eq=False)
class Tuning:
    """A request and its data. Everything below is a function of these and of the plan."""

    request: Request
    store: Store
    base: Pretrained
    start: Pretrained
    domain: Domain
    guards: tuple[Guard, ...]
    phases: Phases

    @classmethod
    def of(cls, request: Request, store: Store, say: Callable[[str], None], progress: Progress = silent) -> Tuning:
        """Reads the data. Raises InputError on any that cannot be used, and for an unknown recipe beside."""
        for name in request.beside:
            recipe(name)
        if request.endpoint:
            check_address(request.endpoint)
        door.has_judgments(request.collection)
        for guard in request.guards:
            door.splits(guard)
        phases = Phases(request.budget, say, progress)
        with phases("read the data"):
            base = resolve(request.base)
            made = partial(_made, request, store, phases.progress)
            documents = min(LARGEST_POOL, max(LEAST_POOL, round(POOL * request.budget / 60)))
            own = domain.read(request.collection, store.docstrings, request.seed, documents, made)
            share = documents // max(1, len(request.guards))
            each = guards.read_all(request.guards, request.collection, store.docstrings, request.seed, share)
            start = converted(store, base, Doubled()) if request.keep_index else base
        return cls(request, store, base, start, own, each, phases)

    def __call__(self, given: Plan | None = None) -> Artifact:
        """Artifact `tune`: `record.json`, `recipe.json`, `queries.csv`, and `model/` unless the verdict is HOLD. With a
        plan that is `given` the same bytes come out wherever the processor is the same."""
        return self.store.build(
            TUNE, {"request": self._asked_for, "plan": given}, self.inputs, partial(self._make, given)
        )

    def _make(self, given: Plan | None, folder: Path) -> None:
        audit = auditing.audit(self.domain, self.guards, self.base, self.request.terms, self._alpha)
        for line in (*audit.findings, *audit.warnings):
            self.phases.tell(line)
        held = self._held(audit)
        if audit.hopeless:
            return self._write(folder, replace(held, verdict=HOPELESS, reasons=audit.hopeless), given)
        model = load_any(self.start.path)
        shorten = auditing.mostly_longer(self.domain, model)
        field = candidates(model, shorten, self.request.dims, self.request.keep_index, self._has_general)
        pools = {self.domain.name: self.domain.dev, **{guard.name: guard.choose for guard in self.guards}}
        with self.phases("plan"):
            chosen = given or self._plan(field, pools.values(), shorten)
            check_native(chosen.precision)
            if chosen.why:
                self.phases.tell(f"{chosen.precision}: {chosen.why}")
        progress, new = self.phases.progress, self.domain.populations(self.domain.dev)[1]
        pairs = max(of.pairs for of in chosen.rounds)
        trials = Trials(
            self.store, self.start, self.domain, chosen.precision, self.request.seed, pairs, self._general, progress
        )
        panel = Panel(self.store, self.start, pools, chosen.precision, progress)
        with self.phases("choose"):
            judge = Judge(panel.base_look(), self.domain.name, self.request.terms.margin, new, self._exam)
            finish, tried, stops = race(field, chosen, trials, panel, judge)
        with self.phases("interpolate"):
            path, stop = choose([*stops, *walk(finish, chosen, panel, judge)])
        held = replace(
            held, precision=chosen.precision, tried=tuple(tried), path=tuple(path),
            warnings=(*held.warnings, *finish.alarms),
        )  # fmt: skip
        if stop is None or self.domain.test is None:
            verdict, reasons = (NOTHING, (NO_POINT,)) if stop is None else (UNJUDGED, _unjudged(stop.point))
            return self._write(folder, replace(held, verdict=verdict, reasons=reasons), chosen, finish)
        merged = self._merged(stop)
        with self.phases("certify"):
            number = ledger.look(self.store, self.domain.test, merged.identity)
            guarded = [(guard.name, guard.certify) for guard in self.guards]
            court = Court(self.store, self.start, merged, progress)
            certificate = certify(
                court, self.domain.test, self.domain.populations(self.domain.test), guarded, self.request.terms,
                alpha_of_look(number), self.request.dims,
            )  # fmt: skip
            besides = [
                self._beside(name, finish, chosen, trials, court, certificate.alpha) for name in self.request.beside
            ]
        costs = auditing.costs(self.domain, chosen, self.request.keep_index)
        same = {name: getattr(certificate, name) for name in CERTIFIED}
        record = replace(held, look=number, beside=tuple(besides), costs=costs, **same)
        return self._write(folder, record, chosen, finish, certificate, merged)

    def _beside(self, name: str, finish: Finish, chosen: Plan, trials: Trials, court: Court, alpha: float) -> Beside:
        """A recipe trained for as long as the winner's last training is planned to take, cut at the same length."""
        assert self.domain.test is not None
        named = replace(recipe(name), max_length=finish.training.recipe.max_length)
        candidate = Candidate(name, named, negatives=0 if named.batching.in_batch else 1)
        trained, training = trials(candidate, chosen.pairs(candidate, chosen.rounds[-1]))
        guarded = [(guard.name, guard.certify) for guard in self.guards]
        other = replace(court, tuned=tuned_model(trained))
        gain, *others = beside(other, self.domain.test, guarded, self.request.terms, alpha)
        return Beside(name, pairs_of(training), gain, tuple(others), raised(trained))

    @property
    def inputs(self) -> dict[str, str]:
        """Hashes of all data, and of the base."""
        of = {"examples": content_key(_plain(self.domain.examples)), "dev": self.domain.dev.fingerprint}
        of |= {f"guard {g.name}": f"{g.choose.fingerprint} {g.certify.fingerprint}" for g in self.guards}
        return {"base": self.base.identity, "test": self._test_key, **of}

    @property
    def _asked_for(self) -> Request:
        """The request without names: what lies behind them is hashed instead."""
        return replace(self.request, collection="", base="", guards=())

    @property
    def _test_key(self) -> str:
        return self.domain.test.fingerprint if self.domain.test else ""

    @property
    def _exam(self) -> selection.Exam | None:
        """What will be certified with; a trade needs no guard."""
        if self.domain.test is None:
            return None
        queries = {self.domain.name: len(self.domain.test.queries)}
        if not self.request.terms.trade:
            queries |= {guard.name: len(guard.certify.queries) for guard in self.guards}
        return selection.Exam(queries, self._alpha, self.request.terms.gain)

    @property
    def _alpha(self) -> float:
        test = self.domain.test
        return alpha_of_look((ledger.looks(self.store, test) if test else 0) + 1)

    def _general(self) -> Examples:
        train = door.load(GENERAL, "train", self.store.docstrings)
        return Examples.of(positive_groups(train, first_only=True)[:GENERAL_PAIRS], train)

    @property
    def _has_general(self) -> bool:
        """Not where the general pairs are what the model is tuned on."""
        return not is_docstrings(self.request.collection)

    def _plan(self, field: Sequence[Candidate], pools: Iterable[Collection], shorten: bool) -> Plan:
        """The same whatever the terms: with another margin, or with a trade allowed, nothing is trained again."""

        def make(folder: Path) -> None:
            corpora = {guard.name: guard.certify for guard in self.guards}
            if self.domain.test:
                corpora[self.domain.name] = self.domain.test
            made = plan(
                self.request.budget, self.start, self.domain, list(pools), corpora, field, shorten, self._is_ranked
            )
            write_json(to_plain(made), folder / "plan.json")

        values = {"request": replace(self._asked_for, terms=Terms(), beside=()), "bfloat16": has_bfloat16()}
        return read_json(Plan, self.store.build(PLAN, values, self.inputs, make).path / "plan.json")

    def _is_ranked(self, collection: Collection) -> bool:
        """Whether the base's ranking is in the store."""
        court = Court(self.store, self.start, self.start)
        return self.store.holds(lambda: court.runs(collection))

    def _merged(self, stop: Stop) -> Pretrained:
        share = stop.point.share

        def make(folder: Path) -> None:
            interpolate(self.start.path, [each.path for each in stop.weights], share, folder / artifact.MODEL)

        inputs = {"base": self.start.identity, "tuned": " ".join(each.identity for each in stop.weights)}
        return resolve(str(self.store.build(MERGE, share, inputs, make).path / artifact.MODEL))

    def _held(self, audit: auditing.Findings) -> TuneRecord:
        """The record as it stands before anything is trained: a HOLD without a word."""
        names = "strop", "torch", "transformers", "sentence-transformers"
        return TuneRecord(
            title=f"{self.base.title.rpartition('/')[2]} on {self.domain.name}",
            command="",
            decision="HOLD",
            verdict="",
            reasons=(),
            base=self.base.title,
            collection=self.domain.name,
            measure=MEASURE,
            margin=self.request.terms.margin,
            alpha=self._alpha,
            look=0,
            precision="",
            audit=(*self.domain.findings, *audit.findings),
            warnings=(*self.domain.warnings, *audit.warnings),
            dev_queries=len(self.domain.dev.queries),
            dev_documents=len(self.domain.dev.documents),
            budget_seconds=self.request.budget,
            versions={name: version(name) for name in names},
        )

    def _write(
        self,
        folder: Path,
        record: TuneRecord,
        chosen: Plan | None,
        finish: Finish | None = None,
        certificate: Certificate | None = None,
        merged: Pretrained | None = None,
    ) -> None:
        recipe_of = artifact.Recipe(self.request, chosen, self.inputs, finish.candidate.name if finish else None)
        record = replace(record, seconds=dict(self.phases.seconds))
        artifact.write(folder, record, recipe_of, certificate.values if certificate else {}, merged)


def _unjudged(point: Point) -> tuple[str, ...]:
    return (
        f"The candidate gained {point.gain:+.3f} {MEASURE} on generated dev queries, which certify nothing.",
        "Judge some hundreds of real queries, add them as qrels/test.tsv, and give the same command again.",
    )


def _made(request: Request, store: Store, progress: Progress, documents: Mapping[str, Document]) -> Sequence[Generated]:
    """Queries made of documents, by a language model where an endpoint is named."""
    if request.endpoint:
        return questions.ask(request.endpoint, documents, store, request.seed, domain.GENERATED, progress)
    return generated(documents, request.seed, domain.GENERATED)


def _plain(examples: Examples) -> list[list[str]]:
    return [[examples.queries[g.query_id], *(examples.documents[d] for d in g.positives)] for g in examples.groups]
