"""Tiny random cross-encoders of three kinds, over the tiny model's words. They never get a quality number."""

from __future__ import annotations

import copy
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import tiny_models
import torch
from sentence_transformers import CrossEncoder
from tiny_models import WORDS
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from transformers import GteConfig, GteModel, ModernBertConfig, ModernBertModel, PreTrainedTokenizerFast

from strop.models.cross_encoder import Reranker

#: Special tokens and the shape of a pair, as the real tokenizers of each kind have them.
SPECIALS = {
    "gte": (("<s>", "<pad>", "</s>", "<unk>"), "<s> $A </s> </s> $B </s>", "<s> $A </s>"),
    "modernbert": (("[CLS]", "[PAD]", "[SEP]", "[UNK]"), "[CLS] $A [SEP] $B [SEP]", "[CLS] $A [SEP]"),
}
KINDS = ("bert", "gte", "modernbert")
#: What LoRA is put on in each of them.
TARGETS = {"bert": ("query", "value"), "gte": ("q_proj", "v_proj"), "modernbert": ("Wqkv",)}


def plain(folder: Path, kind: str, dropout: float = 0.0, positions: int = 64, layers: int = 2) -> Path:
    """A transformer without a head, in transformers' own layout."""
    if kind == "bert":
        return tiny_models.plain(folder, dropout)
    (start, padding, end, unknown), pair, single = SPECIALS[kind]
    words = {word: i for i, word in enumerate([start, padding, end, unknown, *WORDS, *"abcdefgh", ".", ",", "?"])}
    tokenizer = Tokenizer(WordLevel(words, unk_token=unknown))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(
        single=single, pair=pair, special_tokens=[(token, words[token]) for token in (start, end)]
    )
    sizes: dict[str, Any] = {
        "vocab_size": len(words),
        "hidden_size": tiny_models.HIDDEN,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 48,
        "max_position_embeddings": positions,
        "initializer_range": 0.2,
        "pad_token_id": words[padding],
    }
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if kind == "gte":
            rates = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
            model: Any = GteModel(GteConfig(**sizes, **rates))
        else:
            rates = {f"{part}_dropout": dropout for part in ("embedding", "mlp", "attention", "classifier")}
            ids = {"bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2}
            model = ModernBertModel(ModernBertConfig(**sizes, **rates, **ids, local_attention=16))
    model.save_pretrained(str(folder))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=positions, pad_token=padding, unk_token=unknown,
        cls_token=start, sep_token=end, model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(str(folder))  # fmt: skip
    return folder


@cache
def _built(kind: str, dropout: float, positions: int, layers: int, seed: int) -> CrossEncoder:
    with tempfile.TemporaryDirectory() as folder:
        scorer = Reranker.from_base(plain(Path(folder), kind, dropout, positions, layers), seed)
    return scorer.model


def reranker(
    kind: str = "bert", dropout: float = 0.0, max_length: int | None = None, positions: int = 64, layers: int = 2,
    seed: int = 1,
) -> Reranker:  # fmt: skip
    """A fresh copy in memory, with a head as `from_base` draws it."""
    scorer = Reranker(copy.deepcopy(_built(kind, dropout, positions, layers, seed)), max_length)
    scorer.module.eval()
    return scorer
