"""The paper's systems as written, as coded and corrected, at its own batch sizes, and one knob at a time as coded."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from strop.losses.contrastive import InfoNCE
from strop.losses.triplet import Triplet
from strop.models.adapters import LoRA
from strop.models.scoring import Cosine, Euclidean
from strop.monitoring.selection import Best
from strop.negatives.from_run import RankWindow
from strop.negatives.sampled import Uniform
from strop.retrieval.lexical import BM25
from strop.studies.knobs import knob
from strop.studies.when_finetuning_fails.fixed_rank import FixedRank
from strop.study.definition import Preset
from strop.study.negative_policies import Mined, Provided
from strop.study.systems import Rates, System, Tuned
from strop.training.batches import Batching
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.recipes import TRIPLET_FULL, TRIPLET_LORA, Recipe

#: The negatives of the official triples were drawn from BM25's top 1,000 (T7).
TRIPLES = Provided(otherwise=Mined(RankWindow(1, 1000), BM25()))
FIXED_RANK = Mined(FixedRank(50, 200))
WINDOW = Mined(RankWindow(51, 200))

_BM25 = System("bm25", "BM25", BM25(), note="not in the paper: the classical floor")
_BASE = System("base", "all-MiniLM-L6-v2", None, note="untouched")
_LABELS = {
    "full_random": "full, random",
    "full_hard": "full, hard",
    "lora_random": "LoRA, random",
    "lora_hard": "LoRA, hard",
}
_CONTROL = "control (T16): in-batch negatives only; same queries, positives and order as full, random"


def _preset(name: str, random: object, hard: object, tuned: dict[str, Tuned], control: Tuned) -> Preset:
    systems = [System(key, label, tuned[key]) for key, label in _LABELS.items()]
    watched = (("random", random), ("hard", hard))
    in_batch = System("in_batch", "full, in-batch", control, note=_CONTROL)
    return Preset(name, (_BM25, _BASE, *systems, in_batch), watched)  # type: ignore[arg-type]


def _with(
    recipe: Recipe, batch: int, length: int, warmup: float = 0.1, look: tuple[str, float] | None = None
) -> Recipe:
    """Autocast everywhere, as the code trained (float16 there); a chunk of tokens that bfloat16 keeps busy."""
    return replace(
        recipe,
        batching=replace(recipe.batching, size=batch),
        max_length=length,
        schedule=WarmupLinear(warmup),
        selection=Best(f"cosine_accuracy/{look[0]}", look[1]) if look else None,
        precision="bfloat16",
        token_budget=4096,
    )


_IN_BATCH = replace(TRIPLET_FULL, scoring=Cosine(), loss=InfoNCE(0.05), batching=Batching(in_batch=True))

#: The authors' code: looks every 1,000 of 2,346, 1,965, 4,689 and 2,358 steps; half as many hard triples as random.
AS_CODED = _preset(
    "as_coded",
    TRIPLES,
    FIXED_RANK,
    {
        "full_random": Tuned(_with(TRIPLET_FULL, 1024, 256, look=("random", 1000 / 2346)), 3, TRIPLES),
        "full_hard": Tuned(_with(TRIPLET_FULL, 1024, 256, look=("hard", 1000 / 1965)), 5, FIXED_RANK, share=0.5),
        "lora_random": Tuned(_with(TRIPLET_LORA, 512, 512, look=("random", 1000 / 4689)), 3, TRIPLES),
        "lora_hard": Tuned(_with(TRIPLET_LORA, 512, 512, look=("hard", 1000 / 2358)), 3, FIXED_RANK, share=0.5),
    },
    Tuned(_with(_IN_BATCH, 1024, 256), 3),
)

#: Equation 4.7 on the model's own, normalised embeddings; the margin is not stated, 5 is the library's default.
#: Batch 128, and 1,000 warm-up steps of the 23,438, 19,648 and 11,789 that 1,000,000 and 503,000 triples come to.
_WRITTEN = replace(TRIPLET_FULL, scoring=Euclidean(squared=True, normalized=True))
_WRITTEN_LORA = replace(_WRITTEN, tuning=LoRA(dropout=0.0))
AS_WRITTEN = _preset(
    "as_written",
    TRIPLES,
    WINDOW,
    {
        "full_random": Tuned(_with(_WRITTEN, 128, 256, 1000 / 23438), 3, TRIPLES),
        "full_hard": Tuned(_with(_WRITTEN, 128, 256, 1000 / 19648), 5, WINDOW, share=0.5),
        "lora_random": Tuned(_with(_WRITTEN_LORA, 128, 256, 1000 / 23438), 3, TRIPLES),
        "lora_hard": Tuned(_with(_WRITTEN_LORA, 128, 256, 1000 / 11789), 3, WINDOW, share=0.5),
    },
    Tuned(_with(_IN_BATCH, 128, 256), 3),
)

#: Ours: trained on the similarity it is tested on, batch negatives beside the mined one, equal updates and pairs for
#: all, random negatives that are random, a window per query, and each tuning method's learning rate from one grid.
_OURS = _with(_IN_BATCH, 128, 256)
_OURS_LORA = replace(_OURS, tuning=LoRA())
_RATES = (2e-5, 2e-4)
_FULL_RATES, _LORA_RATES = Rates(_RATES, on="full_hard"), Rates(_RATES, on="lora_hard")
CORRECTED = _preset(
    "corrected",
    Uniform(),
    WINDOW,
    {
        "full_random": Tuned(_OURS, 3, Uniform(), rates=_FULL_RATES),
        "full_hard": Tuned(_OURS, 3, WINDOW, rates=_FULL_RATES),
        "lora_random": Tuned(_OURS_LORA, 3, Uniform(), rates=_LORA_RATES),
        "lora_hard": Tuned(_OURS_LORA, 3, WINDOW, rates=_LORA_RATES),
    },
    Tuned(_OURS, 3, rates=_FULL_RATES),
)

_RANDOM, _HARD, _LORA = (AS_CODED.system(name) for name in ("full_random", "full_hard", "lora_hard"))
_BATCH_LOSS: dict[str, Any] = {"scoring": Cosine(), "loss": InfoNCE(0.05)}


_knob = partial(knob, _RANDOM)
_hard_knob, _lora_knob = partial(knob, _HARD), partial(knob, _LORA)

#: In the order of what they are expected to tell: a budget leaves out the last.
ONE_KNOB = Preset(
    "one_knob",
    (
        _BASE,
        _RANDOM,
        _knob("in_batch_loss", "in-batch InfoNCE, cosine", "T16", batching=Batching(1024, True), **_BATCH_LOSS),
        _knob("normalised", "loss on normalised vectors", "T5", scoring=Euclidean(normalized=True)),
        _knob("rate_tenth", "a tenth of the learning rate", "T14", optimizer=AdamW(2e-6)),
        _knob("uniform", "uniform negatives", "T7", negatives=Uniform()),
        _knob("squared", "squared distance", "T6", scoring=Euclidean(squared=True)),
        _knob("margin_1", "margin 1", "T6", loss=Triplet(1.0)),
        _knob(
            "all",
            "in-batch, cosine, uniform, last update: as corrected, at this learning rate",
            "all",
            batching=Batching(1024, True),
            negatives=Uniform(),
            selection=None,
            **_BATCH_LOSS,
        ),
        _HARD,
        _hard_knob("own_rank", "a rank of its own for each query", "T8", negatives=Mined(RankWindow(50, 200))),
        _hard_knob("matched", "the random set's pairs and epochs", "T13", share=1.0, epochs=3),
        _LORA,
        _lora_knob("lora_rate_10", "LoRA: 10 × the learning rate", "T14", optimizer=AdamW(2e-4)),
        _knob("cosine", "cosine, margin 0.2", "T5", scoring=Cosine(), loss=Triplet(0.2)),
        _hard_knob("top_ranks", "ranks 1–49", "T10", negatives=Mined(RankWindow(1, 49))),
        _knob("long_warmup", "half of all steps warm-up", "T12", schedule=WarmupLinear(0.5)),
        _knob("no_dropout", "no dropout", "T23", dropout=0.0),
        _knob("half_batch", "half the batch", "T12", batching=Batching(512)),
        _knob("last", "the last update kept", "T19", selection=None),
        _knob("short", "64 tokens at most", "T23", max_length=64),
        _lora_knob("lora_full_batch", "LoRA: the batch of full tuning", "T13", batching=Batching(1024)),
        _knob("float32", "float32", "T23", precision="float32"),
    ),
    AS_CODED.watched,
)
