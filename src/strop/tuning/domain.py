"""The data of a tuning: training pairs, dev queries that choose among models, and a test split that nobody has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from strop.collection import door
from strop.collection.fingerprint import with_fingerprint
from strop.collection.generated import Generated
from strop.collection.panel import shuffled
from strop.collection.populations import known_and_new, parts, split_parts
from strop.negatives.examples import Examples
from strop.records.documents import Collection, Document, Group, Query, normal
from strop.records.errors import InputError
from strop.tuning.pools import pool, relevant, some_queries

TRAIN, TEST = "train", "test"
DEV = ("dev", "validation", "valid", "val")
#: Dev queries that models are compared on, at most.
DEV_QUERIES = 200
#: Dev answers are kept out of training as long as that costs no more than this share of the pairs.
DISJOINT_SHARE = 0.2
#: Of a collection's training queries, where it has no split of its own for them.
TEST_SHARE, DEV_SHARE = 0.25, 0.15
#: At most so many queries are made of documents, if documents are all there is.
GENERATED = 20_000

#: Documents -> queries made for them; those of the data itself, or of a language model.
Source = Callable[[Mapping[str, Document]], Sequence[Generated]]


@dataclass(frozen=True, eq=False)
class Domain:
    """`examples` holds a group for each (query, positive), first the best positive of every query. `closed` documents
    are neither trained on nor mined: those that answer dev queries, as far as the data allow it. `dev` is a pool;
    `test` is whole, and None where nothing was judged. `known` and `new` are populations of dev and of test queries:
    with an answer that is some training query's too, or with none. Of `generated` queries nothing is certified."""

    name: str
    source: str
    examples: Examples
    corpus: Collection
    closed: frozenset[str]
    dev: Collection
    test: Collection | None
    generated: bool
    splits: tuple[Collection, ...]
    findings: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def answers(self) -> frozenset[str]:
        """The documents that are some training query's positive."""
        return frozenset(d for group in self.examples.groups for d in group.positives)

    @property
    def queries(self) -> int:
        return len({group.query_id for group in self.examples.groups})

    def populations(self, collection: Collection) -> tuple[frozenset[str], frozenset[str]]:
        """A collection's queries with a known answer, and with new ones only."""
        return known_and_new(self.answers, collection)


def read(source: str, cache: Path, seed: int, pool_documents: int, generate: Source) -> Domain:
    """The collection in its parts. A missing dev or test split is cut from the training queries, by whole parts that
    share no answer; without training queries they are made of documents by `generate`.

    Raises InputError as `door.load`, and where too little is left to train on or to choose by.
    """
    splits = door.splits(source) if door.has_judgments(source) else ()
    loaded = {split: door.load(source, split, cache) for split in splits if split in (TRAIN, TEST, *DEV)}
    test, dev = loaded.get(TEST), next((loaded[name] for name in DEV if name in loaded), None)
    findings: list[str] = []
    if TRAIN in loaded:
        train = loaded[TRAIN]
        train, dev, test = _divided(train, dev, test, seed, findings)
        examples = Examples.of(_groups(train), train)
    else:
        whole = test or dev or door.documents(source, cache)
        made = generate(whole.documents)
        train, examples, dev = _made(whole, made, dev, seed)
        findings.append(f"{len(made):,} queries were made of the documents; they train and choose, and never certify")
    warnings = list(dict.fromkeys(w for each in (train, dev, test) if each for w in each.warnings))
    held = [each for each in (dev, test) if each]
    if asked := _asked(examples, held):
        warnings.append(f"{len(asked):,} training queries are dev or test queries word for word: left out of training")
        examples = examples.only([g for g in examples.groups if g.query_id not in asked])
    chosen, closed = _disjoint(dev, examples.groups)
    kept = [g for g in examples.groups if not closed.intersection(g.positives)]
    if len(kept) < 2 or not chosen:
        raise InputError(
            f"{len(kept):,} training pairs and {len(chosen):,} dev queries are left of {source}",
            remedy="Give more judged queries: some hundreds, at least",
        )
    if lost := len(examples.groups) - len(kept):
        findings.append(f"{lost:,} training pairs are left out, so that dev queries have new answers")
    dev_pool = pool(some_queries(dev, chosen), DEV_QUERIES, pool_documents)
    return Domain(
        name=whole.name if TRAIN not in loaded else train.name,
        source=source,
        examples=examples.only(kept),
        corpus=train,
        closed=closed,
        dev=dev_pool,
        test=test,
        generated=TRAIN not in loaded,
        splits=tuple(loaded.values()),
        findings=tuple(findings),
        warnings=tuple(warnings),
    )


def _divided(
    train: Collection, dev: Collection | None, test: Collection | None, seed: int, findings: list[str]
) -> tuple[Collection, Collection, Collection]:
    """The three splits, those that are missing cut from training queries."""
    shares = ([] if test else [TEST_SHARE]) + ([] if dev else [DEV_SHARE])
    if not shares:
        assert dev is not None
        assert test is not None
        return train, dev, test
    own = [q for q, judged in train.qrels.items() if relevant(judged)]
    folds = split_parts(parts(train, own), [1 - sum(shares), *shares], seed)
    if min(map(len, folds)) < 2:  # one part holds nearly all: its queries share answers whatever is done
        order = shuffled(own, f"{seed} split")
        sizes = [round(share * len(order)) for share in shares]
        cut = [frozenset(order[sum(sizes[:i]) : sum(sizes[: i + 1])]) for i in range(len(sizes))]
        folds = [frozenset(order[sum(sizes) :]), *cut]
    rest = list(folds[1:])
    new_test = test or replace(some_queries(train, rest.pop(0)), split="test, cut from train")
    new_dev = dev or replace(some_queries(train, rest.pop(0)), split="dev, cut from train")
    for name, given, cut_off in (("test", test, new_test), ("dev", dev, new_dev)):
        if given is None:
            findings.append(f"there is no {name} split: {len(cut_off.queries):,} training queries are cut off for it")
    return some_queries(train, folds[0]), new_dev, with_fingerprint(new_test)


def _groups(train: Collection) -> list[Group]:
    """A group for each (query, positive); the queries' best first, then their second best, and so on."""
    ranked = []
    for query_id, judged in train.qrels.items():
        answers = relevant(judged)
        usable = [d for d in judged if d in answers and d in train.documents and d not in train.reserved]
        usable = [d for d in usable if train.documents[d].contents]  # in the judgments' order, not a set's
        best = sorted(usable, key=lambda d: -judged[d])
        ranked += [(place, Group(query_id, (d,), relevant=answers)) for place, d in enumerate(best)]
    return [group for _, group in sorted(ranked, key=lambda pair: pair[0])]


def _made(
    whole: Collection, made: Sequence[Generated], dev: Collection | None, seed: int
) -> tuple[Collection, Examples, Collection]:
    """Training examples of generated queries, and dev queries of other documents where no judged ones are there."""
    order = {each.doc_id: i for i, each in enumerate(made)}
    chosen = shuffled(order, f"{seed} generated")[: min(DEV_QUERIES, len(made) // 4)] if dev is None else []
    held = {made[order[d]].doc_id: made[order[d]] for d in chosen}
    near = frozenset(d for each in held.values() for d in each.relevant)
    training = [each for each in made if each.doc_id not in held and each.doc_id not in near]
    if dev is None:
        texts = {d: Document(d, each.text) for d, each in held.items()}
        documents = {d: texts.get(d) or whole.documents[d] for d in whole.documents}
        queries = {f"dev:{d}": Query(f"dev:{d}", each.query) for d, each in held.items()}
        qrels = {f"dev:{d}": dict.fromkeys((d, *each.relevant), 1) for d, each in held.items()}
        dev = with_fingerprint(replace(whole, split="generated", documents=documents, queries=queries, qrels=qrels))
    groups = [
        Group(f"made:{each.doc_id}", (each.doc_id,), relevant=frozenset((each.doc_id, *each.relevant)))
        for each in training
    ]
    examples = Examples(
        tuple(groups),
        {f"made:{each.doc_id}": each.query for each in training},
        {each.doc_id: each.text for each in training},
    )
    queries = {q: Query(q, text) for q, text in examples.queries.items()}
    qrels = {g.query_id: dict.fromkeys(sorted(g.relevant), 1) for g in groups}
    return replace(whole, split="generated", queries=queries, qrels=qrels, reserved=frozenset()), examples, dev


def _asked(examples: Examples, held: Iterable[Collection]) -> set[str]:
    """Training queries that are also asked in a split that is held out."""
    texts = {normal(q.text) for each in held for q in each.queries.values()}
    return {q for q, text in examples.queries.items() if normal(text) in texts}


def _disjoint(dev: Collection, groups: Sequence[Group]) -> tuple[list[str], frozenset[str]]:
    """Dev queries to choose by, and the documents that training leaves to them: the answers of as many queries, those
    first that cost the fewest pairs, as `DISJOINT_SHARE` of the pairs allows."""
    answers = {q: {d for d in relevant(judged) if d in dev.documents} for q, judged in dev.qrels.items()}
    chosen = shuffled((q for q, of in answers.items() if of), "dev query")[:DEV_QUERIES]
    pairs = Counter(d for group in groups for d in group.positives)
    left, closed = DISJOINT_SHARE * len(groups), set[str]()
    for query_id in sorted(chosen, key=lambda q: sum(pairs[d] for d in answers[q])):
        more = answers[query_id] - closed
        if (cost := sum(pairs[d] for d in more)) <= left:
            closed |= more
            left -= cost
    return chosen, frozenset(closed)


def closed_to_training(domain: Domain) -> Set[str]:
    """Documents that no pair and no negative may hold."""
    return domain.closed | domain.corpus.reserved
