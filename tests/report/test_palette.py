from __future__ import annotations

import re
from importlib import resources


def test_the_palette_is_readable_on_both_backgrounds() -> None:
    style = resources.files("strop.report").joinpath("page.css").read_text(encoding="utf-8")
    for block in re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)[:2]:
        colour = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        pairs = [("ink", "paper"), ("quiet", "paper"), ("link", "paper"), ("ink", "raised"), ("quiet", "raised")]
        pairs += [(f"{tone}-ink", tone) for tone in ("good", "bad", "open")]
        for front, back in pairs:
            assert contrast(colour[front], colour[back]) >= 4.5, (front, back)


def contrast(a: str, b: str) -> float:
    """WCAG 2.2 contrast ratio."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
