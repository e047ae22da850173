"""Numbers as text for the page and the terminal: true minus signs, three decimals, thousands separators."""

from __future__ import annotations

import math
from typing import Any

MINUS = "\N{MINUS SIGN}"
DASH = "\N{EN DASH}"
_THIN = "\N{NARROW NO-BREAK SPACE}"


def fixed(value: float | None, decimals: int = 3) -> str:
    """`0.412`; a dash where there is no value; a true minus; never a negative zero."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):,.{decimals}f}"
    return MINUS + text if value < 0 and float(text.replace(",", "")) else text


def signed(value: float | None, decimals: int = 3) -> str:
    """`+0.034`, `−0.034`, and `0.000` without a sign, for a difference."""
    text = fixed(value, decimals)
    return f"+{text}" if text[0].isdigit() and float(text.replace(",", "")) else text


def percent(share: float | None, decimals: int = 1) -> str:
    """A share of one as `64.9 %`."""
    return DASH if share is None else f"{fixed(100 * share, decimals)}{_THIN}%"


def signed_percent(share: float | None, decimals: int = 1) -> str:
    """A relative change as `−4.1 %`."""
    return DASH if share is None else f"{signed(100 * share, decimals)}{_THIN}%"


def interval(low: float | None, high: float | None, signs: bool = False) -> str:
    """`[0.381, 0.443]`; both ends signed where it is the interval of a difference."""
    if low is None or high is None:
        return DASH
    show = signed if signs else fixed
    return f"[{show(low)}, {show(high)}]"


def count(value: float | None) -> str:
    """`147,456`."""
    return DASH if value is None else fixed(value, 0)


def p_value(p: float | None) -> str:
    """Three decimals, and `<0.001` below that: a p of zero does not exist."""
    if p is None:
        return DASH
    return "<0.001" if p < 0.001 else fixed(p)


def duration(seconds: float | None) -> str:
    """`48.2 s`, `7 min 05 s`, `2 h 10 min`."""
    if seconds is None:
        return DASH
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def scientific(value: float | None) -> str:
    """As `plain`, but below 0.001 and from a million on `2 × 10⁻⁵`, with up to three digits."""
    if value is None or value == 0 or 1e-3 <= abs(value) < 1e6:
        return plain(value)
    mantissa, exponent = f"{value:.2e}".split("e")
    digits = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa.rstrip('0').rstrip('.')}{_THIN}×{_THIN}10{digits}"


def plain(value: Any) -> str:
    """Any plain value of a record or an exhibit as text; mappings and lists on one line."""
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    if isinstance(value, float):
        if not math.isfinite(value) or value == 0:
            return fixed(value, 0)
        if not 1e-3 <= abs(value) < 1e6:
            return scientific(value)
        return f"{value:,.4g}".replace("-", MINUS) if abs(value) < 1000 else count(value)
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(v) for v in value) if value else DASH
    if isinstance(value, dict):
        kind = value.get("type")
        inside = [(k, plain(v)) for k, v in value.items() if k != "type"]
        if kind:
            return f"{kind}({', '.join(f'{k}={v}' for k, v in inside)})"
        return ", ".join(f"{k}: {v}" for k, v in inside) or DASH
    return str(value)
