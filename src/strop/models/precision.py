"""The precision of a forward pass. Weights, and what comes out of it, are float32 either way."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args

from strop.records.errors import InputError, excerpt

if TYPE_CHECKING:
    import torch

#: bfloat16 is by autocast: products of linear layers and of attention, and what lies between two of them. What layers
#: add up, what they normalise, softmax, pooling and the vectors' length stay in float32.
Precision = Literal["float32", "bfloat16"]
#: Why not bfloat16.
LACKING = "nothing here multiplies in bfloat16: no GPU that does, no AVX512-BF16 and no AMX"


def check_precision(precision: str) -> None:
    """Raises InputError for one that is not known."""
    if precision not in get_args(Precision):
        raise InputError(f"precision is {excerpt(precision)}", remedy="Give float32 or bfloat16")


def has_bfloat16() -> bool:
    """Whether the device that models run on multiplies in bfloat16 by itself; emulated, it takes several times as long
    as float32."""
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    cpu: Any = torch.cpu
    return bool(cpu._is_avx512_bf16_supported() or cpu._is_amx_tile_supported())


def check_native(precision: Precision) -> None:
    """Raises InputError for bfloat16 where it would be emulated."""
    if precision == "bfloat16" and not has_bfloat16():
        raise InputError(f"precision is 'bfloat16', and {LACKING}", remedy="Take float32, or another machine")


def native(precision: Precision) -> Precision:
    """The same, or float32 where bfloat16 would be emulated: for what takes it by default, and says what it took."""
    return "float32" if precision == "bfloat16" and not has_bfloat16() else precision


def forward_in(precision: Precision, device: torch.device) -> torch.autocast:
    """The context of a forward pass. Raises InputError as `check_native`."""
    import torch

    check_native(precision)
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def casting_once(device: torch.device) -> torch.autocast:
    """Around many forward passes with the same weights, under `torch.no_grad`: each weight is cast to bfloat16 once and
    kept. In inference mode torch keeps none."""
    import torch

    return torch.autocast(device.type, torch.bfloat16, enabled=False)
