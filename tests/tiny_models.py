"""A tiny randomly initialised BERT with its own vocabulary, so that the machinery is tested in milliseconds.

Its weights are random: it shows that the machinery is right and never gets a quality number.
"""

from __future__ import annotations

import copy
import json
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sentence_transformers import MultiVectorEncoder, SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer, LlamaConfig, LlamaModel

from strop.losses.triplet import Triplet
from strop.models.adapters import Full, LoRA
from strop.models.architecture import Tied, Untied
from strop.models.dense import Dense
from strop.models.encoder import Encoder
from strop.models.late_interaction import Late, LateInteraction
from strop.models.scoring import Euclidean
from strop.models.two_towers import TwoTowers
from strop.negatives.examples import Examples
from strop.records.documents import Group
from strop.training.batches import Batching
from strop.training.forwards import Texts
from strop.training.optimizers import AdamW, WarmupLinear
from strop.training.recipes import Recipe

torch.set_num_threads(1)  # matrices this small gain nothing from a second thread, and lose much on a busy machine

WORDS = tuple(f"{consonant}{vowel}{end}" for consonant in "bdfgklmnprst" for vowel in "aeio" for end in "nt")
LAYERS, HIDDEN, POSITIONS = 2, 32, 64


def build(
    folder: Path,
    *,
    dropout: float = 0.1,
    unit: bool = True,
    similarity: str | None = "cosine",
    prompts: dict[str, str] | None = None,
    max_length: int | None = 48,
    pooling: str | tuple[str, ...] = "mean",
    include_prompt: bool = True,
    cased: bool = False,
    seed: int = 0,
    markers: bool = False,
) -> Path:
    """A sentence-transformers folder of that model: 2 layers, 32 wide, 64 positions.

    `unit` ends it with Normalize; `cased` leaves lower case to sentence-transformers, not to the tokenizer; `markers`
    puts BERT's [unused0] and [unused1] into the vocabulary.
    """
    plain(folder / "plain", dropout, seed, cased, markers)
    transformer = Transformer(str(folder / "plain"), max_seq_length=max_length, do_lower_case=cased)
    modules: list[Any] = [transformer, Pooling(HIDDEN, pooling, include_prompt=include_prompt)]  # type: ignore[arg-type]
    model = SentenceTransformer(
        modules=modules + [Normalize()] * unit, similarity_fn_name=similarity, prompts=prompts, device="cpu"
    )
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def plain(folder: Path, dropout: float = 0.1, seed: int = 0, cased: bool = False, markers: bool = False) -> Path:
    """The same in transformers' own layout, without pooling."""
    pieces = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz"), *WORDS, *".,:!?-"]
    pieces += ["[unused0]", "[unused1]"] * markers
    vocabulary = {piece: i for i, piece in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces])}
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        bert = BertModel(
            BertConfig(
                vocab_size=len(vocabulary),
                hidden_size=HIDDEN,
                num_hidden_layers=LAYERS,
                num_attention_heads=2,
                intermediate_size=48,
                max_position_embeddings=POSITIONS,
                initializer_range=0.2,  # BERT's 0.02 would make all texts nearly equal at this width
                hidden_dropout_prob=dropout,
                attention_probs_dropout_prob=dropout,
            )
        )
    bert.save_pretrained(str(folder))
    tokenizer = BertTokenizer(vocab=vocabulary, do_lower_case=not cased, model_max_length=POSITIONS)
    tokenizer.save_pretrained(str(folder))
    return folder


@cache
def _built(options: str) -> SentenceTransformer:
    with tempfile.TemporaryDirectory() as folder:
        return SentenceTransformer(str(build(Path(folder), **json.loads(options))), device="cpu")


def dense(max_length: int | None = None, **options: Any) -> Dense:
    """A fresh copy of the tiny model in memory; options as `build`'s."""
    return Dense(copy.deepcopy(_built(json.dumps(options, sort_keys=True))), max_length)


@cache
def _late(value: Late, options: str) -> MultiVectorEncoder:
    with tempfile.TemporaryDirectory() as folder:
        source = build(Path(folder) / "dense", **json.loads(options), markers=True)
        value.convert(source, Path(folder) / "late")
        return MultiVectorEncoder(str(Path(folder) / "late"), device="cpu")


def late(value: Late | None = None, max_length: int | None = None, **options: Any) -> LateInteraction:
    """A fresh late-interaction model on the tiny transformer, of 12 tokens a query and 40 a document unless `value`
    says otherwise; options as `build`'s."""
    value = value or Late(query_length=12, document_length=40)
    return LateInteraction(copy.deepcopy(_late(value, json.dumps(options, sort_keys=True))), max_length)


@cache
def _two_towers(value: Untied, options: str) -> SentenceTransformer:
    with tempfile.TemporaryDirectory() as folder:
        value.convert(build(Path(folder) / "dense", **json.loads(options)), Path(folder) / "untied")
        return SentenceTransformer(str(Path(folder) / "untied"), device="cpu")


def two_towers(value: Untied | None = None, max_length: int | None = None, **options: Any) -> TwoTowers:
    """A fresh untied model whose document tower was moved at random, as if trained; options as `build`'s."""
    model = copy.deepcopy(_two_towers(value or Untied(), json.dumps(options, sort_keys=True)))
    encoder, generator = TwoTowers(model, max_length), torch.Generator().manual_seed(4)
    with torch.no_grad():
        for p in encoder.transformers[1].parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=generator))
    return encoder


def plain_decoder(folder: Path, dropout: float = 0.1, seed: int = 0) -> Path:
    """A Llama of the same size and vocabulary in transformers' own layout; `dropout` is that of its attention."""
    AutoTokenizer.from_pretrained(str(plain(folder / "bert"))).save_pretrained(str(folder / "llama"))
    config = LlamaConfig(
        vocab_size=len(AutoTokenizer.from_pretrained(str(folder / "llama"))),
        hidden_size=HIDDEN,
        intermediate_size=48,
        num_hidden_layers=LAYERS,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=POSITIONS,
        attention_dropout=dropout,
        initializer_range=0.2,
        pad_token_id=0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        LlamaModel(config).save_pretrained(str(folder / "llama"))
    return folder / "llama"


@cache
def _decoder(dropout: float) -> SentenceTransformer:
    with tempfile.TemporaryDirectory() as folder:
        Tied(pooling="lasttoken").convert(plain_decoder(Path(folder), dropout), Path(folder) / "dense")
        return SentenceTransformer(str(Path(folder) / "dense"), device="cpu")


def decoder(max_length: int | None = 48, dropout: float = 0.1) -> Dense:
    """A fresh dense model of a decoder and its last token."""
    return Dense(copy.deepcopy(_decoder(dropout)), max_length)


PLAIN_LATE = Late(query_length=12, document_length=40, mask_punctuation=False, expansion=False, markers=None)
#: One of each architecture; each takes `dropout` and `max_length`.
ARCHITECTURES: dict[str, Callable[..., Encoder]] = {
    "tied": dense,
    "tied, first token": partial(dense, pooling="cls"),
    "untied": two_towers,
    "ColBERT": late,
    "plain late interaction": partial(late, PLAIN_LATE),
    "decoder": decoder,
}


def sentences(count: int, seed: int = 0, longest: int = 24) -> list[str]:
    """Texts of 1 to `longest` known words, of very unequal lengths."""
    rng = np.random.default_rng(seed)
    lengths = np.maximum(1, (longest * rng.random(count) ** 2).astype(int))
    return [" ".join(rng.choice(WORDS, n)) for n in lengths]


RECIPE = Recipe(
    tuning=Full(),
    scoring=Euclidean(),
    loss=Triplet(margin=5.0),
    batching=Batching(size=6),
    optimizer=AdamW(learning_rate=2e-3),
    schedule=WarmupLinear(),
    updates=12,
    token_budget=128,
)
TUNINGS = {"full": Full(), "LoRA": LoRA(r=4, alpha=8)}


def toy_groups(queries: int = 20) -> list[Group]:
    """Query i has document i as its positive and another as its negative."""
    return [
        Group(f"q{i}", (f"d{i}",), (f"d{(i + 7) % queries}",), ("toy",), frozenset({f"d{i}"})) for i in range(queries)
    ]


def toy_words(count: int = 20) -> tuple[list[str], list[str]]:
    """The toy queries and documents; each document starts with its query's two words."""
    rng = np.random.default_rng(1)
    queries = [" ".join(rng.choice(WORDS, 2)) for _ in range(count)]
    return queries, [f"{q} {rest}" for q, rest in zip(queries, sentences(count, seed=2), strict=True)]


def toy_examples(count: int) -> Examples:
    queries, documents = toy_words(count)
    return Examples(
        tuple(toy_groups(count)),
        {f"q{i}": text for i, text in enumerate(queries)},
        {f"d{i}": text for i, text in enumerate(documents)},
    )


def toy_texts(encoder: Encoder, count: int = 20) -> tuple[Texts, Texts]:
    """The toy queries and documents as an encoder's tokens."""
    queries, documents = toy_words(count)
    return (
        Texts(encoder.tokenize(queries, "query"), {f"q{i}": i for i in range(count)}),
        Texts(encoder.tokenize(documents, "document"), {f"d{i}": i for i in range(count)}),
    )
