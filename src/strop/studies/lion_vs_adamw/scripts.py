"""Open questions about settings, schedules and splits, from what the runs recorded (O6 to O9, O14).

What is quoted of the paper and its code stands in the constants below; each verdict is computed from these and from
the printed tables.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from strop.records import formats
from strop.studies.lion_vs_adamw.published import MODELS, find
from strop.studies.updates import implied_batches
from strop.study.open_questions import Evidence, Grid
from strop.training.optimizers import AdamW, Chained, Cosine, Lion, WarmupLinear

#: Pairs made of 1,000,000 triplets, one of each label; those that are held out by row; what is left to train on.
PAIRS, HELD_OUT = 2_000_000, 10_000
TRAINED = PAIRS - HELD_OUT
EPOCHS = 3
#: The batch that is printed, the horizon of the published cosine, and ModernBERT's last checkpoint.
PRINTED_BATCH, HORIZON, REAL = 64, 93_750, 31_092
#: Where the plotted curves end, about, for every model.
PLOTTED = 28_000


def reported_and_run(bound: Optimizer, stepping: Optimizer, updates: int) -> tuple[float, float]:
    """The rate that a cosine bound to one optimiser reports after its updates, and that of the one that steps."""
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(bound, T_max=updates)
    for _ in range(updates):
        for optimizer in {bound, stepping}:
            optimizer.step()
        scheduler.step()
    return float(scheduler.get_last_lr()[0]), stepping.param_groups[0]["lr"]


def scheduler_of_another(bench: object) -> Evidence:
    """O6. A scheduler bound to the Lion object, while AdamW is what steps; and bound to AdamW, as it should be."""
    updates = 100

    def built(optimizer: AdamW | Lion) -> Optimizer:
        return optimizer.build([("w", nn.Parameter(torch.ones(1)))])

    reported, ran = reported_and_run(built(Lion()), built(AdamW()), updates)
    own = built(AdamW())
    own_reported, own_ran = reported_and_run(own, own, updates)
    ours = AdamW().learning_rate * Cosine().factor(updates - 1, updates)
    table = Grid(
        f"Rates after {updates} updates",
        ("what", "learning rate"),
        (
            ("reported by the scheduler", f"{reported:.1g}"),
            ("of the optimiser that steps", f"{ran:g}"),
            ("of that optimiser, had the scheduler been bound to it", f"{own_ran:.1g}"),
            ("as strop would set it", f"{ours:.1g}"),
        ),
    )
    return Evidence(
        "shown" if ran == AdamW().learning_rate and own_ran == own_reported < ran / 100 else "not shown",
        f"A cosine that is bound to another optimiser reports a rate of {reported:.1g} after its {updates} updates, "
        f"and the optimiser that steps still has {ran:g}: such a run never anneals, and its log says that it did. Here "
        f"the loop writes the rate into the optimiser it steps ({ours:.1g} at the last update).",
        (table,),
    )


def cut_cosine(bench: object) -> Evidence:
    """O7. A cosine counted for batches of 64 over three epochs, run for the updates of batches of 192."""
    counted = PAIRS // PRINTED_BATCH * EPOCHS
    cosine = Cosine(stretch=HORIZON / REAL)
    end, plotted = cosine.factor(REAL, REAL), cosine.factor(PLOTTED, REAL)
    moved = [sum(c.factor(step, REAL) for step in range(REAL)) / REAL for c in (cosine, Cosine())]
    table = Grid(
        "Cosine, share of the peak",
        ("updates done", f"horizon {HORIZON:,}", f"horizon {REAL:,}"),
        tuple(
            (f"{s:,}", formats.fixed(cosine.factor(s, REAL), 3), formats.fixed(Cosine().factor(s, REAL), 3))
            for s in (0, REAL // 3, 2 * REAL // 3, PLOTTED, REAL)
        ),
    )
    return Evidence(
        "shown" if end > 0.5 and counted == HORIZON else "not shown",
        f"{HORIZON:,} updates are {EPOCHS} epochs of {PAIRS:,} pairs in batches of {PRINTED_BATCH}, held-out pairs "
        f"included; {REAL:,} were run. The cosine ends at {100 * end:.1f} % of its peak, and at about "
        f"{PLOTTED:,} updates is at {2e-5 * plotted:.3g} of 2e-5, as plotted. Its mean rate is {100 * moved[0]:.0f} % "
        f"of the peak, where a whole one's is {100 * moved[1]:.0f} %.",
        (table,),
    )


def batches(bench: object) -> Evidence:
    """O8. The batches that checkpoint numbers imply, and what chained epochs make of the schedule."""
    trainings = {}
    for model in MODELS:
        for optimizer in ("AdamW", "Lion"):
            steps = [row.step for row in find(model, optimizer)]
            first = steps[0]
            regular = first is not None and steps == [first, 2 * first, 3 * first]
            fits = implied_batches(first, TRAINED) if first and regular else []
            trainings[f"{model} {optimizer}"] = (first, fits)
    sizes = {size for _, fits in trainings.values() for size, _ in fits}
    printed = f"{'and also' if PRINTED_BATCH in sizes else 'and never'} the printed {PRINTED_BATCH}"
    ragged = dict.fromkeys(
        name.split()[0] for name, (_, fits) in trainings.items() if fits and fits[0][1] == "left out"
    )
    chained = [name for name, (first, _) in trainings.items() if first is None]
    whole, parts = WarmupLinear(0.1), Chained(WarmupLinear(0.1), EPOCHS)
    third = [round(300 * share) for share in (1 / 3, 0.4, 2 / 3)]
    rates = (
        f"{' and '.join(chained)} are three runs called final: chained epochs, each with a warm-up and an optimiser of "
        f"its own, so that at the end of epochs 1 and 2 the rate was {parts.factor(99, 300):.2f} and "
        f"{parts.factor(199, 300):.2f} of the peak, where one schedule has {whole.factor(99, 300):.2f} and "
        f"{whole.factor(199, 300):.2f}."
    )
    return Evidence(
        "shown" if len(sizes) > 1 and PRINTED_BATCH not in sizes else "not shown",
        f"{TRAINED:,} pairs per epoch and the numbers of the checkpoints leave one batch each: "
        + ", ".join(f"{fits[0][0]} for {name}" for name, (_, fits) in trainings.items() if fits)
        + f", {printed}."
        + (f" Only {' and '.join(ragged)}'s epochs leave out the ragged last batch." if ragged else "")
        + (f" {rates}" if chained else ""),
        (
            Grid(
                "Batches implied",
                ("training", "updates an epoch", "pairs a batch", "last batch"),
                tuple(
                    (name, f"{first:,}" if first else formats.DASH, *(_batch(fits)))
                    for name, (first, fits) in trainings.items()
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


def curves_of_other_runs(bench: object) -> Evidence:
    """O9. Shown where a plotted curve is longer than the run that was scored, or ends well before it."""
    last = {name: find(name, "AdamW")[-1].step or 0 for name in MODELS}
    shares = {name: PLOTTED / steps for name, steps in last.items()}
    longer = [name for name, share in shares.items() if share > 1]
    shorter = [name for name, share in shares.items() if share < 0.8]
    remarks = [
        *(
            f"{n}'s scored checkpoint is its last at {last[n]:,}: a curve to {PLOTTED:,} is of another run"
            for n in longer
        ),
        *(f"{n}'s is at {last[n]:,}, of which the curve shows {formats.percent(shares[n], 0)}" for n in shorter),
    ]
    fits = ", ".join(
        f"{formats.percent(shares[n], 0)} of the {last[n]:,} of {n}" for n in MODELS if n not in (*longer, *shorter)
    )
    table = Grid(
        "Updates, AdamW",
        ("model", "last scored checkpoint", "curve ends near", "of it"),
        tuple((n, f"{steps:,}", f"{PLOTTED:,}", formats.percent(shares[n], 0)) for n, steps in last.items()),
    )
    return Evidence(
        "shown" if longer or shorter else "not shown",
        ". ".join(
            [f"All plotted curves end near update {PLOTTED:,}, which is {fits or 'where no run ended'}", *remarks]
        )
        + ".",
        (table,),
    )


def split_by_rows(bench: object) -> Evidence:
    """O14. A split of rows where each query has two or more: nearly every held-out row's query is trained on."""
    exact = {k: 1 - left_out_together(2 * k, PAIRS, HELD_OUT) for k in (1, 2, 10)}
    rows_out = np.random.default_rng(0).choice(PAIRS, HELD_OUT, replace=False)
    trained = 1 - float(np.isin(rows_out ^ 1, rows_out).mean())  # rows 2i and 2i + 1 are one triplet's
    table = Grid(
        "Held-out rows whose query is trained on",
        ("triplets per query", "share"),
        tuple((str(k), formats.percent(share, 4)) for k, share in exact.items()),
    )
    return Evidence(
        "shown" if min(exact.values()) > 0.99 else "not shown",
        f"{PAIRS:,} pairs are two of each triplet, so that each row's query has at least one more. Of {HELD_OUT:,} "
        f"rows held out by chance {formats.percent(exact[1], 2)} have their query in training at the least, when no "
        f"two triplets share one ({formats.percent(trained, 2)} in a draw), and {formats.percent(exact[2], 3)} with "
        f"two triplets per query. Only a split by query holds queries out.",
        (table,),
    )


def left_out_together(rows_of_query: int, pairs: int, held_out: int) -> float:
    """The chance that a held-out row's query has all its other rows held out too."""
    return math.prod((held_out - i) / (pairs - i) for i in range(1, rows_of_query))


def _batch(fits: list[tuple[int, str]]) -> tuple[str, str]:
    return (", ".join(str(b) for b, _ in fits), ", ".join(w for _, w in fits)) if fits else (formats.DASH,) * 2
