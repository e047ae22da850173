"""Packed rows: a transformer's layers over texts laid one after another, so that nothing is computed for padding.

Embeddings, layers and heads stay transformers' own. Around the stack of layers, padded rows are packed into one row,
and in it each text attends to itself alone, through transformers' attention interface.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from strop.models.dropped_attention import dropping

if TYPE_CHECKING:
    from sentence_transformers.base.modules import Transformer

#: Families whose layers see a token's place in its embedding alone, and let a text attend to all of itself.
FAMILIES = frozenset({"bert", "camembert", "electra", "roberta", "xlm-roberta"})
#: By how much packing may move an output, as a share of it, or of 1 where that is more.
TOLERANCE = 1e-5
#: What the attention is called in a transformer's config while rows are packed.
_NAME = "strop_packed"
_UNPACKED = "sdpa"


class _Group(NamedTuple):
    """Neighbours in a packed row that are equally long: `texts` of `length` tokens."""

    texts: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Packing:
    """How one transformer's padded batches are packed: a context for its forward pass, empty where they are not.

    Packed are families that are known (`FAMILIES`), on a processor, where the outputs are transformers' own to 1e-5 on
    texts that it makes up.
    """

    stack: nn.Module | None

    @classmethod
    def of(cls, transformer: Transformer) -> Packing:
        packing = cls(_stack(transformer))
        return packing if packing.stack is None or _agrees(transformer.model, packing) else cls(None)

    @contextmanager
    def __call__(self, mask: Tensor) -> Iterator[None]:
        """`mask`, `(N, L)`, is 1 for a text's tokens, in front, and 0 for the padding after them."""
        stack: Any = self.stack
        if stack is None or mask.device.type != "cpu" or stack.config._attn_implementation != _UNPACKED:
            yield
            return
        _register()
        places = mask.flatten().nonzero().squeeze(1)
        lengths = mask.sum(dim=1).tolist()
        groups = [_Group(len(list(same)), int(length)) for length, same in groupby(lengths)]

        def pack(_: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            packed = args[0].flatten(0, 1).index_select(0, places)
            return (packed[None], *args[1:]), kwargs | {"attention_mask": None, "strop_groups": groups}

        def unpack(_: nn.Module, args: tuple[Tensor, ...], output: Any) -> Any:
            packed = output.last_hidden_state[0]
            padded = packed.new_zeros(mask.numel(), packed.shape[1]).index_copy(0, places, packed)
            output.last_hidden_state = padded.view(*mask.shape, -1)
            return output

        hooks = [stack.register_forward_pre_hook(pack, with_kwargs=True), stack.register_forward_hook(unpack)]
        stack.config._attn_implementation = _NAME
        try:
            yield
        finally:
            stack.config._attn_implementation = _UNPACKED
            for hook in hooks:
                hook.remove()


def _stack(transformer: Transformer) -> nn.Module | None:
    """The module of all layers, where rows can be packed around it and no other output than its last is asked for."""
    model: Any = transformer.model
    output: Any = transformer.modality_config["text"]["method_output_name"]
    earlier = model.config.output_hidden_states or "hidden_states" in ([output] if isinstance(output, str) else output)
    plain = model.config.model_type in FAMILIES and not (model.config.is_decoder or earlier)
    return model.base_model.encoder if plain else None


def _agrees(model: Any, packing: Packing) -> bool:
    """Whether outputs are the same on three rows of random tokens, one of them padded."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    with torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        ids = torch.randint(model.config.vocab_size, (3, 8), device=model.device)
        mask = torch.ones_like(ids)
        mask[1, 5:] = 0
        own = model(input_ids=ids, attention_mask=mask)[0]
        with packing(mask):
            packed = model(input_ids=ids, attention_mask=mask)[0]
    for module, mode in modes:
        module.training = mode
    if own.ndim == 3:  # vectors of tokens, and no logits
        own, packed = own[mask.bool()], packed[mask.bool()]
    return bool(((own - packed).abs() <= TOLERANCE * own.abs().clamp(min=1)).all())


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface

    AttentionInterface.register(_NAME, _attention)
    AttentionMaskInterface.register(_NAME, lambda *_, **__: None)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: None,
    *,
    strop_groups: Sequence[_Group],
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, None]:
    """Heads `(1, H, T, d)` of a packed row -> what each token gathers of its own text, `(1, T, H, d)`."""
    query, key, value = (x[0].transpose(0, 1) for x in (query, key, value))
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if dropout:
        return dropping(query * scale, key, value, strop_groups, dropout)[None], None
    sizes = [group.texts * group.length for group in strop_groups]
    gathered = []
    for group, *parts in zip(strop_groups, *(torch.split(x, sizes) for x in (query, key, value)), strict=True):
        q, k, v = (part.unflatten(0, group).transpose(1, 2) for part in parts)
        own = scaled_dot_product_attention(q, k, v, scale=scale)
        gathered.append(own.transpose(1, 2).flatten(0, 1))
    return torch.cat(gathered)[None], None
