"""Cross-encoders of a real architecture and random weights: for machinery and cost. They never get a quality number."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch

from strop.models.cross_encoder import Reranker, note_untrained

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Kind = Literal["bert", "gte", "modernbert"]
Size = Literal["tiny", "base"]

#: Layers, width, heads, inner width and rows of the vocabulary, from the public configs of MiniLM-L12-H384-uncased,
#: gte-multilingual-base and ModernBERT-base: 33, 306 and 150 million parameters with a head of one logit.
_BASE: dict[Kind, tuple[int, int, int, int, int]] = {
    "bert": (12, 384, 12, 1536, 30_522),
    "gte": (12, 768, 12, 3072, 250_048),
    "modernbert": (22, 768, 12, 1152, 50_368),
}
_TINY = (2, 64, 2, 128, 0)
#: Tokens of a pair at most.
POSITIONS: dict[Kind, int] = {"bert": 512, "gte": 8192, "modernbert": 8192}


def shape(kind: Kind, size: Size = "base") -> tuple[int, int, int, int, int]:
    """Layers, width, heads, inner width, rows of the vocabulary: 0 where they are the tokenizer's alone."""
    return _BASE[kind] if size == "base" else _TINY


@dataclass(frozen=True, slots=True)
class RandomWeights:
    """A cross-encoder of this kind with every weight random from `seed`, as `Reranker.untrained` says, on the source
    model's tokenizer.

    `base` has the real model's layers, widths, positions and vocabulary (more rows if the tokenizer has more tokens);
    `tiny` two layers 64 wide, the tokenizer's own vocabulary and as many positions.
    """

    kind: Kind
    size: Size = "tiny"
    seed: int = 0

    def convert(self, source: Path, target: Path) -> None:
        # Only BERT has token types. As an argument it is saved with the tokenizer; set later it would not be.
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        inputs = ["input_ids", *(["token_type_ids"] if self.kind == "bert" else []), "attention_mask"]
        settings: Any = {"model_max_length": POSITIONS[self.kind], "model_input_names": inputs}
        tokenizer: Any = AutoTokenizer.from_pretrained(str(source), local_files_only=True, **settings)
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model: Any = AutoModelForSequenceClassification.from_config(self.config(tokenizer))  # type: ignore[no-untyped-call]
        note_untrained(model.config, [name for name, part in model.named_children() if list(part.parameters())])
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            Reranker.load(folder).save(target)

    def config(self, tokenizer: Any) -> PretrainedConfig:
        """Of one logit, special tokens as the tokenizer has them."""
        from transformers import BertConfig, GteConfig, ModernBertConfig

        kinds: dict[Kind, Any] = {"bert": BertConfig, "gte": GteConfig, "modernbert": ModernBertConfig}
        layers, width, heads, inner, rows = shape(self.kind, self.size)
        start, end = tokenizer.cls_token_id, tokenizer.sep_token_id
        marks = {"bos_token_id": start, "cls_token_id": start, "eos_token_id": end, "sep_token_id": end}
        config: PretrainedConfig = kinds[self.kind](
            num_labels=1,
            num_hidden_layers=layers,
            hidden_size=width,
            num_attention_heads=heads,
            intermediate_size=inner,
            vocab_size=max(rows, len(tokenizer)),
            max_position_embeddings=POSITIONS[self.kind],
            pad_token_id=tokenizer.pad_token_id,
            **(marks if self.kind == "modernbert" else {}),
        )
        return config
