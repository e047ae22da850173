"""Doubts about settings, schedules and splits, from what the runs recorded (O2, O5 to O9, O13, O14)."""

from __future__ import annotations

import math
import statistics
from typing import Any

import numpy as np
import torch
from torch import nn

from strop.records import formats
from strop.studies.lion_vs_adamw.arithmetic import SIZES
from strop.studies.lion_vs_adamw.published import MODELS, find, public, rows
from strop.study.open_questions import Evidence, Grid
from strop.training.optimizers import AdamW, Chained, Cosine, Lion, WarmupLinear

#: Recorded learning rates: ModernBERT's from its plot, the others' printed.
RATES = {
    ("MiniLM", "AdamW"): 2e-5, ("MiniLM", "Lion"): 2e-5, ("GTE", "AdamW"): 2e-5, ("GTE", "Lion"): 2e-5,
    ("ModernBERT", "AdamW"): 2e-5, ("ModernBERT", "Lion"): 2e-6,
}  # fmt: skip
#: Pairs made of 1,000,000 triplets, one of each label; those that are held out by row; what is left to train on.
PAIRS, HELD_OUT = 2_000_000, 10_000
TRAINED = PAIRS - HELD_OUT
EPOCHS = 3
#: The batch that is printed, the horizon of the published cosine, and ModernBERT's last checkpoint.
PRINTED_BATCH, HORIZON, REAL = 64, 93_750, 31_092
#: Where the plotted curves end, about, for every model.
PLOTTED = 28_000
#: Passages that MS MARCO v1.1 gives a query at most, and those a first stage gives.
OWN, FIRST_STAGE = 10, 1_000
#: Decays as both optimisers were given them.
_DECAY = 0.01


def own_passages(bench: object) -> Evidence:
    """O2. What a random order reaches among a query's own passages and among a first stage's (arithmetic)."""
    chance = {n: random_order(n) for n in (8, OWN, 100, FIRST_STAGE)}
    best = max(row.written["mrr10"] for row in rows())
    dev = {name: mrr for name, (_, mrr) in public().items()}
    return Evidence(
        "shown" if chance[OWN] > 50 * chance[FIRST_STAGE] else "not shown",
        f"Among a query's own {OWN} passages with one relevant, a random order already has RR@10 {chance[OWN]:.3f}; "
        f"among {FIRST_STAGE:,} of a first stage {chance[FIRST_STAGE]:.4f}. The printed {best:.4f} is of the former, "
        f"and no figure of the latter stands beside it; public cross-encoders have at most {max(dev.values()):.4f} "
        f"there. One model over both candidate sets would show the difference.",
        (
            Grid(
                "RR@10 of a random order, one relevant",
                ("candidates", "RR@10"),
                tuple((f"{n:,}", formats.fixed(value, 4)) for n, value in chance.items()),
            ),
        ),
    )


def random_order(candidates: int) -> float:
    """The mean RR@10 of a random order of so many candidates of which one is relevant."""
    return sum(1 / rank for rank in range(1, min(10, candidates) + 1)) / candidates


def unequal_rates(bench: object) -> Evidence:
    """O5. The rates as recorded, and how far a step goes at each: our optimisers on gradients of pure noise."""
    step = {name: step_length(made) for name, made in (("AdamW", AdamW), ("Lion", Lion))}
    times = step["Lion"] / step["AdamW"]
    ratio = {m: RATES[m, "AdamW"] / RATES[m, "Lion"] for m in MODELS}
    lengths = {m: times / ratio[m] for m in MODELS}
    return Evidence(
        "shown" if ratio["ModernBERT"] != ratio["MiniLM"] else "not shown",
        f"ModernBERT's Lion ran at a {ratio['ModernBERT']:.0f}th of AdamW's learning rate, the other two models' at "
        f"the same rate. On gradients of noise a step of Lion is {times:.1f} times one of AdamW at an equal rate, so "
        f"its steps were {lengths['MiniLM']:.1f} times as long for MiniLM and GTE and {lengths['ModernBERT']:.2f} "
        f"times for ModernBERT, with a weight decay of {_DECAY} everywhere, where Lion's authors advise 3 to 10 times "
        f"less rate and as much more decay. These runs cannot tell the optimiser from the rate.",
        (
            Grid(
                "Recorded rates",
                ("model", "AdamW", "Lion", "a step of Lion to one of AdamW", "decay of Lion to AdamW's"),
                tuple(
                    (m, f"{RATES[m, 'AdamW']:g}", f"{RATES[m, 'Lion']:g}", formats.fixed(lengths[m], 2),
                     formats.fixed(1 / ratio[m], 1))
                    for m in MODELS
                ),
            ),
        ),
    )  # fmt: skip


def step_length(made: type[AdamW] | type[Lion], updates: int = 200, numbers: int = 2_000) -> float:
    """How far a number moves in an update, root mean square and in learning rates, when gradients are only noise."""
    rng = np.random.default_rng(0)
    weight = nn.Parameter(torch.zeros(numbers, 1, dtype=torch.float64))
    optimizer = made(learning_rate=1.0, weight_decay=0.0).build([("weight", weight)])
    moved = []
    for _ in range(updates):
        before = weight.detach().clone()
        weight.grad = torch.from_numpy(rng.normal(size=(numbers, 1)))
        optimizer.step()
        moved.append(float((weight.detach() - before).square().mean()))
    return math.sqrt(statistics.mean(moved[updates // 2 :]))


def scheduler_of_another(bench: object) -> Evidence:
    """O6. A scheduler bound to the Lion object, while AdamW is what steps."""
    stepping, bound = (made().build([("w", nn.Parameter(torch.ones(1)))]) for made in (AdamW, Lion))
    updates = 100
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(bound, T_max=updates)
    for _ in range(updates):
        stepping.step()
        bound.step()
        scheduler.step()
    told, ran = scheduler.get_last_lr()[0], stepping.param_groups[0]["lr"]
    ours = AdamW().learning_rate * Cosine().factor(updates - 1, updates)
    return Evidence(
        "shown" if ran == AdamW().learning_rate and told < ran / 100 else "not shown",
        f"A cosine that is bound to another optimiser tells a rate of {told:.1g} after its {updates} updates, and the "
        f"optimiser that steps still has {ran:g}: such a run never anneals, and its log says that it did. Here the "
        f"loop writes the rate into the optimiser it steps ({ours:.1g} at the last update).",
        (
            Grid(
                f"Rates after {updates} updates",
                ("what", "learning rate"),
                (
                    ("told by the scheduler", f"{told:.1g}"),
                    ("of the optimiser that steps", f"{ran:g}"),
                    ("as strop would set it", f"{ours:.1g}"),
                ),
            ),
        ),
    )


def cut_cosine(bench: object) -> Evidence:
    """O7. A cosine counted for batches of 64 over three epochs, run for the updates of batches of 192."""
    counted = PAIRS // PRINTED_BATCH * EPOCHS
    cosine = Cosine(stretch=HORIZON / REAL)
    end, plotted = cosine.factor(REAL, REAL), cosine.factor(PLOTTED, REAL)
    moved = [sum(c.factor(step, REAL) for step in range(REAL)) / REAL for c in (cosine, Cosine())]
    return Evidence(
        "shown" if end > 0.5 and counted == HORIZON else "not shown",
        f"{HORIZON:,} updates are {EPOCHS} epochs of {PAIRS:,} pairs in batches of {PRINTED_BATCH}, held-out pairs "
        f"included; {REAL:,} were run. The cosine ends at {100 * end:.1f} % of its peak, and at about "
        f"{PLOTTED:,} updates is at {2e-5 * plotted:.3g} of 2e-5, as plotted. Its mean rate is {100 * moved[0]:.0f} % "
        f"of the peak, where a whole one's is {100 * moved[1]:.0f} %.",
        (
            Grid(
                "Cosine, share of the peak",
                ("updates done", f"horizon {HORIZON:,}", f"horizon {REAL:,}"),
                tuple(
                    (f"{s:,}", formats.fixed(cosine.factor(s, REAL), 3), formats.fixed(Cosine().factor(s, REAL), 3))
                    for s in (0, REAL // 3, 2 * REAL // 3, PLOTTED, REAL)
                ),
            ),
        ),
    )


def batches(bench: object) -> Evidence:
    """O8. The batches that checkpoint numbers imply, and what chained epochs make of the schedule."""
    found = {}
    for model in MODELS:
        for optimizer in ("AdamW", "Lion"):
            steps = [row.step for row in find(model, optimizer)]
            first = steps[0]
            regular = first is not None and steps == [first, 2 * first, 3 * first]
            found[f"{model} {optimizer}"] = (first, implied_batches(first) if first and regular else [])
    sizes = {size for _, fits in found.values() for size, _ in fits}
    chained = [name for name, (first, _) in found.items() if first is None]
    whole, parts = WarmupLinear(0.1), Chained(WarmupLinear(0.1), EPOCHS)
    third = [round(300 * share) for share in (1 / 3, 0.4, 2 / 3)]
    return Evidence(
        "shown" if len(sizes) > 1 and PRINTED_BATCH not in sizes else "not shown",
        f"{TRAINED:,} pairs an epoch and the numbers of the checkpoints leave one batch each: "
        + ", ".join(f"{fits[0][0]} for {name}" for name, (_, fits) in found.items() if fits)
        + f", and never the printed {PRINTED_BATCH}. Only ModernBERT's epochs leave out the ragged last batch. "
        f"{' and '.join(chained)} are three runs called final: chained epochs, each with a warm-up and an optimiser of "
        f"its own, so that at the end of epochs 1 and 2 the rate was {parts.factor(99, 300):.2f} and "
        f"{parts.factor(199, 300):.2f} of the peak, where one schedule has {whole.factor(99, 300):.2f} and "
        f"{whole.factor(199, 300):.2f}.",
        (
            Grid(
                "Batches implied",
                ("training", "updates an epoch", "pairs a batch", "last batch"),
                tuple(
                    (name, f"{first:,}" if first else formats.DASH, *(_batch(fits)))
                    for name, (first, fits) in found.items()
                ),
            ),
            Grid(
                "Rate of 300 updates, share of the peak",
                ("updates done", "one schedule", "three chained"),
                tuple((str(s), formats.fixed(whole.factor(s, 300), 2), formats.fixed(parts.factor(s, 300), 2))
                      for s in third),
            ),
        ),
    )  # fmt: skip


def implied_batches(updates: int) -> list[tuple[int, str]]:
    """(batch, what became of the ragged last one) that give so many updates over `TRAINED` pairs."""
    around = range(TRAINED // (updates + 2), TRAINED // max(1, updates - 1) + 2)
    kept = [(b, "kept") for b in around if math.ceil(TRAINED / b) == updates]
    return kept + [(b, "left out") for b in around if TRAINED // b == updates]


def curves_of_other_runs(bench: object) -> Evidence:
    """O9. Where the plotted curves end, against the numbers of the checkpoints that were scored."""
    last = {name: find(name, "AdamW")[-1].step or 0 for name in MODELS}
    logged = {name: PLOTTED / steps for name, steps in last.items()}
    impossible = [name for name, share in logged.items() if share > 1]
    short = [name for name, share in logged.items() if share < 0.8]
    fits = [name for name in MODELS if name not in (*impossible, *short)]
    return Evidence(
        "shown" if impossible and short else "not shown",
        f"All plotted curves end near update {PLOTTED:,}, which is {formats.percent(logged[fits[0]], 0)} of the "
        f"{last[fits[0]]:,} of {fits[0]}. {impossible[0]}'s scored checkpoint is its last at {last[impossible[0]]:,}: "
        f"a curve to {PLOTTED:,} is of another run. {short[0]}'s is at {last[short[0]]:,}, of which the curve shows "
        f"{formats.percent(logged[short[0]], 0)}.",
        (
            Grid(
                "Updates, AdamW",
                ("model", "last scored checkpoint", "curve ends near", "of it"),
                tuple((n, f"{steps:,}", f"{PLOTTED:,}", formats.percent(logged[n], 0)) for n, steps in last.items()),
            ),
        ),
    )


def size_not_length(bench: Any) -> Evidence:
    """O13. The models that take long texts are the larger ones, and the texts are short."""
    least = min(SIZES.values())
    limits = {"MiniLM": 512, "GTE": 8_192, "ModernBERT": 8_192}
    here = ""
    if bench is not None:
        whole = bench.own.whole
        words = [len(d.contents.split()) for d in whole.documents.values()]
        here = (
            f" A passage of {whole.name} here has {statistics.median(words):.0f} words in the median, and "
            f"{formats.percent(sum(n > 400 for n in words) / len(words), 2)} have more than 400."
        )
    return Evidence(
        "shown" if all(SIZES[name] > least for name, limit in limits.items() if limit > 512) else "not shown",
        f"The two models of long context are {SIZES['ModernBERT'] / least:.1f} and {SIZES['GTE'] / least:.1f} times as "
        f"large as the one without, and no model was run at two lengths: size and length cannot be told apart.{here}",
        (
            Grid(
                "Models",
                ("model", "parameters, millions", "to the smallest", "most tokens"),
                tuple(
                    (name, f"{size / 1e6:.0f}", formats.fixed(size / least, 1), f"{limits[name]:,}")
                    for name, size in SIZES.items()
                ),
            ),
        ),
    )


def split_by_rows(bench: object) -> Evidence:
    """O14. A split of rows where each query has two or more: nearly every held-out row's query is trained on."""
    exact = {k: 1 - left_out_together(2 * k) for k in (1, 2, 10)}
    drawn = np.random.default_rng(0).choice(PAIRS, HELD_OUT, replace=False)
    seen = 1 - float(np.isin(drawn ^ 1, drawn).mean())  # rows 2i and 2i + 1 are one triplet's
    return Evidence(
        "shown" if min(exact.values()) > 0.99 else "not shown",
        f"{PAIRS:,} pairs are two of each triplet, so that each row's query has at least one more. Of {HELD_OUT:,} "
        f"rows held out by chance {formats.percent(exact[1], 2)} have their query in training at the least, when no "
        f"two triplets share one ({formats.percent(seen, 2)} in a draw), and {formats.percent(exact[2], 3)} with two "
        f"triplets a query. Only a split by query holds queries out.",
        (
            Grid(
                "Held-out rows whose query is trained on",
                ("triplets a query", "share"),
                tuple((str(k), formats.percent(share, 4)) for k, share in exact.items()),
            ),
        ),
    )


def left_out_together(rows_of_query: int, pairs: int = PAIRS, held_out: int = HELD_OUT) -> float:
    """The chance that a held-out row's query has all its other rows held out too."""
    return math.prod((held_out - i) / (pairs - i) for i in range(1, rows_of_query))


def _batch(fits: list[tuple[int, str]]) -> tuple[str, str]:
    return (", ".join(str(b) for b, _ in fits), ", ".join(w for _, w in fits)) if fits else (formats.DASH,) * 2
