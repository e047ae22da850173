"""Many decimals read at once, each to the double that `float` makes of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_WIDEST = 19  # characters whose digits an integer of 64 bits holds
_TENS = 10 ** np.arange(_WIDEST + 1, dtype=np.uint64)
_IN_DOUBLE = 2**53  # up to here every integer is a double, and up to the next a long double
_IN_LONG_DOUBLE = min(2 ** (np.finfo(np.longdouble).nmant + 1), 2**64 - 1)


def decimals(written: npt.NDArray[np.uint8], lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.float64] | None:
    """The numbers (n,) whose `lengths` last characters of a row of `written` (n, width) are theirs.

    Each is digits, one point at most among them and a sign at most before them; None where any is not, or has too many.
    """
    width = written.shape[1]
    first = written[np.arange(len(written)), width - lengths]
    minus = first == ord("-")
    unsigned = lengths - (minus | (first == ord("+")))
    if unsigned.max() > _WIDEST:
        return None
    before = np.arange(width, dtype=np.int32) < (width - unsigned).astype(np.int32)[:, None]
    point = (written == ord(".")) & ~before
    digits = written - np.uint8(ord("0"))
    digits[before | point] = 0
    behind = point.view(np.uint8) @ np.arange(width, 0, -1, dtype=np.uint8)  # characters from the point on
    pointed = behind > 0
    if digits.max() > 9 or np.count_nonzero(point) > np.count_nonzero(pointed) or (unsigned <= pointed).any():
        return None
    places = np.maximum(behind, 1) - 1
    whole = digits.astype(np.uint64) @ _TENS[:width][::-1]  # with a 0 for the point
    mantissas = whole // _TENS[behind] * _TENS[places] + whole % _TENS[places]
    if (most := int(mantissas.max())) > _IN_LONG_DOUBLE:
        return None
    kind = np.float64 if most <= _IN_DOUBLE else np.longdouble
    quotients = mantissas.astype(kind) / _TENS[places].astype(kind)  # of two exact numbers: rounded once
    values: npt.NDArray[np.float64] = quotients.astype(np.float64)
    if kind is np.longdouble:  # rounded twice, which matters only half-way between two doubles
        moved, step = np.abs(quotients - values), np.spacing(values)
        for i in np.flatnonzero((2 * moved == step) | (4 * moved == step)).tolist():
            values[i] = float(written[i, width - unsigned[i] :].tobytes())
    values[minus] *= -1
    return values
