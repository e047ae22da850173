"""Open questions about effects (T5 to T8, T10 to T23): one knob of the authors' code at a time, and what it changes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise, product

import numpy as np

from strop.collection.lazy_documents import Contents
from strop.evaluation.measures import evaluate, mean
from strop.negatives.audit.hardness import Hardness, Similarity, harder, hardness
from strop.negatives.sampled import Uniform
from strop.records import formats
from strop.records.documents import Group
from strop.records.runs import Ranking, Run
from strop.retrieval import stages
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
    tuple(Pair(p, f"{how}_random", f"{how}_hard") for p, how in product(("as_coded", "corrected"), ("full", "lora"))),
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
    """Training sees Euclidean distances of raw vectors, testing cosines: a model can lower its loss through vector
    lengths, which do not affect the ranking."""
    preset = bench.study.preset(KNOB)
    rows, lows = [], []
    for name in (ONE_KNOB.system("normalised").centre, "normalised", "cosine"):
        losses, active = (list(logged(bench, KNOB, name, m).values()) for m in ("loss", "active_share"))
        lows.append(f"the lowest of {len(losses)} updates was {formats.fixed(min(losses), 2)}")
        shares = (formats.percent(active[0]), formats.percent(active[-1]))
        rows.append((preset.system(name).label, losses[0], losses[-1], min(losses), *shares))
    return TRAIN_AS_TESTED(bench).also(
        f"On unit vectors a margin of 5 can give no loss under 3: {lows[1]}, with {rows[1][-1]} of the triplets active "
        f"at the end, against {rows[0][-1]} without normalisation; the published final loss is 0.79.",
        Grid.of(
            "Triplets that still give a gradient, and losses, at the first seed",
            ("system", "first loss", "last loss", "lowest loss", "first active share", "last active share"),
            rows,
            decimals=2,
        ),
    )


def random_negatives(bench: Workbench) -> Evidence:
    """The negatives called random come from BM25's top 1,000, so random against hard compares two miners."""
    similarity = base_similarity(bench)
    measured: dict[str, Hardness] = {
        name: hardness(list(bench.data.with_negatives(policy).values()), similarity)
        for name, policy in (("BM25's top 1,000", TRIPLES), ("uniform", Uniform()), ("ranks 50–200", FIXED_RANK))
    }
    reading = harder(measured["BM25's top 1,000"], measured["uniform"], ("BM25's top 1,000 as", "uniform"))
    return UNIFORM(bench).also(
        f"{reading}, in a pool of {formats.count(len(bench.own.train_documents))} documents.",
        Grid.of(
            "How much nearer a query's positive is than its negative, in the base's cosine",
            ("negatives", "mean gap", "95 %", "above the positive"),
            (
                (name, h.gap, formats.interval(*h.interval), formats.percent(h.above_positive))
                for name, h in measured.items()
            ),
        ),
    )


def window_bounds(bench: Workbench) -> Evidence:
    """The window starts at rank 51 in the text and at rank 50 in the code, and its bounds were never varied."""
    text = bench.data.with_negatives(Mined(FixedRank(51, 200)))
    code = bench.data.with_negatives(FIXED_RANK)
    both = text.keys() & code.keys()
    moved = sum(text[q].negatives != code[q].negatives for q in both)
    return WINDOW(bench).also(
        f"Ranks 51 to 200 are 150 candidates and 50 to 200 are 151: with the code's generator "
        f"{formats.count(moved)} of {formats.count(len(both))} queries get another negative.",
        Grid.of(
            "One rank more, another negative",
            ("window", "ranks", "drawn most often"),
            (("text: 51 to 200", 150, _commonest(text)), ("code: 50 to 200", 151, _commonest(code))),
        ),
    )


def matched_budget(bench: Workbench) -> Evidence:
    """The kind of negatives is confounded with the number of triples, epochs, batch and library versions: no difference
    is due to it alone."""
    apart = HARD(bench)
    return BUDGET(bench).also(f"Hard beside random: {apart.sentence}", *apart.tables)


def learning_rates(bench: Workbench) -> Evidence:
    """LoRA trained at full tuning's learning rate, a tenth of what others found best for it."""
    preset, full = bench.study.preset("corrected"), FULL_RATE(bench)
    chosen, grid, rows = [], set[float](), list[tuple[str | float, ...]]()
    for name in ("full_hard", "lora_hard"):
        label, rates = preset.system(name).label, preset.tuned(name).rates
        assert rates is not None
        values = {s.learning_rate: value for s, value in bench.held_out_values(preset, rates).items()}
        best = f"{bench.setting(preset, rates).learning_rate:g}"
        chosen.append(f"{best} for {label}")
        rows.append((label, best, *values.values()))
        grid |= values.keys()
    return LORA_RATE(bench).also(
        f"Held-out queries choose {' and '.join(chosen)}. Full tuning: {full.sentence}",
        Grid.of(
            "RR@10 of held-out queries by learning rate, in-batch loss, first seed",
            ("system", "chosen", *(f"{rate:g}" for rate in sorted(grid))),
            rows,
        ),
        *full.tables,
    )


def accuracies(bench: Workbench) -> Evidence:
    """Held-out accuracies were measured on each model's own kind of negatives, and losses are the last that were
    logged: neither compares models.

    Shown when the choice of negatives moves a model's accuracy by more than models differ on the same ones.
    """
    preset = bench.study.preset("as_coded")
    tuned = {name: _accuracy(bench, name) for name in TUNED}
    table = {"untouched": _accuracy(bench, TUNED[0], first=True), **tuned}
    number = len(bench.data.watched(preset, preset.watched[0][1]).groups)
    spread = float(np.ptp(list(table.values()), axis=0).max())
    swap = float(np.mean([abs(random - hard) for random, hard in table.values()]))
    by_random, by_hard = (", ".join(sorted(tuned, key=lambda n: -tuned[n][kind])) for kind in (0, 1))
    curve = [loss for _, loss in bench.study.published_loss["lora_hard"]]
    falls = "falls at every point" if all(a > b for a, b in pairwise(curve)) else "rises in places"
    last = LAST(bench)
    return Evidence.shown_if(
        swap > spread,
        f"On {number} held-out queries, exchanging the kind of negatives moves a model's cosine accuracy by "
        f"{formats.fixed(swap)} on average, and models differ by at most {formats.fixed(spread)} on the same "
        f"ones: 0.97 and 0.95 beside 0.84 and 0.78 were measured on unlike negatives. By random ones the order is "
        f"{by_random}, by hard ones {by_hard}. The curve called unstable {falls} "
        f"({curve[0]} to {curve[-1]}). Keeping the last update: {last.sentence}",
        Grid.of(
            "Cosine accuracy of the kept weights on the same held-out queries, first seed",
            ("model", "random negatives", "hard negatives"),
            ((name, *row) for name, row in table.items()),
        ),
        *last.tables,
    )


def numbers(bench: Workbench) -> Evidence:
    """Vectors were made in half precision, where scores tie, and full models were cut at 256 tokens but LoRA's at
    512."""
    seed, own = bench.scale.seeds[0], bench.own
    run = stages.run_of(bench.ranking(bench.study.preset(KNOB), bench.study.baseline, seed)).top(_CANDIDATES)
    queries = bench.base_vectors({q.id: q.text for q in own.test.queries.values()}, "query")
    halved = half_precision(run, queries, bench.base_vectors(Contents(own.test.documents), "document"))
    tied = sum(len(set(r.scores[:10].tolist())) < min(10, len(r.scores)) for r in halved.values())
    before, after = (evaluate(r, own.test.qrels, ("RR@10",))["RR@10"] for r in (run, halved))
    changed = sum(before[q] != after[q] for q in before)
    return NUMBERS(bench).also(
        f"Scored in float16, {formats.count(tied)} of {formats.count(len(halved))} queries have ties among their first "
        f"10; RR@10 of the base changes for {formats.count(changed)} of them and by "
        f"{formats.signed(mean(after) - mean(before), 4)} in all.",
    )


def half_precision(run: Run, queries: stages.Vectors, documents: stages.Vectors) -> Run:
    """The run's documents ordered anew by float16 vectors whose products are summed wide and rounded to float16."""
    query_rows, document_rows = ({text_id: i for i, text_id in enumerate(v.ids)} for v in (queries, documents))

    def scored(query_id: str, ranking: Ranking) -> tuple[tuple[str, ...], list[float]]:
        q = np.asarray(queries.matrix[query_rows[query_id]]).astype(np.float16).astype(np.float32)
        d = np.stack([documents.matrix[document_rows[doc_id]] for doc_id in ranking.doc_ids]).astype(np.float16)
        return ranking.doc_ids, (d.astype(np.float32) @ q).astype(np.float16).tolist()

    return Run({query_id: scored(query_id, ranking) for query_id, ranking in run.items() if ranking.doc_ids})


def logged(bench: Workbench, preset_name: str, system: str, measure: str) -> dict[int, float]:
    """What a system's training logged of a measure at the first seed, by update."""
    preset = bench.study.preset(preset_name)
    path = bench.training(preset, system, bench.seeds(preset)[0]).path / "log.json"
    return {step: v for step, name, v in json.loads(path.read_text(encoding="utf-8")) if name == measure}


def _accuracy(bench: Workbench, system: str, first: bool = False) -> tuple[float, float]:
    """On random and on hard negatives: of the weights that were kept, or `first` those before any update."""
    how = bench.study.preset("as_coded").system(system).how
    assert isinstance(how, Tuned)
    random, hard = (logged(bench, "as_coded", system, f"cosine_accuracy/{kind}") for kind in ("random", "hard"))
    step = min(random) if first else max(random)
    if how.recipe.selection and not first:
        looks = logged(bench, "as_coded", system, how.recipe.selection.measure)
        # the first of equals and never the start, as training keeps it
        step = max((look for look in looks if look > 0), key=looks.__getitem__)
    return random[step], hard[step]


def base_similarity(bench: Workbench) -> Similarity:
    """The base's own similarity between training queries and training documents."""
    queries = bench.base_vectors(bench.own.train_queries, "query")
    documents = bench.base_vectors(bench.own.train_documents, "document")
    rows, columns = ({text_id: i for i, text_id in enumerate(v.ids)} for v in (queries, documents))
    return lambda q, d: float(np.asarray(queries.matrix[rows[q]]) @ np.asarray(documents.matrix[columns[d]]))


def _commonest(groups: Mapping[str, Group], most: int = 3) -> str:
    drawn = Counter(source for group in groups.values() for source in group.sources)
    return ", ".join(f"{source} ({count} of {drawn.total()})" for source, count in drawn.most_common(most))
