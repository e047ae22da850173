"""Open questions about how something works: parameters, clocks, the one fixed rank, false negatives, pictures."""

from __future__ import annotations

from collections import Counter
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
from strop.retrieval.lexical import BM25
from strop.studies.when_finetuning_fails import clocks, umap
from strop.studies.when_finetuning_fails.effects import OWN_RANK, TUNED, base_similarity
from strop.studies.when_finetuning_fails.pictures import exhibit
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
#: The paper's seed, and as many more as tell a model's difference from a seed's.
SEEDS = (42, 43, 44)
#: A share of false negatives below this would not matter.
NEGLIGIBLE = 0.01


def adapter_size(bench: Workbench) -> Evidence:
    """LoRA's parameters are multiplied by 12 heads, though a projection is one matrix per layer; two matrices in six
    layers are a sixth of what is printed."""
    folder = resolve(bench.study.base).path
    rows = []
    for name, targets in TARGETS.items():
        encoder = Dense.load(folder)
        total = sum(p.numel() for p in encoder.module.parameters())
        shapes = [m.weight.shape for n, m in encoder.transformer.model.named_modules() if _targeted(n, targets)]
        LoRA(targets=targets).prepare(encoder, seed=0)
        counted = parameter_ledger(encoder.module)["trainable"]
        share = formats.percent(counted / total, 3)
        rows.append((name, len(shapes), counted, sum(16 * sum(shape) for shape in shapes), share))
    _, matrices, counted, formula, share = rows[0]
    return Evidence.shown_if(
        counted == formula and counted != PRINTED,
        f"PEFT adds {counted:,} trainable parameters ({share} of {total:,}) with r = 16 on query and value, which is "
        f"{matrices} matrices of {counted // matrices:,}; the printed {PRINTED:,} is 12,288 × 12 heads × 6 layers, "
        f"{PRINTED / counted:.3g} times as many.",
        Grid.of(
            "Parameters that LoRA with r = 16 adds",
            ("targets", "matrices", "counted by PEFT", "r × (in + out)", "share of the model"),
            rows,
        ),
    )


def slower_adapters(bench: Workbench) -> Evidence:
    """LoRA was timed with twice as many chunks of passages as the full models, and the cost of the timed loop is
    proportional to the number of chunks.

    The evidence carries the clocks of T3 and T4 too.
    """
    test = bench.own.test
    where = (bench.study.name, "as_coded", bench.scale.seeds[0], test.name, test.split)
    return replace(clocks.chunks_not_adapter(_timings(bench)), rows=tuple(latency.rows(_timings(bench), *where)))


def unmerged_adapters(bench: Workbench) -> Evidence:
    """Adapters were timed beside the weights. Merged into them they change no output and cost nothing."""
    gap = clocks.merging_gap(resolve(bench.study.base).path, _queries(bench))
    return clocks.merging_is_free(_timings(bench), gap)


def timing_noise(bench: Workbench) -> Evidence:
    """Models of one architecture are reported to differ by 6.9 % and 1.2 % in speed, less than three runs of one of
    them do."""
    return clocks.noise_exceeds_effects(_timings(bench))


def one_rank(bench: Workbench) -> Evidence:
    """Every query's draw restarts the same generator, so windows of one size give one rank: the passage drawn from the
    window is at the same rank for all queries."""
    indices = {n: int(np.random.RandomState(42).choice(n, size=1, replace=False)[0]) for n in (151, 150, 149, 148)}
    fixed, own = (_ranks(bench, policy) for policy in (FIXED_RANK, Mined(RankWindow(50, 200))))
    [(rank, most)], [(_, most_own)] = fixed.most_common(1), own.most_common(1)
    effect = OWN_RANK(bench)
    return Evidence.shown_if(
        most > 0.5 * fixed.total(),
        f"One generator state for every query: from a window that starts at rank 50, 151, 150, 149 and 148 candidates "
        f"give rank {', '.join(str(50 + i) for i in indices.values())} (one more where what was removed stood above). "
        f"Of {formats.count(fixed.total())} training queries {formats.percent(most / fixed.total())} get rank {rank}, "
        f"{len(fixed)} ranks in all; drawn anew for each, {len(own)} ranks and at most "
        f"{formats.percent(most_own / own.total())} of the queries each. {effect.sentence}",
        Grid.of(
            "The code's draw by the number of candidates",
            ("candidates", "index drawn", "rank from 50"),
            ((n, i, 50 + i) for n, i in indices.items()),
        ),
        Grid.of(
            "Ranks drawn, queries by bins of 25 ranks",
            ("ranks", "one generator state", "drawn anew"),
            (
                (f"{low}–{low + 24}", *(sum(drawn[r] for r in range(low, low + 25)) for drawn in (fixed, own)))
                for low in range(50, 201, 25)
            ),
        ),
        *effect.tables,
    )


def false_negatives(bench: Workbench) -> Evidence:
    """With about one judged passage per query, mined negatives may be relevant; only judged ones were removed, and
    nobody counted the others.

    Shown when an estimator that finds hidden positives here puts the share of false negatives above zero.
    """
    groups = [g for g in bench.data.with_negatives(FIXED_RANK).values() if g.negatives]
    lexical = bench.data.mining.run(Mined(RankWindow(1, 1000), BM25()))
    scores: dict[str, Scores] = {"dense": base_similarity(bench), "BM25": run_scores(lexical)}
    calibrated = calibrations(bench.data.mining, FIXED_RANK, "the base", EveryRank(1, 200), scores)
    report = false_negative_report(groups, scores, calibrated)
    informed = [e["estimated"] for e, c in zip(report["estimates"], calibrated, strict=True) if c.informs]
    verdict: Verdict = "not resolved"
    if any(share["low"] is not None and share["low"] > 0 for share in informed):
        verdict = "shown"
    elif informed and all(share["high"] is not None and share["high"] < NEGLIGIBLE for share in informed):
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
            Grid.of(
                f"Flagged by rank: {e['estimator']}",
                ("ranks", "mined", "flagged", "95 %"),
                (
                    (f"{r['low']}–{r['high']}", r["mined"], formats.percent(r["flagged"]),
                     formats.interval(r["flagged_low"], r["flagged_high"]))
                    for r in e["by_rank"]
                ),
            )
            for e in report["estimates"]
        ),
    )  # fmt: skip


def pictures(bench: Workbench) -> Evidence:
    """Figure 5.1's pictures are separate fits under one seed, the base's of unit vectors and the others' not, judged by
    eye."""
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
    projection = exhibit(models, SEEDS, bench.study.baseline)
    return replace(umap.judge(projection, quality, measure), exhibits={"projection": projection})


@lru_cache(maxsize=1)
def _timings(bench: Workbench) -> latency.Timings:
    """Timed once for T2, T3 and T4."""
    vectors = bench.base_vectors(Contents(bench.own.test.documents), "document").matrix
    enough = vectors[: clocks.LORA_CHUNKS * latency.DEPTH]
    return clocks.clocks(bench.base.path, _queries(bench), enough, REPEATS, bench.progress)


def _queries(bench: Workbench) -> list[str]:
    return [q.text for q in bench.own.test.queries.values()][:TIMED_QUERIES]


def _targeted(module: str, targets: tuple[str, ...]) -> bool:
    return any(f".{module}".endswith(f".{target}") for target in targets)


def _ranks(bench: Workbench, policy: Mined) -> Counter[int]:
    sources = (source for group in bench.data.with_negatives(policy).values() for source in group.sources)
    return Counter(rank for rank in map(rank_of, sources) if rank is not None)


def _vectors(encoder: Dense, texts: list[str], role: Role, unit: bool) -> np.ndarray:
    """As the paper's models gave them: the base's of unit length, the tuned ones' before their Normalize module."""
    tokens = encoder.tokenize(texts, role)
    rows = [tokens.row(i) for i in range(len(tokens))]
    with observing(encoder):
        raw = vectors(partial(represent_rows, encoder, rows, role=role), tokens.lengths, budget=2048)
        return (encoder.searchable(raw) if unit else raw).vectors.float().cpu().numpy()
