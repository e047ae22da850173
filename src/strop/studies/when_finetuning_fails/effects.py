"""Open questions about effects (T5 to T8, T10 to T23): one knob of the authors' code at a time, and what it changes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.evaluation.measures import evaluate, mean
from strop.negatives.audit.hardness import Hardness, Similarity, harder, hardness
from strop.negatives.sampled import Uniform
from strop.records import formats
from strop.records.documents import Group
from strop.records.runs import Ranking, Run
from strop.retrieval import stages
from strop.retrieval.task import ById
from strop.studies.when_finetuning_fails.fixed_rank import FixedRank
from strop.studies.when_finetuning_fails.presets import FIXED_RANK, ONE_KNOB, TRIPLES
from strop.study.contrasts import Contrast, Direction, Pair
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence, Grid
from strop.study.systems import Tuned
from strop.study.workbench import Workbench

KNOB = "one_knob"
TUNED = ("full_random", "full_hard", "lora_random", "lora_hard")


def _knobs(expect: Direction, *names: str) -> Contrast:
    """Each knob beside the centre it was turned at."""
    return Contrast(tuple(Pair(KNOB, ONE_KNOB.system(name).centre, name) for name in names), expect)


#: Training on what is tested should win back what the other distance lost.
TRAIN_AS_TESTED = _knobs("up", "normalised", "cosine")
DISTANCE_AND_MARGIN = _knobs("any", "squared", "margin_1")
UNIFORM = _knobs("any", "uniform")
OWN_RANK = _knobs("any", "own_rank")
WINDOW = _knobs("any", "top_ranks")
BUDGET = _knobs("any", "matched", "lora_full_batch")
HARD = Contrast(
    tuple(
        Pair(preset, f"{how}_random", f"{how}_hard") for preset in ("as_coded", "corrected") for how in ("full", "lora")
    ),
    "down",
)
LORA_RATE, FULL_RATE = _knobs("up", "lora_rate_10"), _knobs("any", "rate_tenth")
#: As coded, so that nothing but the loss and its negatives differs from a system of the paper.
IN_BATCH = Contrast((Pair("as_coded", "base", "in_batch"),), "up")
LAST = _knobs("any", "last")
NUMBERS = _knobs("any", "no_dropout", "float32", "short")

#: The authors kept a query's first 200 passages; ties deeper than that cannot change RR@10.
_CANDIDATES = 200


def train_as_tested(bench: Workbench) -> Evidence:
    """T5. On unit vectors no distance exceeds 2, so that a margin of 5 leaves every triplet a loss of 3 or more."""
    rows = []
    for name in (ONE_KNOB.system("normalised").centre, "normalised", "cosine"):
        losses, active = (logged(bench, KNOB, name, measure) for measure in ("loss", "active_share"))
        ends = (losses[0], losses[-1], min(losses), active[0], active[-1])
        label = bench.study.preset(KNOB).system(name).label
        rows.append((label, *(formats.fixed(v, 2) for v in ends[:3]), *(formats.percent(v) for v in ends[3:])))
    losses = logged(bench, KNOB, "normalised", "loss")
    columns = ("system", "first loss", "last loss", "lowest loss", "first active share", "last active share")
    return _with(
        TRAIN_AS_TESTED(bench),
        f"On unit vectors a margin of 5 can give no loss under 3: the lowest of {len(losses)} updates was "
        f"{formats.fixed(min(losses), 2)}, with {rows[1][-1]} of the triplets active at the end, against {rows[0][-1]} "
        f"without normalisation; the published final loss is 0.79.",
        Grid("Triplets that still give a gradient, and losses, at the first seed", columns, tuple(rows)),
    )


def random_negatives(bench: Workbench) -> Evidence:
    """T7. What "random" negatives are drawn from, how near they lie, and what that does to the tuned model."""
    similarity = base_similarity(bench)
    measured: dict[str, Hardness] = {
        name: hardness(list(bench.data.with_negatives(policy).values()), similarity)
        for name, policy in (("BM25's top 1,000", TRIPLES), ("uniform", Uniform()), ("ranks 50–200", FIXED_RANK))
    }
    reading = harder(measured["BM25's top 1,000"], measured["uniform"], ("BM25's top 1,000 as", "uniform"))
    rows = tuple(
        (name, formats.fixed(h.gap), formats.interval(*h.interval), formats.percent(h.above_positive))
        for name, h in measured.items()
    )
    return _with(
        UNIFORM(bench),
        f"{reading}, in a pool of {formats.count(len(bench.own.train_documents))} documents.",
        Grid(
            "How much nearer a query's positive is than its negative, in the base's cosine",
            ("negatives", "mean gap", "95 %", "above the positive"),
            rows,
        ),
    )


def window_bounds(bench: Workbench) -> Evidence:
    """T10. The text's window holds 150 ranks, the code's 151, and the one fixed rank moves with the size."""
    text = bench.data.with_negatives(Mined(FixedRank(51, 200)))
    code = bench.data.with_negatives(FIXED_RANK)
    both = [q for q in code if q in text]
    moved = sum(text[q].negatives != code[q].negatives for q in both)
    rows = tuple(
        (name, str(200 - low + 1), ", ".join(_commonest(negatives)))
        for name, low, negatives in (("text: 51 to 200", 51, text), ("code: 50 to 200", 50, code))
    )
    return _with(
        WINDOW(bench),
        f"Ranks 51 to 200 are 150 candidates and 50 to 200 are 151: with the code's generator "
        f"{formats.count(moved)} of {formats.count(len(both))} queries get another negative.",
        Grid("One rank more, another negative", ("window", "ranks", "drawn most often"), rows),
    )


def matched_budget(bench: Workbench) -> Evidence:
    """T13. The hard set with the random set's budget, and hard beside random with budgets unequal and equal."""
    return _with(BUDGET(bench), f"Hard beside random: {(apart := HARD(bench)).sentence}", *apart.tables)


def learning_rates(bench: Workbench) -> Evidence:
    """T14. Each tuning method's own rate, chosen on held-out queries, and the code's rate turned at its own loss."""
    preset, grid = bench.study.preset("corrected"), []
    chosen = {}
    for name in ("full_hard", "lora_hard"):
        system = preset.system(name)
        assert isinstance(system.how, Tuned)
        assert system.how.rates is not None
        rates = system.how.rates
        values = {s.learning_rate: value for s, value in bench.held_out_values(preset, rates).items()}
        chosen[system.label] = bench.setting(preset, rates).learning_rate
        grid.append((system.label, f"{chosen[system.label]:g}", *(formats.fixed(v) for v in values.values())))
    full = FULL_RATE(bench)
    return _with(
        LORA_RATE(bench),
        f"Held-out queries choose {' and '.join(f'{rate:g} for {name}' for name, rate in chosen.items())}. "
        f"Full tuning: {full.sentence}",
        Grid(
            "RR@10 of held-out queries by learning rate, in-batch loss, first seed",
            ("system", "chosen", *(f"{rate:g}" for rate in sorted(values))),
            tuple(grid),
        ),
        *full.tables,
    )


def accuracies(bench: Workbench) -> Evidence:
    """T19. Shown when the choice of negatives moves a model's accuracy by more than models differ on the same ones."""
    preset = bench.study.preset("as_coded")
    table = {"untouched": _accuracy(bench, TUNED[0], first=True)} | {n: _accuracy(bench, n) for n in TUNED}
    number = len(bench.data.watched(preset, preset.watched[0][1]).groups)
    spread = max(_range([row[kind] for row in table.values()]) for kind in (0, 1))
    swap = float(np.mean([abs(random - hard) for random, hard in table.values()]))
    by_random, by_hard = (_ordered({n: table[n][kind] for n in TUNED}) for kind in (0, 1))
    curve = [loss for _, loss in bench.study.published_loss["lora_hard"]]
    falls = "falls at every point" if all(a > b for a, b in pairwise(curve)) else "rises in places"
    last = LAST(bench)
    return Evidence(
        "shown" if swap > spread else "not shown",
        f"On {number} held-out queries, exchanging the kind of negatives moves a model's cosine accuracy by "
        f"{formats.fixed(swap)} on average, and models differ by at most {formats.fixed(spread)} on the same "
        f"ones: 0.97 and 0.95 beside 0.84 and 0.78 were measured on unlike negatives. By random ones the order is "
        f"{by_random}, by hard ones {by_hard}. The curve called unstable {falls} "
        f"({curve[0]} to {curve[-1]}). Keeping the last update: {last.sentence}",
        (
            Grid(
                "Cosine accuracy of the kept weights on the same held-out queries, first seed",
                ("model", "random negatives", "hard negatives"),
                tuple((name, *(formats.fixed(v) for v in row)) for name, row in table.items()),
            ),
            *last.tables,
        ),
    )


def numbers(bench: Workbench) -> Evidence:
    """T23. Precision, dropout and length as knobs, and the ties that half-precision scores make."""
    seed, own = bench.scale.seeds[0], bench.own
    run = stages.run_of(bench.ranking(bench.study.preset(KNOB), bench.study.baseline, seed)).top(_CANDIDATES)
    queries = {q.id: q.text for q in own.test.queries.values()}
    halved = half_precision(run, *base_vectors(bench, queries, Contents(own.test.documents)))
    tied = sum(len(set(r.scores[:10].tolist())) < min(10, len(r.scores)) for r in halved.values())
    values = [evaluate(r, own.test.qrels, ("RR@10",))["RR@10"] for r in (run, halved)]
    changed = sum(values[0][q] != values[1][q] for q in values[0])
    moved = mean(values[1]) - mean(values[0])
    return _with(
        NUMBERS(bench),
        f"Scored in float16, {formats.count(tied)} of {formats.count(len(halved))} queries have ties among their first "
        f"10; RR@10 of the base changes for {formats.count(changed)} of them and by {formats.signed(moved, 4)} in all.",
    )


def half_precision(run: Run, queries: stages.Vectors, documents: stages.Vectors) -> Run:
    """The run's documents ordered anew by float16 vectors whose products are summed wide and rounded to float16."""
    query_rows, document_rows = ({text_id: i for i, text_id in enumerate(v.ids)} for v in (queries, documents))

    def scored(query_id: str, ranking: Ranking) -> tuple[tuple[str, ...], list[float]]:
        q = np.asarray(queries.matrix[query_rows[query_id]]).astype(np.float16).astype(np.float32)
        d = np.stack([documents.matrix[document_rows[doc_id]] for doc_id in ranking.doc_ids]).astype(np.float16)
        return ranking.doc_ids, (d.astype(np.float32) @ q).astype(np.float16).tolist()

    return Run({query_id: scored(query_id, ranking) for query_id, ranking in run.items() if ranking.doc_ids})


def logged(bench: Workbench, preset_name: str, system: str, measure: str) -> list[float]:
    """What a system's training logged of a measure at the first seed, in the order of updates."""
    return [value for _, value in _log(bench, preset_name, system, measure)]


def _log(bench: Workbench, preset_name: str, system: str, measure: str) -> list[tuple[int, float]]:
    preset = bench.study.preset(preset_name)
    path = bench.training(preset, system, bench.seeds(preset)[0]).path / "log.json"
    return [(s, v) for s, name, v in json.loads(path.read_text(encoding="utf-8")) if name == measure]


def _accuracy(bench: Workbench, system: str, first: bool = False) -> tuple[float, float]:
    """On random and on hard negatives: of the weights that were kept, or `first` those before any update."""
    how = bench.study.preset("as_coded").system(system).how
    assert isinstance(how, Tuned)
    logs = {kind: _log(bench, "as_coded", system, f"cosine_accuracy/{kind}") for kind in ("random", "hard")}
    step = logs["random"][0][0] if first else logs["random"][-1][0]
    if how.recipe.selection and not first:
        looks = [look for look in _log(bench, "as_coded", system, how.recipe.selection.measure) if look[0] > 0]
        step = max(looks, key=lambda look: look[1])[0]  # the first of equals and never the start, as training keeps it
    random, hard = (dict(of_kind)[step] for of_kind in logs.values())
    return random, hard


def base_similarity(bench: Workbench) -> Similarity:
    """The base's own similarity between training queries and training documents."""
    queries, documents = base_vectors(bench, bench.own.train_queries, bench.own.train_documents)
    rows, columns = ({text_id: i for i, text_id in enumerate(v.ids)} for v in (queries, documents))
    return lambda q, d: float(np.asarray(queries.matrix[rows[q]]) @ np.asarray(documents.matrix[columns[d]]))


def base_vectors(bench: Workbench, queries: ById, documents: ById) -> tuple[stages.Vectors, ...]:
    store, base = bench.store, bench.base
    query_vectors = stages.encode_texts(store, base, queries, "query", bench.progress)
    document_vectors = stages.encode_texts(store, base, documents, "document", bench.progress)
    return stages.Vectors.load(query_vectors), stages.Vectors.load(document_vectors)


def _commonest(groups: Mapping[str, Group], most: int = 3) -> list[str]:
    sources = [source for group in groups.values() for source in group.sources]
    names, counts = np.unique(sources, return_counts=True)
    return [f"{names[i]} ({counts[i]} of {len(sources)})" for i in np.argsort(-counts)[:most]]


def _ordered(accuracy: Mapping[str, float]) -> str:
    return ", ".join(sorted(accuracy, key=lambda name: -accuracy[name]))


def _range(values: list[float]) -> float:
    return max(values) - min(values)


def _with(evidence: Evidence, sentence: str, *tables: Grid) -> Evidence:
    return replace(evidence, sentence=f"{evidence.sentence} {sentence}", tables=(*evidence.tables, *tables))
