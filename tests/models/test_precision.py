"""Which precisions a device has: bfloat16 is taken where it is native, and refused where it would be emulated."""

import pytest
import torch

from strop.models.precision import casting_once, check_native, check_precision, forward_in, has_bfloat16, native
from strop.records.errors import InputError

CPU = torch.device("cpu")


@pytest.mark.parametrize("feature", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_either_of_two_features_of_a_processor_is_enough(feature: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not has_bfloat16()
    monkeypatch.setattr(torch.cpu, feature, lambda: True)
    assert has_bfloat16()
    check_native("bfloat16")
    assert native("bfloat16") == "bfloat16"
    with forward_in("bfloat16", CPU):
        assert torch.is_autocast_enabled("cpu")


@pytest.mark.parametrize("refusing", [check_native, lambda precision: forward_in(precision, CPU)])
def test_elsewhere_it_is_refused_by_name_and_by_default_float32_is_taken(refusing) -> None:  # type: ignore[no-untyped-def]
    refusing("float32")
    with pytest.raises(InputError, match=r"precision is 'bfloat16', and nothing here multiplies in .* Take float32"):
        refusing("bfloat16")
    assert native("bfloat16") == native("float32") == "float32"


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(InputError, match="precision is 'float8'"):
        check_precision("float8")


@pytest.mark.usefixtures("bfloat16")
def test_a_weight_is_cast_once_for_many_forward_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    linear, rows, casts = torch.nn.Linear(3, 2), torch.ones(4, 3), []
    for _ in range(2):
        with torch.profiler.profile() as profile, torch.no_grad(), casting_once(CPU):
            for _ in range(5):
                with forward_in("bfloat16", CPU):
                    assert linear(rows).dtype == torch.bfloat16
                assert (rows @ rows.T).dtype == torch.float32
        casts.append(sum(event.name == "aten::_to_copy" for event in profile.events()))
    assert casts == [5 + 2] * 2, "the rows each time, weight and bias once; and nothing is kept for later"
