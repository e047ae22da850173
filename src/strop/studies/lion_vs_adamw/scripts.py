"""Open questions about settings, schedules and splits, from what the runs recorded (O6 to O9, O14).

What is quoted of the paper and its code stands in the constants below; each verdict is computed from these and from
the printed tables.
"""

from __future__ import annotations

import math
from itertools import product

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
    """The schedule of one optimiser was bound to another's object: AdamW never annealed."""
    updates = 100

    def built(optimizer: AdamW | Lion) -> Optimizer:
        return optimizer.build([("w", nn.Parameter(torch.ones(1)))])

    reported, ran = reported_and_run(built(Lion()), built(AdamW()), updates)
    own = built(AdamW())
    own_reported, own_ran = reported_and_run(own, own, updates)
    ours = AdamW().learning_rate * Cosine().factor(updates - 1, updates)
    return Evidence.shown_if(
        ran == AdamW().learning_rate and own_ran == own_reported < ran / 100,
        f"A cosine that is bound to another optimiser reports a rate of {reported:.1g} after its {updates} updates, "
        f"and the optimiser that steps still has {ran:g}: such a run never anneals, and its log says that it did. Here "
        f"the loop writes the rate into the optimiser it steps ({ours:.1g} at the last update).",
        Grid.of(
            f"Rates after {updates} updates",
            ("what", "learning rate"),
            (
                ("reported by the scheduler", f"{reported:.1g}"),
                ("of the optimiser that steps", f"{ran:g}"),
                ("of that optimiser, had the scheduler been bound to it", f"{own_ran:.1g}"),
                ("as strop would set it", f"{ours:.1g}"),
            ),
        ),
    )


def cut_cosine(bench: object) -> Evidence:
    """The cosine's length was counted for another batch size, and training ends at a third of it."""
    counted = PAIRS // PRINTED_BATCH * EPOCHS
    cut, whole = Cosine(stretch=HORIZON / REAL), Cosine()
    end, plotted = cut.factor(REAL, REAL), cut.factor(PLOTTED, REAL)
    mean_cut, mean_whole = (sum(c.factor(step, REAL) for step in range(REAL)) / REAL for c in (cut, whole))
    return Evidence.shown_if(
        end > 0.5 and counted == HORIZON,
        f"{HORIZON:,} updates are {EPOCHS} epochs of {PAIRS:,} pairs in batches of {PRINTED_BATCH}, held-out pairs "
        f"included; {REAL:,} were run. The cosine ends at {100 * end:.1f} % of its peak, and at about "
        f"{PLOTTED:,} updates is at {2e-5 * plotted:.3g} of 2e-5, as plotted. Its mean rate is {100 * mean_cut:.0f} % "
        f"of the peak, where a whole one's is {100 * mean_whole:.0f} %.",
        Grid.of(
            "Cosine, share of the peak",
            ("updates done", f"horizon {HORIZON:,}", f"horizon {REAL:,}"),
            (
                (step, cut.factor(step, REAL), whole.factor(step, REAL))
                for step in (0, REAL // 3, 2 * REAL // 3, PLOTTED, REAL)
            ),
        ),
    )


def batches(bench: object) -> Evidence:
    """Batch sizes differ between the optimisers compared, and some runs are three trainings in a chain, each with a
    warm-up of its own and a new optimiser state."""
    first, fits = {}, {}
    for model, optimizer in product(MODELS, ("AdamW", "Lion")):
        steps, name = [row.step for row in find(model, optimizer)], f"{model} {optimizer}"
        first[name] = steps[0]
        regular = steps[0] and steps == [steps[0], 2 * steps[0], 3 * steps[0]]
        fits[name] = implied_batches(steps[0], TRAINED) if steps[0] and regular else []
    sizes = {size for batches in fits.values() for size, _ in batches}
    printed = f"{'and also' if PRINTED_BATCH in sizes else 'and never'} the printed {PRINTED_BATCH}"
    ragged = dict.fromkeys(name.split()[0] for name, of in fits.items() if of and of[0][1] == "left out")
    chained = [name for name, step in first.items() if step is None]
    whole, parts = WarmupLinear(0.1), Chained(WarmupLinear(0.1), EPOCHS)
    sentence = (
        f"{TRAINED:,} pairs per epoch and the numbers of the checkpoints leave one batch each: "
        f"{', '.join(f'{of[0][0]} for {name}' for name, of in fits.items() if of)}, {printed}."
    )
    if ragged:
        sentence += f" Only {' and '.join(ragged)}'s epochs leave out the ragged last batch."
    if chained:
        sentence += (
            f" {' and '.join(chained)} are three runs called final: chained epochs, each with a warm-up and an "
            f"optimiser of its own, so that at the end of epochs 1 and 2 the rate was {parts.factor(99, 300):.2f} and "
            f"{parts.factor(199, 300):.2f} of the peak, where one schedule has {whole.factor(99, 300):.2f} and "
            f"{whole.factor(199, 300):.2f}."
        )
    return Evidence.shown_if(
        len(sizes) > 1 and PRINTED_BATCH not in sizes,
        sentence,
        Grid.of(
            "Batches implied",
            ("training", "updates an epoch", "pairs a batch", "last batch"),
            (
                (name, first[name], formats.plain([b for b, _ in of]), formats.plain([kept for _, kept in of]))
                for name, of in fits.items()
            ),
        ),
        Grid.of(
            "Rate of 300 updates, share of the peak",
            ("updates done", "one schedule", "three chained"),
            ((step, whole.factor(step, 300), parts.factor(step, 300)) for step in (100, 120, 200)),
            decimals=2,
        ),
    )


def curves_of_other_runs(bench: object) -> Evidence:
    """The training curves end at other updates than the checkpoints that were scored."""
    last = {name: find(name, "AdamW")[-1].step or 0 for name in MODELS}
    shares = {name: PLOTTED / steps for name, steps in last.items()}
    percents = {name: formats.percent(share, 0) for name, share in shares.items()}
    longer = [name for name, share in shares.items() if share > 1]
    shorter = [name for name, share in shares.items() if share < 0.8]
    fits = [f"{percents[n]} of the {last[n]:,} of {n}" for n in MODELS if n not in (*longer, *shorter)]
    sentences = [
        f"All plotted curves end near update {PLOTTED:,}, which is {', '.join(fits) or 'where no run ended'}.",
        *(
            f"{n}'s scored checkpoint is its last at {last[n]:,}: a curve to {PLOTTED:,} is of another run."
            for n in longer
        ),
        *(f"{n}'s is at {last[n]:,}, of which the curve shows {percents[n]}." for n in shorter),
    ]
    return Evidence.shown_if(
        bool(longer or shorter),
        " ".join(sentences),
        Grid.of(
            "Updates, AdamW",
            ("model", "last scored checkpoint", "curve ends near", "of it"),
            ((name, steps, PLOTTED, percents[name]) for name, steps in last.items()),
        ),
    )


def split_by_rows(bench: object) -> Evidence:
    """Held-out rows share their queries with training rows."""
    exact = {k: 1 - left_out_together(2 * k, PAIRS, HELD_OUT) for k in (1, 2, 10)}
    rows_out = np.random.default_rng(0).choice(PAIRS, HELD_OUT, replace=False)
    trained = 1 - float(np.isin(rows_out ^ 1, rows_out).mean())  # rows 2i and 2i + 1 are one triplet's
    return Evidence.shown_if(
        min(exact.values()) > 0.99,
        f"{PAIRS:,} pairs are two of each triplet, so that each row's query has at least one more. Of {HELD_OUT:,} "
        f"rows held out by chance {formats.percent(exact[1], 2)} have their query in training at the least, when no "
        f"two triplets share one ({formats.percent(trained, 2)} in a draw), and {formats.percent(exact[2], 3)} with "
        f"two triplets per query. Only a split by query holds queries out.",
        Grid.of(
            "Held-out rows whose query is trained on",
            ("triplets per query", "share"),
            ((k, formats.percent(share, 4)) for k, share in exact.items()),
        ),
    )


def left_out_together(rows_of_query: int, pairs: int, held_out: int) -> float:
    """The chance that a held-out row's query has all its other rows held out too."""
    return math.prod((held_out - i) / (pairs - i) for i in range(1, rows_of_query))
