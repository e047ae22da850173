"""Tiny random late-interaction models and cross-encoders, in the files that each trainer leaves on disk.

PyLate's and Stanford's are written by hand, key by key, as those write them. They never get a quality number.
"""

from __future__ import annotations

import json
import string
from pathlib import Path
from typing import Any

import tiny_models
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import CrossEncoder, MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.sentence_transformer.modules import Pooling
from tiny_models import HIDDEN, WORDS
from tokenizers import Tokenizer, pre_tokenizers, processors
from tokenizers.models import Unigram
from transformers import (
    AutoTokenizer,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    LlamaConfig,
    LlamaForSequenceClassification,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLNetConfig,
    XLNetForSequenceClassification,
)

WIDTH = 8


def write(path: Path, values: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values), encoding="utf-8")


def change(path: Path, **values: Any) -> None:
    """Set keys of a JSON file, which is made where there is none; `...` takes a key out."""
    merged = {**(json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}), **values}
    write(path, {key: value for key, value in merged.items() if value is not ...})


def _drawn(*shape: int, seed: int = 5) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


# --- late interaction ---------------------------------------------------------------------------------------------


def multi_vector(folder: Path, *after: Any, source: Path | None = None, **settings: Any) -> Path:
    """As `MultiVectorEncoder.save_pretrained` writes it: a transformer, a projection, and the modules `after`."""
    transformer = Transformer(str(source or tiny_models.plain(folder / "plain", markers=True)))
    for name in ("query_length", "document_length", "query_expansion"):
        setattr(transformer, name, settings.pop(name, None))
    projection = Dense(HIDDEN, WIDTH, bias=False, activation_function=torch.nn.Identity(), init_weight=_drawn(WIDTH, HIDDEN), module_input_name="token_embeddings")  # fmt: skip  # noqa: E501
    model = MultiVectorEncoder(modules=[transformer, projection, *after], device="cpu", **settings)
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def pylate(folder: Path, markers: bool = True, **settings: Any) -> Path:
    """As PyLate writes it: its markers are tokens with a space at the end, its projection is its own class."""
    tiny_models.plain(folder)
    tokenizer: Any = AutoTokenizer.from_pretrained(str(folder))
    bert = BertModel.from_pretrained(str(folder))
    if markers:
        tokenizer.add_tokens(["[Q] ", "[D] "])
        bert.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    bert.save_pretrained(str(folder))
    tokenizer.save_pretrained(str(folder))
    kinds = ("", "sentence_transformers.models.Transformer"), ("1_Dense", "pylate.models.Dense.Dense")
    write(folder / "modules.json", [{"idx": i, "name": str(i), "path": p, "type": t} for i, (p, t) in enumerate(kinds)])
    write(folder / "sentence_bert_config.json", {"max_seq_length": 39, "do_lower_case": False})
    write(
        folder / "1_Dense" / "config.json",
        {
            "in_features": HIDDEN,
            "out_features": WIDTH,
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
            "use_residual": False,
        },
    )
    save_file({"linear.weight": _drawn(WIDTH, HIDDEN)}, str(folder / "1_Dense" / "model.safetensors"))
    write(
        folder / "config_sentence_transformers.json",
        {
            "model_type": "ColBERT",
            "__version__": {"sentence_transformers": "5.1.1", "transformers": "4.56.2", "pytorch": "2.8.0"},
            "prompts": {},
            "default_prompt_name": None,
            "similarity_fn_name": "MaxSim",
            "query_prefix": "[Q] ",
            "document_prefix": "[D] ",
            "query_length": 12,
            "document_length": 40,
            "attend_to_expansion_tokens": False,
            "skiplist_words": list(string.punctuation),
            "do_query_expansion": True,
        },
    )
    change(folder / "config_sentence_transformers.json", **settings)
    return folder


def stanford(folder: Path, prefix: str = "bert.", **metadata: Any) -> Path:
    """As Stanford's ColBERT writes it: one file of weights, the projection among them, and `artifact.metadata`."""
    tiny_models.plain(folder, markers=True)
    weights = load_file(str(folder / "model.safetensors"))
    renamed = {f"{prefix}{name}": tensor for name, tensor in weights.items()}
    save_file({**renamed, "linear.weight": _drawn(WIDTH, HIDDEN)}, str(folder / "model.safetensors"), {"format": "pt"})
    change(folder / "config.json", architectures=["HF_ColBERT"])
    write(
        folder / "artifact.metadata",
        {
            "query_token_id": "[unused0]",
            "doc_token_id": "[unused1]",
            "query_token": "[Q]",
            "doc_token": "[D]",
            "doc_maxlen": 40,
            "query_maxlen": 12,
            "mask_punctuation": True,
            "attend_to_mask_tokens": False,
            "interaction": "colbert",
            "similarity": "cosine",
            "dim": WIDTH,
            "nbits": 2,
            "checkpoint": "colbert-400000",
        },
    )
    change(folder / "artifact.metadata", **metadata)
    return folder


# --- cross-encoders -----------------------------------------------------------------------------------------------


def classifier(folder: Path, labels: int = 1, **settings: Any) -> Path:
    """A BERT with a head, mostly of one label, in transformers' own layout; `settings` go into config.json."""
    tiny_models.plain(folder, dropout=0.0)
    config = BertConfig.from_pretrained(str(folder))
    config.num_labels = labels
    with torch.random.fork_rng():
        torch.manual_seed(2)
        BertForSequenceClassification(config).save_pretrained(str(folder))
    change(folder / "config.json", **settings)
    return folder


def cross_encoder(folder: Path, **settings: Any) -> Path:
    """The same as `CrossEncoder.save_pretrained` writes it; `settings` go into config_sentence_transformers.json."""
    model = CrossEncoder(str(classifier(folder / "plain")), device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    change(folder / "model" / "config_sentence_transformers.json", **settings)
    return folder / "model"


def pooled(folder: Path) -> Path:
    """A cross-encoder whose head is a sentence-transformers module on pooled vectors."""
    transformer = Transformer(str(tiny_models.plain(folder / "plain", dropout=0.0)))
    head = Dense(HIDDEN, 1, activation_function=torch.nn.Identity(), init_weight=_drawn(1, HIDDEN), module_output_name="scores")  # fmt: skip  # noqa: E501
    model = CrossEncoder(modules=[transformer, Pooling(HIDDEN, "mean"), head], device="cpu")
    model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


def flag(folder: Path, limit: int | None = 64) -> Path:
    """As FlagEmbedding writes a reranker: XLM-RoBERTa with one label, in transformers' own layout. It has 64 positions
    for tokens, though its config says 66."""
    words = ["<s>", "<pad>", "</s>", "<unk>", *(f"▁{word}" for word in WORDS), *"abcdefgh▁,.?"]
    tokenizer = Tokenizer(Unigram([(word, -float(i) / 50) for i, word in enumerate(words)], unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", cls_token="<s>", pad_token="<pad>", eos_token="</s>",
        sep_token="</s>", unk_token="<unk>", model_input_names=["input_ids", "attention_mask"],
        **({"model_max_length": limit} if limit else {}),
    ).save_pretrained(str(folder))  # fmt: skip
    config = XLMRobertaConfig(
        vocab_size=len(words), hidden_size=HIDDEN, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        max_position_embeddings=66, initializer_range=0.2, pad_token_id=1, num_labels=1, type_vocab_size=1,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        XLMRobertaForSequenceClassification(config).save_pretrained(str(folder))
    return folder


def reads_padding(folder: Path) -> Path:
    """An XLNet, whose head reads the last place of a row, with a tokenizer that pads on the right."""
    tiny_models.plain(folder)
    config = XLNetConfig(vocab_size=160, d_model=HIDDEN, n_layer=1, n_head=2, d_inner=48, num_labels=1)
    with torch.random.fork_rng():
        torch.manual_seed(4)
        config.initializer_range = 0.2
        XLNetForSequenceClassification(config).save_pretrained(str(folder))
    return folder


def decoder_classifier(folder: Path, side: str = "left", **settings: Any) -> Path:
    """A Llama with a head of one label at the last token, whose tokenizer pads on the left."""
    source = tiny_models.plain_decoder(folder)
    config: Any = LlamaConfig.from_pretrained(str(source))
    config.num_labels = 1
    with torch.random.fork_rng():
        torch.manual_seed(4)
        LlamaForSequenceClassification(config).save_pretrained(str(source))
    change(source / "tokenizer_config.json", padding_side=side)
    change(source / "config.json", **settings)
    return source
