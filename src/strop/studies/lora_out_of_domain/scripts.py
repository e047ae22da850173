"""Open questions about settings and published scripts: what such settings do, without the scripts (L1 to L7).

What is quoted of the paper and its code stands in the constants below; each verdict is computed from these.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strop.artifacts.store import Stage, Store
from strop.models.adapters import MERGE_TOLERANCE, Full, LoRA, Tuning
from strop.records import formats
from strop.records.documents import Group
from strop.studies.figures import is_rounded
from strop.studies.updates import updates
from strop.study.open_questions import Evidence, Grid
from strop.training.batches import assemble
from strop.training.optimizers import AdamW

#: bert-base-uncased (Devlin et al. 2019): vocabulary, positions, segments, width, inner width, layers.
VOCABULARY, POSITIONS, SEGMENTS, WIDTH, INNER, LAYERS = 30_522, 512, 2, 768, 3_072, 12
#: "a rank of 7 and an alpha of 32, approximately 0.25% of the original parameter count"; the code has rank 8.
PRINTED_RANK, CODED_RANK, PRINTED_SHARE = 7, 8, 0.0025
#: Training questions: MS MARCO's judged ones, and DPR's of Natural Questions.
QUESTIONS = {"MS MARCO": 502_939, "NQ": 58_880}
BATCH, EPOCHS = 128, 40
#: The configuration's fixed warm-up against "10% as warmup steps", and its 100 epochs of one model against 40.
WARMUP_STEPS, PRINTED_WARMUP, CODED_EPOCHS = 1_237, 0.10, 100
#: The symmetric encoder's learning rates, and torch's OneCycleLR as it was set: linear, its defaults otherwise.
RATES = {"FT": 2e-5, "LoRA": 2e-4}
RISE, START, END = 0.1, 1 / 25, 1 / 25 / 1e4
#: The two runs of the README: tuning, training file, folder; both at one rate.
README = (("FT", "msmarco_train", "output"), ("LoRA", "msmarco_train_randomneg", "output"))
_README_RATE = 2e-5


class Shape(nn.Module):
    """The parameters of a BERT encoder with its pooler, without values: what counts them needs no weights."""

    def __init__(self) -> None:
        super().__init__()
        sizes = (VOCABULARY, POSITIONS, SEGMENTS)
        self.embeddings = nn.ModuleList([*(nn.Embedding(n, WIDTH) for n in sizes), nn.LayerNorm(WIDTH)])
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    **{name: nn.Linear(WIDTH, WIDTH) for name in ("query", "key", "value", "output")},
                    "up": nn.Linear(WIDTH, INNER),
                    "down": nn.Linear(INNER, WIDTH),
                    "after_attention": nn.LayerNorm(WIDTH),
                    "after": nn.LayerNorm(WIDTH),
                }
            )
            for _ in range(LAYERS)
        )
        self.pooler = nn.Linear(WIDTH, WIDTH)


def lora_parameters(rank: int, model: nn.Module) -> tuple[int, int]:
    """(what PEFT adds to query and value of every layer, the model's own parameters)."""
    own = sum(p.numel() for p in model.parameters())
    encoder: Any = SimpleNamespace(module=model, transformers=(SimpleNamespace(model=model),))
    LoRA(r=rank, alpha=32, dropout=0.1).prepare(encoder, seed=0)
    return sum(p.numel() for p in encoder.transformers[0].model.parameters() if p.requires_grad), own


def rank(bench: object) -> Evidence:
    """L1. What ranks 7 and 8 add to bert-base, by PEFT and by r x (in + out), beside the printed share."""
    ranks = []
    for r in (PRINTED_RANK, CODED_RANK):
        with torch.device("meta"):
            added, own = lora_parameters(r, Shape())
        ranks.append((r, added, r * (WIDTH + WIDTH) * 2 * LAYERS, added / own))
    exact = PRINTED_SHARE * own / ((WIDTH + WIDTH) * 2 * LAYERS)
    fits = [is_rounded(PRINTED_SHARE, share, 4) for *_, share in ranks]
    table = Grid(
        "Parameters that LoRA adds to bert-base",
        ("rank", "counted by PEFT", "r × (in + out) × 2 × 12", "share"),
        tuple((str(r), f"{a:,}", f"{f:,}", formats.percent(s, 3)) for r, a, f, s in ranks),
    )
    return Evidence(
        "shown" if all(added == formula for _, added, formula, _ in ranks) and not any(fits) else "not shown",
        "On query and value of bert-base "
        + " and ".join(f"rank {r} adds {a:,} parameters, {formats.percent(s, 3)} of {own:,}" for r, a, _, s in ranks)
        + f"; the printed {formats.percent(PRINTED_SHARE, 2)} would take rank {exact:.1f}, so that it cannot say "
        f"which was used.",
        (table,),
    )


def warmup(bench: object) -> Evidence:
    """L2. The fixed warm-up as a share of each training's updates."""
    totals = {name: updates(questions, EPOCHS, BATCH) for name, questions in QUESTIONS.items()}
    shares = {name: WARMUP_STEPS / total for name, total in totals.items()}
    table = Grid(
        f"Warm-up at batch {BATCH}, {EPOCHS} epochs",
        ("trained on", "questions", "updates", "share of warm-up", "updates at the printed share"),
        tuple(
            (
                name, f"{questions:,}", f"{totals[name]:,}", formats.percent(shares[name], 2),
                f"{round(PRINTED_WARMUP * totals[name]):,}",
            )
            for name, questions in QUESTIONS.items()
        ),
    )  # fmt: skip
    return Evidence(
        "shown" if all(abs(share - PRINTED_WARMUP) > 0.01 for share in shares.values()) else "not shown",
        f"{WARMUP_STEPS:,} warm-up steps are "
        + " and ".join(f"{formats.percent(shares[n], 2)} of {totals[n]:,} updates on {n}" for n in totals)
        + f"; the printed {formats.percent(PRINTED_WARMUP, 0)} would be "
        + " and ".join(f"{round(PRINTED_WARMUP * total):,}" for total in totals.values())
        + ".",
        (table,),
    )


def unequal_epochs(bench: object) -> Evidence:
    """L3. The symmetric FT without negatives was configured for 100 epochs, all else for 40."""
    long, short = (updates(QUESTIONS["MS MARCO"], epochs, BATCH) for epochs in (CODED_EPOCHS, EPOCHS))
    table = Grid(
        f"Updates on MS MARCO at batch {BATCH}",
        ("model", "epochs", "updates"),
        (
            ("symmetric FT without negatives", str(CODED_EPOCHS), f"{long:,}"),
            ("the other three", str(EPOCHS), f"{short:,}"),
        ),
    )
    return Evidence(
        "shown" if long != short else "not shown",
        f"{CODED_EPOCHS} epochs on MS MARCO are {long:,} updates, {EPOCHS} are {short:,}: the symmetric FT without "
        f"negatives was given {long / short:.1f} times the training of the LoRA, and of the FT with negatives, that it "
        f"is compared with.",
        (table,),
    )


def weight_decay(bench: object) -> Evidence:
    """L4. Groups with decay 0.0 that never reach the optimiser: torch's AdamW then decays by its default."""
    weights = {}
    for name in ("groups left unused", "groups passed", "strop, decay 0"):
        parameter = nn.Parameter(torch.ones(1, 1))
        groups = [{"params": [parameter], "weight_decay": 0.0}]
        if name == "strop, decay 0":
            optimizer = AdamW(learning_rate=RATES["LoRA"], weight_decay=0.0).build([("weight", parameter)])
        else:
            parameters: Any = groups if name == "groups passed" else [parameter]
            optimizer = torch.optim.AdamW(parameters, lr=RATES["LoRA"])
        parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        weights[name] = (optimizer.param_groups[0]["weight_decay"], float(parameter.detach()))
    decay = weights["groups left unused"][0]
    kept = {name: _kept(rate, decay, updates(QUESTIONS["MS MARCO"], EPOCHS, BATCH)) for name, rate in RATES.items()}
    table = Grid(
        "A weight of 1 without gradient, after one update",
        ("AdamW built with", "decay", "weight"),
        tuple((name, f"{d:g}", f"{w:.8f}") for name, (d, w) in weights.items()),
    )
    return Evidence(
        "shown" if weights["groups left unused"][1] < 1 and weights["groups passed"][1] == 1 else "not shown",
        f"Built without its groups, torch's AdamW decays by {decay} and not by 0.0: a weight without gradient shrinks "
        f"at the first update. Over {EPOCHS} epochs on MS MARCO decay alone takes off weights "
        + " and ".join(f"{formats.percent(1 - share)} of {name}'s" for name, share in kept.items())
        + ".",
        (table,),
    )


def shared_folder(bench: object) -> Evidence:
    """L5. Two runs of the README and the folders they write, beside the keys that strop would give them."""
    optimizer = AdamW(learning_rate=_README_RATE)
    tunings: dict[str, Tuning] = {"FT": Full(), "LoRA": LoRA(r=CODED_RANK, alpha=32, dropout=0.1)}

    def key(tuning: str, data: str) -> str:
        return Store(".").key(Stage("train", 1), [tunings[tuning], optimizer], {"examples": data})

    keys = [key(tuning, data) for tuning, data, _ in README]
    folders, contents = {folder for *_, folder in README}, set(keys)
    overwrites = ": the second overwrites the first" if len(folders) == 1 else ""
    table = Grid(
        "Where two runs go",
        ("tuning", "training file", "by name", "by content"),
        tuple((*run, key[:8]) for run, key in zip(README, keys, strict=True)),
    )
    return Evidence(
        "shown" if len(folders) < len(contents) else "not shown",
        f"The README's {len(README)} runs differ in tuning and in training file, and write {len(folders)} "
        f"{'folder' if len(folders) == 1 else 'folders'} at one learning rate, {_README_RATE:g}, where LoRA is printed "
        f"with {RATES['LoRA']:g}{overwrites}. Keyed by what made them they have {len(contents)} folders, and tuning "
        f"alone makes another ({len({*keys, key('LoRA', README[0][1])})} keys with LoRA on the first file).",
        (table,),
    )


def loaded(hard: tuple[str, ...], others: tuple[str, ...], number: int) -> tuple[str, ...]:
    """A query's negatives as the published loader takes them: `number` hard ones, others where there are none."""
    return (hard or others)[:number]


def hidden_negatives(bench: object) -> Evidence:
    """L6. What `hard_negatives: 1` trains on where the data has no hard negatives, with others to fall back to or not.

    A rule that is quoted and worked through. Which data the printed runs had is not published, so nothing is resolved.
    """
    batches = {}
    for others in (0, 1):
        groups = []
        for i in range(BATCH):
            negatives = loaded((), (f"n{i}",) * others, 1)
            positive = f"p{i}"
            groups.append(Group(f"q{i}", (positive,), negatives, ("fallback",) * len(negatives), frozenset({positive})))
        batch = assemble(groups, in_batch=True)
        batches[others] = (
            sum(len(group.negatives) for group in groups) / len(groups),
            len(batch.doc_ids),
            int((~batch.targets & ~batch.mask).sum(dim=1).max()),
        )
    (none, few, against_few), (own, documents, against) = batches[0], batches[1]
    table = Grid(
        f"A batch of {BATCH} without hard negatives",
        ("setting", "negatives per query", "documents", "trained against"),
        (
            ("no negatives", f"{none:.0f}", str(few), str(against_few)),
            ("one, falling back to others", f"{own:.0f}", str(documents), str(against)),
        ),
    )
    return Evidence(
        "not resolved",
        f"By the loader's rule as quoted, `hard_negatives: 1` gives every query {own:.0f} negative where the data has "
        f"ordinary negatives and no hard ones: each of {BATCH} queries is trained against {against} documents, not the "
        f"{against_few} of in-batch negatives alone. Whether the printed runs had such data only their files would "
        f"show; strop's groups hold what they train on, and without negatives they hold {none:.0f}.",
        (table,),
    )


def merging(bench: object) -> Evidence:
    """L7. One projection of bert-base with an adapter beside it, and merged into it."""
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw) / math.sqrt(shape[-1])

    weight, up, down = normal(WIDTH, WIDTH), normal(WIDTH, CODED_RANK), normal(CODED_RANK, WIDTH)
    tokens, scale = normal(64, WIDTH), 32 / CODED_RANK
    apart = tokens @ weight.T + scale * (tokens @ down.T) @ up.T
    gap = float((apart - tokens @ (weight + scale * up @ down).T).abs().max())
    with torch.device("meta"):
        bert = Shape()
        products = sum(isinstance(module, nn.Linear) for module in bert.layers.modules())
        lora_parameters(CODED_RANK, bert)
        further = sum(isinstance(module, nn.Linear) for module in bert.layers.modules()) - products
    multiplied = 2 * CODED_RANK * (WIDTH + WIDTH) / (4 * WIDTH**2 + 2 * WIDTH * INNER)
    table = Grid(
        "An adapter on query and value of bert-base, per token",
        ("", "matrix products", "largest change of an output"),
        (
            ("merged", str(products), f"{gap:.0e}"),
            ("beside the weights", str(products + further), formats.DASH),
        ),
    )
    return Evidence(
        "shown" if gap <= MERGE_TOLERANCE and further else "not shown",
        f"Merged, a projection's outputs move by {gap:.0e} at most. Beside the weights, rank {CODED_RANK} takes "
        f"{further} further matrix products to the {products} of bert-base ({formats.percent(multiplied, 2)} more "
        f"multiplications per token): no latency is added only when it is merged, which the published code never does. "
        f"strop merges at export and refuses a merge that moves outputs by {MERGE_TOLERANCE:g}. The code also lacks "
        f"files that it imports, and lists pickle, which Python brings.",
        (table,),
    )


def _kept(peak: float, decay: float, total: int) -> float:
    """The share of a weight that decoupled decay leaves after a linear one-cycle schedule, gradients aside."""
    rates = peak * np.interp(np.linspace(0, 1, total), (0, RISE, 1), (START, 1, END))
    return float(np.exp(np.log1p(-decay * rates).sum()))
