"""The card of a tuned model, with names that a user chose badly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from report import synthetic_tuned

from strop.models.pretrained import Pretrained
from strop.tuning.output import _card

HOSTILE = "org/x: y `|` <b> | \"q\" 'a'\n---\n# z [l](javascript:0)"


def test_a_card_s_front_matter_and_body_hold_the_names_as_they_are() -> None:
    plain = synthetic_tuned.record()
    record = replace(
        plain, base=HOSTILE, collection=HOSTILE, verdict=HOSTILE, reasons=(HOSTILE,),
        gain=tuple(replace(e, collection=HOSTILE) for e in plain.gain),
        tried=tuple(replace(t, name=HOSTILE) for t in plain.tried),
        path=tuple(replace(p, chosen=i == 0) for i, p in enumerate(plain.path)),
    )  # fmt: skip
    base = Pretrained(HOSTILE, Path("base"), "0", "0", "hub")
    _, front, body = _card(record, "SentenceTransformer", base).split("---\n", 2)
    assert yaml.safe_load(front)["base_model"] == HOSTILE
    tokens = MarkdownIt("commonmark").enable("table").parse(body)
    words = ["".join(c.content for c in t.children or ()) for t in tokens if t.type == "inline"]
    line = " ".join(HOSTILE.split())
    assert words[0] == f"{line}, tuned on {line} with strop"
    assert words[1] == f"SHIP: {line}"
    assert words[2] == line
    assert words[4:9] == ["collection", "queries", "base", "tuned", "difference"]
    rows = [words[i : i + 5] for i in range(9, len(words) - 1, 5)]
    assert [row[0] for row in rows[:3]] == [line, f"{line}, known answers", f"{line}, new answers"]
    assert f"({line})" in words[-1]
    assert not [t for t in tokens if t.type in ("html_block", "hr")]
    assert len([t for t in tokens if t.type == "fence"]) == 1
