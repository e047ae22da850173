"""The thesis' study at full scale on a model of no size: does everything hold together on MS MARCO's own files?

    python tools/synthetic_msmarco.py FOLDER --passages 100000 --queries 2000
    strop study run benchmarks/tiny_full_scale.py --scale full --on FOLDER

The model has the base's tokenizer, one layer of 32 numbers and random weights: it shows the machinery and its cost, and
its measures mean nothing.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel

from strop.models.pretrained import BASE, resolve
from strop.studies.when_finetuning_fails.study import STUDY as THESIS


def tiny() -> Path:
    """A sentence-transformers folder; the same weights every time."""
    folder = Path(tempfile.gettempdir()) / "strop-tiny-full-scale"
    if not (folder / "model").is_dir():
        tokenizer = AutoTokenizer.from_pretrained(resolve(BASE).path)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=48,
        )
        BertModel(config).save_pretrained(folder / "plain")
        tokenizer.save_pretrained(folder / "plain")
        transformer = Transformer(str(folder / "plain"), max_seq_length=256)
        modules = [transformer, Pooling(32, "mean"), Normalize()]
        model = SentenceTransformer(modules=modules, similarity_fn_name="cosine", device="cpu")
        model.save_pretrained(str(folder / "model"), create_model_card=False)
    return folder / "model"


#: 1,500 triples in batches of 32, and two of the four tuned systems: what a synthetic folder has triples for.
FULL = replace(
    THESIS.scale("full"),
    largest_batch=32,
    train_queries=1_500,
    systems=("bm25", "base", "full_random", "lora_hard"),
    depth=200,
    deviations=("random weights, synthetic passages",),
)
STUDY = replace(THESIS, name="tiny_full_scale", base=str(tiny()), scales=(FULL,), random_weights=True)
