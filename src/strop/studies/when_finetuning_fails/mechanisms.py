"""Open questions about how something works: parameters, clocks, the one fixed rank, false negatives, pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from strop.bench import latency
from strop.collection.lazy_documents import Contents
from strop.evaluation.measures import mean
from strop.models.adapters import LoRA
from strop.models.chunks import vectors
from strop.models.dense import Dense, parameter_ledger
from strop.models.encoder import Role, observing, represent_rows
from strop.models.pretrained import resolve
from strop.negatives.audit.calibration import EveryRank
from strop.negatives.audit.false_negatives import false_negative_report
from strop.negatives.audit.tally import FLAGGED, MINED, Tally, rank_of
from strop.negatives.filters import Scores, run_scores
from strop.negatives.from_run import RankWindow
from strop.records import formats
from strop.retrieval import stages
from strop.retrieval.lexical import BM25
from strop.studies.when_finetuning_fails import clocks, umap
from strop.studies.when_finetuning_fails.effects import OWN_RANK, TUNED, base_similarity
from strop.studies.when_finetuning_fails.presets import FIXED_RANK
from strop.study.mining import ESTIMATORS, calibrations
from strop.study.negative_policies import Mined
from strop.study.open_questions import Evidence, Grid, Verdict
from strop.study.systems import Tuned
from strop.study.workbench import Workbench

#: Printed under equation 4.5: 12,288 weights a matrix x 12 heads x 6 layers.
PRINTED = 884_736
TARGETS = {
    "query and value": ("query", "value"),
    "query, key, value and output": ("query", "key", "value", "attention.output.dense"),
    "every linear layer": ("query", "key", "value", "dense"),
}
#: Clocks: enough batches of 50 for an interval, few enough for a minute or two.
TIMED_QUERIES, REPEATS = 200, 5
#: Figure 5.1 shows 1,000 queries and their positives.
PAIRS = 1_000
#: A share of false negatives below this would not matter.
NEGLIGIBLE = 0.01


def adapter_size(bench: Workbench) -> Evidence:
    """T1. What PEFT adds to the base, beside r x (in + out) summed over its targets and the printed number."""
    folder = resolve(bench.study.base).path
    rows = []
    for name, targets in TARGETS.items():
        encoder = Dense.load(folder)
        total = sum(p.numel() for p in encoder.module.parameters())
        shapes = [m.weight.shape for n, m in encoder.transformer.model.named_modules() if _targeted(n, targets)]
        LoRA(targets=targets).prepare(encoder, seed=0)
        counted = parameter_ledger(encoder.module)["trainable"]
        rows.append((name, len(shapes), counted, sum(16 * sum(shape) for shape in shapes), counted / total))
    (_, matrices, counted, formula, share), ratio = rows[0], PRINTED / rows[0][2]
    table = Grid(
        "Parameters that LoRA with r = 16 adds",
        ("targets", "matrices", "counted by PEFT", "r × (in + out)", "share of the model"),
        tuple((n, f"{m:,}", f"{c:,}", f"{f:,}", formats.percent(s, 3)) for n, m, c, f, s in rows),
    )
    return Evidence(
        "shown" if counted == formula and counted != PRINTED else "not shown",
        f"PEFT adds {counted:,} trainable parameters ({formats.percent(share, 3)} of {total:,}) with r = 16 on query "
        f"and value, which is {matrices} matrices of {counted // matrices:,}; the printed {PRINTED:,} is 12,288 × "
        f"12 heads × 6 layers, {ratio:.3g} times as many.",
        (table,),
    )


def slower_adapters(bench: Workbench) -> Evidence:
    """T2. Its evidence carries the clocks of T3 and T4 too."""
    test = bench.own.test
    where = (bench.study.name, "as_coded", bench.scale.seeds[0], test.name, test.split)
    return replace(clocks.chunks_not_adapter(_timings(bench)), rows=tuple(latency.rows(_timings(bench), *where)))


def unmerged_adapters(bench: Workbench) -> Evidence:
    """T3."""
    gap = clocks.merging_gap(resolve(bench.study.base).path, _queries(bench))
    return clocks.merging_is_free(_timings(bench), gap)


def timing_noise(bench: Workbench) -> Evidence:
    """T4."""
    return clocks.noise_exceeds_effects(_timings(bench))


def one_rank(bench: Workbench) -> Evidence:
    """T8. Shown when the code's generator gives most queries one and the same rank."""
    sizes = [151, 150, 149, 148]
    indices = [int(np.random.RandomState(42).choice(n, size=1, replace=False)[0]) for n in sizes]
    fixed, own = (_ranks(bench, policy) for policy in (FIXED_RANK, Mined(RankWindow(50, 200))))
    (rank, most), (_, most_own) = _commonest(fixed), _commonest(own)
    effect = OWN_RANK(bench)
    return Evidence(
        "shown" if most > 0.5 else "not shown",
        f"One generator state for every query: from a window that starts at rank 50, 151, 150, 149 and 148 candidates "
        f"give rank {', '.join(str(50 + i) for i in indices)} (one more where what was removed stood above). Of "
        f"{formats.count(len(fixed))} training queries {formats.percent(most)} get rank {rank}, "
        f"{len(set(fixed))} ranks in all; drawn anew for each, {len(set(own))} ranks and at most "
        f"{formats.percent(most_own)} of the queries each. {effect.sentence}",
        (
            Grid(
                "The code's draw by the number of candidates",
                ("candidates", "index drawn", "rank from 50"),
                tuple((str(n), str(i), str(50 + i)) for n, i in zip(sizes, indices, strict=True)),
            ),
            Grid(
                "Ranks drawn, queries by bins of 25 ranks",
                ("ranks", "one generator state", "drawn anew"),
                tuple(
                    (f"{low}–{low + 24}", *(formats.count(sum(low <= r < low + 25 for r in d)) for d in (fixed, own)))
                    for low in range(50, 201, 25)
                ),
            ),
            *effect.tables,
        ),
    )


def false_negatives(bench: Workbench) -> Evidence:
    """T11. Shown when an estimator that finds hidden positives here puts the share of false negatives above zero."""
    groups = [g for g in bench.data.with_negatives(FIXED_RANK).values() if g.negatives]
    lexical = bench.data.mining.run(Mined(RankWindow(1, 1000), BM25()))
    scores: dict[str, Scores] = {"dense": base_similarity(bench), "BM25": run_scores(lexical)}
    calibrated = calibrations(bench.data.mining, FIXED_RANK, "the base", EveryRank(1, 200), scores)
    report = false_negative_report(groups, scores, calibrated)
    informed = [e for e, c in zip(report["estimates"], calibrated, strict=True) if c.informs]
    bounds = [(e["estimated"]["low"], e["estimated"]["high"]) for e in informed]
    verdict: Verdict = "not resolved"
    if any(low is not None and low > 0 for low, _ in bounds):
        verdict = "shown"
    elif bounds and all(high is not None and high < NEGLIGIBLE for _, high in bounds):
        verdict = "not shown"
    estimates = "; ".join(e["reading"] for e in report["estimates"])
    if not calibrated:
        shares = (Tally.of(groups, of(groups, scores)).share(FLAGGED, of=MINED).value for of in ESTIMATORS)
        flagged = " and ".join(f"{formats.percent(s)} by {of}" for s, of in zip(shares, ESTIMATORS, strict=True))
        estimates = (
            f"flagged are {flagged}, which nothing calibrates: no training query has two known positives to hide one"
        )
    return Evidence(
        verdict,
        f"Of {formats.count(report['negatives'])} negatives mined with {report['positives_per_query']:.2f} known "
        f"positives a query: {estimates}. Hidden positives are looked for at ranks 1 to 200.",
        tuple(
            Grid(
                f"Flagged by rank: {e['estimator']}",
                ("ranks", "mined", "flagged", "95 %"),
                tuple(
                    (f"{r['low']}–{r['high']}", formats.count(r["mined"]), formats.percent(r["flagged"]),
                     formats.interval(r["flagged_low"], r["flagged_high"]))
                    for r in e["by_rank"]
                ),
            )
            for e in report["estimates"]
        ),
    )  # fmt: skip


def pictures(bench: Workbench) -> Evidence:
    """T18. The figure's fits, other seeds, unit vectors and one joint fit, of the base and the four tuned models."""
    preset, test, measure = bench.study.preset("as_coded"), bench.own.test, bench.study.primary_measure
    pairs = [(q, next((d for d, r in judged.items() if r > 0), "")) for q, judged in test.qrels.items()]
    pairs = [(q, d) for q, d in pairs if d in test.documents][:PAIRS]
    queries = [test.queries[q].text for q, _ in pairs]
    positives = [test.documents[d].contents for _, d in pairs]
    models, quality = {}, {}
    for name in (bench.study.baseline, *TUNED):
        encoder = Dense.load(bench.model(preset, name, bench.scale.seeds[0]).path)
        unit = not isinstance(preset.system(name).how, Tuned)
        models[name] = (_vectors(encoder, queries, "query", unit), _vectors(encoder, positives, "document", unit))
        quality[name] = float(np.mean([mean(values) for values in bench.values(preset, name, measure)]))
    return umap.pictures(models, bench.study.baseline, quality, measure)


@lru_cache(maxsize=1)
def _timings(bench: Workbench) -> list[latency.Timing]:
    """Timed once for T2, T3 and T4."""
    base, documents = bench.base, Contents(bench.own.test.documents)
    vectors = stages.Vectors.load(stages.encode_texts(bench.store, base, documents, "document", bench.progress))
    enough = vectors.matrix[: clocks.LORA_CHUNKS * latency.DEPTH]
    return clocks.clocks(base.path, _queries(bench), enough, REPEATS, bench.progress)


def _queries(bench: Workbench) -> list[str]:
    return [q.text for q in bench.own.test.queries.values()][:TIMED_QUERIES]


def _targeted(module: str, targets: tuple[str, ...]) -> bool:
    return any(f".{module}".endswith(f".{target}") for target in targets)


def _ranks(bench: Workbench, policy: Mined) -> list[int]:
    ranks = [rank_of(source) for group in bench.data.with_negatives(policy).values() for source in group.sources]
    return [rank for rank in ranks if rank is not None]


def _commonest(ranks: list[int]) -> tuple[int, float]:
    """The rank drawn most often, and its share."""
    values, counts = np.unique(ranks, return_counts=True)
    return int(values[counts.argmax()]), float(counts.max() / len(ranks))


def _vectors(encoder: Dense, texts: list[str], role: Role, unit: bool) -> np.ndarray:
    """As the paper's models gave them: the base's of unit length, the tuned ones' before their Normalize module."""
    tokens = encoder.tokenize(texts, role)
    rows = [tokens.row(i) for i in range(len(tokens))]
    with observing(encoder):
        raw = vectors(partial(represent_rows, encoder, rows, role=role), tokens.lengths, budget=2048)
        return (encoder.searchable(raw) if unit else raw).vectors.float().cpu().numpy()
