"""The paper's cross-encoders as written, as coded and corrected; pipelines, teachers, and one knob at a time.

Groups of a query with its candidates make a batch; the paper's pairs are groups with one negative. Desk scale shrinks
batches alike and puts random weights in the place of GTE and ModernBERT. What is last is left out first by a budget.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from strop.losses.contrastive import InfoNCE
from strop.losses.distillation import KLDivergence, MarginMSE
from strop.losses.listwise import RankNet
from strop.losses.pointwise import BinaryCrossEntropy
from strop.models.adapters import Full
from strop.models.cross_encoder import FreshHead
from strop.models.scoring import Cosine as CosineSimilarity
from strop.models.scoring import Joint
from strop.negatives.filters import TeacherBound
from strop.negatives.from_run import RankWindow
from strop.retrieval.fuse import ReciprocalRank
from strop.retrieval.lexical import BM25
from strop.retrieval.windows import Windows
from strop.studies.knobs import knob
from strop.study.definition import Preset
from strop.study.negative_policies import Cleaned, Mined, Negatives, Provided, Taught
from strop.study.systems import Fused, Rates, Reranked, Start, System, Tuned, WithPositive
from strop.training.batches import Batching
from strop.training.optimizers import AdamW, Chained, Constant, Cosine, Lion, Schedule, WarmupLinear
from strop.training.recipes import Recipe

EPOCHS = 3
MODELS = {
    "minilm": ("MiniLM", None),
    "gte": ("GTE", "alibaba-nlp-community/gte-multilingual-base"),
    "modernbert": ("ModernBERT", "answerdotai/ModernBERT-base"),
}
OPTIMIZERS = {"adamw": "AdamW", "lion": "Lion"}
#: 64 pairs, one right and one wrong of each of 32 queries; the wrong ones are BM25's, as MS MARCO's triplets have them.
PAIRS = 32
ONE = Mined(RankWindow(1, 100), BM25())
#: What came with MS MARCO, where it is at hand.
TRIPLETS = Provided(otherwise=ONE)
THREE = replace(ONE, window=RankWindow(1, 100, count=3))
EIGHT = replace(ONE, window=RankWindow(1, 100, count=8))

_BM25 = System("bm25", "BM25", BM25(), note="the first stage: rerankers reorder what it finds")
_BASE = System("base", "base, dense", None, note="the untouched bi-encoder")
_RECIPE = Recipe(
    tuning=Full(),
    scoring=Joint(),
    loss=BinaryCrossEntropy(),
    batching=Batching(PAIRS),
    optimizer=AdamW(2e-5),
    schedule=Constant(),
    updates=100,
    max_length=512,  # for MiniLM all there is; no passage of MS MARCO needs more, whatever the model could read (O13)
    token_budget=4096,
    precision="bfloat16",
)


#: Rerankers of BM25's first, watched on its negatives.
_preset = partial(Preset, watched=(("BM25", THREE),), candidates="bm25")


def _epochs(model: str, optimizer: str, how: Tuned) -> tuple[System, ...]:
    """One training, its weights taken after each epoch."""
    label = f"{MODELS[model][0]}, {OPTIMIZERS[optimizer]}"
    return tuple(
        System(f"{model}_{optimizer}_{epoch}", f"{label}, epoch {epoch}", replace(how, after=epoch))
        for epoch in (EPOCHS, *range(1, EPOCHS))
    )


def _grid(recipes: dict[tuple[str, str], Tuned]) -> tuple[System, ...]:
    return (_BM25, _BASE, *(s for (model, optimizer), how in recipes.items() for s in _epochs(model, optimizer, how)))


def _tuned(model: str, optimizer: AdamW | Lion, schedule: Schedule, pairs: int, negatives: Negatives) -> Tuned:
    recipe = replace(_RECIPE, optimizer=optimizer, schedule=schedule, batching=Batching(pairs))
    return Tuned(recipe, EPOCHS, negatives, start=Start(FreshHead(), base=MODELS[model][1]))


def _theirs(name: str, settings: dict[tuple[str, str], tuple[AdamW | Lion, Schedule, int]]) -> Preset:
    """(model, optimiser) -> optimiser, schedule and pairs of a batch; the paper's negatives."""
    systems = _grid({key: _tuned(key[0], *setting, TRIPLETS) for key, setting in settings.items()})
    return _preset(name, systems, watched=(("BM25", ONE),))


#: The text: 64 pairs, one learning rate for both, but ModernBERT's Lion a tenth; a cosine for ModernBERT alone.
AS_WRITTEN = _theirs(
    "as_written",
    {
        ("minilm", "adamw"): (AdamW(2e-5), Constant(), PAIRS),
        ("minilm", "lion"): (Lion(2e-5), Constant(), PAIRS),
        ("gte", "adamw"): (AdamW(2e-5), Constant(), PAIRS),
        ("gte", "lion"): (Lion(2e-5), Constant(), PAIRS),
        ("modernbert", "adamw"): (AdamW(2e-5), Cosine(), PAIRS),
        ("modernbert", "lion"): (Lion(2e-6), Cosine(), PAIRS),
    },
)

#: The code: batches as the checkpoints' steps imply them; MiniLM's and GTE's Lion three trainings of an epoch in a
#: chain; ModernBERT's AdamW with a schedule that was bound to the other optimiser, and Lion's cosine cut at a third.
AS_CODED = _theirs(
    "as_coded",
    {
        ("minilm", "adamw"): (AdamW(2e-5), WarmupLinear(0.1), 256),
        ("minilm", "lion"): (Lion(2e-5), Chained(WarmupLinear(0.1), EPOCHS), 128),
        ("gte", "adamw"): (AdamW(2e-5), WarmupLinear(0.1), 64),
        ("gte", "lion"): (Lion(2e-5), Chained(WarmupLinear(0.1), EPOCHS), 96),
        ("modernbert", "adamw"): (AdamW(2e-5), Constant(), 96),
        ("modernbert", "lion"): (Lion(2e-6), Cosine(stretch=93_750 / 31_092), 96),
    },
)

#: Ours: one batch, one schedule that ends at zero, and for each optimiser its own best of one grid on held-out queries.
_RATES, _DECAYS = (6e-6, 2e-5, 6e-5, 2e-4), (0.01, 1.0)
RATES = {(m, o): Rates(_RATES, on=f"{m}_{o}_{EPOCHS}", decays=_DECAYS) for m in MODELS for o in OPTIMIZERS}
_CENTRES: dict[str, AdamW | Lion] = {"adamw": AdamW(6e-5), "lion": Lion(2e-5)}
CORRECTED = _preset(
    "corrected",
    _grid(
        {
            (model, name): replace(_tuned(model, _CENTRES[name], WarmupLinear(0.1), PAIRS, THREE), rates=rates)
            for (model, name), rates in RATES.items()
        }
    ),
)

#: The tuned reranker that everything below is about, and the bi-encoder tuned on the same queries.
RERANKER = "minilm_adamw_3"
_RERANKER, _LION = CORRECTED.system(RERANKER), CORRECTED.system("minilm_lion_3")
_DENSE_RECIPE = replace(
    _RECIPE,
    scoring=CosineSimilarity(),
    loss=InfoNCE(0.05),
    batching=Batching(PAIRS, in_batch=True),
    schedule=WarmupLinear(0.1),
    max_length=256,
)
_DENSE_RATES = Rates((6e-6, 2e-5, 6e-5), on="dense")
_DENSE = System("dense", "dense, tuned", Tuned(_DENSE_RECIPE, EPOCHS, rates=_DENSE_RATES), note="in-batch negatives")
_DEEP, _SHALLOW = 100, 20


def _then(first: str, by: str, label: str, depth: int = _DEEP, **more: Any) -> System:
    return System(f"{first}_then_{by}", label, Reranked(first, by, depth), **more)


#: First stages x rerankers, base and tuned; a middle stage; and one model over three sets of candidates (O2).
PIPELINE = _preset(
    "pipeline",
    (
        _BM25,
        _BASE,
        _RERANKER,
        _DENSE,
        System("hybrid", "BM25 + base, fused", Fused(("bm25", "base"), ReciprocalRank())),
        System("hybrid_dense", "BM25 + dense tuned, fused", Fused(("bm25", "dense"), ReciprocalRank())),
        _then("bm25", "base", "BM25, then base"),
        _then("bm25", "dense", "BM25, then dense tuned"),
        _then("base", RERANKER, "base, then reranker"),
        _then("dense", RERANKER, "dense tuned, then reranker"),
        _then("hybrid", RERANKER, "fused, then reranker"),
        _then("hybrid", "base", "fused, then base"),
        _then("hybrid_then_base", RERANKER, "fused, then base, then reranker on its first 20", _SHALLOW, point="O2"),
        System("own", "one positive and nine of BM25", WithPositive("bm25"), note="candidates that hold the answer"),
        _then("own", RERANKER, "one positive and nine of BM25, then reranker", 10, point="O2"),
    ),
)


def _student(name: str, label: str, negatives: Negatives, centre: str = "", **changes: Any) -> System:
    how = Tuned(replace(_DENSE_RECIPE, **changes), EPOCHS, negatives, rates=_DENSE_RATES)
    return System(name, label, how, point="teacher" if centre else "", centre=centre)


_APART = Batching(PAIRS)
_DENOISED = Cleaned(EIGHT, TeacherBound.of_probability(0.1), keep=3, teacher=RERANKER)


#: What a reranker that never scores a query it was trained on adds to a bi-encoder.
TEACHER = _preset(
    "teacher",
    (
        _BM25,
        _BASE,
        _RERANKER,
        _DENSE,
        _student("dense_hard", "dense, BM25's negatives", THREE),
        _student("dense_denoised", "dense, BM25's negatives that the teacher rejects", _DENOISED, "dense_hard"),
        _student("dense_apart", "dense, BM25's negatives alone", THREE, batching=_APART),
        _student("dense_kl", "dense, taught its order (KL)", Taught(THREE, RERANKER), "dense_apart",
                 loss=KLDivergence(temperature=0.05), batching=_APART),
        _student("dense_margin", "dense, taught its margins (MSE)", Taught(THREE, RERANKER), "dense_apart",
                 loss=MarginMSE(temperature=0.05), batching=_APART),
    ),
)  # fmt: skip

_knob, _lion_knob = partial(knob, _RERANKER), partial(knob, _LION)

ONE_KNOB = _preset(
    "one_knob",
    (
        _BM25,
        _BASE,
        _RERANKER,
        _LION,
        _knob("constant", "never annealed", "O6", schedule=Constant()),
        _knob("cosine", "whole cosine", "O7", schedule=Cosine()),
        _knob("cosine_cut", "cosine cut at a third", "O7", schedule=Cosine(stretch=93_750 / 31_092)),
        _knob("batch_quarter", "a quarter of the batch", "O8", batching=Batching(PAIRS // 4)),
        _lion_knob("chained", "Lion, three trainings in a chain", "O8", schedule=Chained(WarmupLinear(0.1), EPOCHS)),
        _knob("one_negative", "one negative, the paper's pairs", "pairs", negatives=ONE),
        _knob("softmax", "softmax over the candidates", "loss", loss=InfoNCE(1.0)),
        _knob("ranknet", "RankNet", "loss", loss=RankNet()),
    ),
)


def _read(name: str, label: str, windows: Windows) -> System:
    return System(name, label, Reranked("bm25", RERANKER, _SHALLOW, windows), point="O13")


#: How much of a document is read, and how: from 64 tokens a pair to 512, and windows of 128 in place of a cut.
LONG_INPUTS = _preset(
    "long_inputs",
    (
        _BM25,
        _BASE,
        _RERANKER,
        *(_read(f"read_{n}", f"first {n} tokens", Windows("first", max_length=n)) for n in (64, 128, 256, 512)),
        _read("windows_max", "best of windows of 128", Windows("max", 1.0, 128)),
        _read("windows_mean", "mean of windows of 128", Windows("mean", 1.0, 128)),
    ),
)

PRESETS = (CORRECTED, PIPELINE, TEACHER, ONE_KNOB, AS_CODED, AS_WRITTEN, LONG_INPUTS)
