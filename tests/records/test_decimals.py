"""Many decimals at once are what Python reads each as, to the last bit."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt
import pytest

from strop.records.decimals import decimals


def read(texts: list[str]) -> npt.NDArray[np.float64] | None:
    width = max(map(len, texts))
    rows = b"".join(text.encode().rjust(width, b"\0") for text in texts)
    return decimals(np.frombuffer(rows, dtype=np.uint8).reshape(-1, width), np.array([len(text) for text in texts]))


@pytest.mark.parametrize("digits", [4, 15, 16, 17, 19])
def test_decimals_of_any_length_are_floats_of_python(digits: int) -> None:
    rng = random.Random(digits)
    texts = ["0", "-0", "+.5", "5.", "-12", "0.1", "9007199254740993", "1152921504606846977"][: 6 if digits < 17 else 8]
    for _ in range(20_000):
        whole = str(rng.randrange(10 ** rng.randint(1, digits - 1)))
        point = rng.randint(0, len(whole))
        texts.append(rng.choice(("", "-", "+")) + whole[:point] + "." + whole[point:])
    if digits == 17:
        texts += [str(rng.uniform(1, 30)) for _ in range(20_000)]
    if (values := read([text for text in texts if text.strip("+-") != "."])) is not None:
        assert values.tobytes() == np.array([float(text) for text in texts]).tobytes()
    else:
        assert np.finfo(np.longdouble).nmant < 63
        assert digits > 15


@pytest.mark.parametrize(
    "odd", ["1e5", "1.2.3", "--1", "-", ".", "+", "nan", "1_0", "1-", "12345678901234567890", "1." + "0" * 300]
)
def test_what_is_no_plain_decimal_is_left_to_others(odd: str) -> None:
    assert read(["1.5", odd]) is None
    assert read([odd]) is None
