"""The model card: what it tells a reader to load the model with loads it."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentence_transformers
import tiny_models
import yaml
from tiny_rerankers import reranker

from strop.artifacts.store import Artifact
from strop.models.late_interaction import Late
from strop.training.model_card import write_card

RECORD = {
    "base": "a folder",
    "groups": 1,
    "ledger": {"trainable": 1, "total": 2},
    "values": {},
    "libraries": {},
}


@pytest.mark.parametrize("kind", ["SentenceTransformer", "MultiVectorEncoder", "CrossEncoder"])
def test_the_class_on_the_card_loads_the_model_as_what_it_is(kind: str, tmp_path: Path) -> None:
    if kind == "CrossEncoder":
        reranker().save(tmp_path / "model")
    else:
        dense = tiny_models.build(tmp_path / ("dense" if kind == "MultiVectorEncoder" else ""), markers=True)
        if kind == "MultiVectorEncoder":
            Late(query_length=12, document_length=40).convert(dense, tmp_path / "model")
    write_card(Artifact("key", tmp_path, RECORD), tmp_path / "README.md")
    card = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert f"from sentence_transformers import {kind}\n" in card
    model = getattr(sentence_transformers, kind)(str(tmp_path / "model"), local_files_only=True)
    assert type(model).__name__ == kind


def test_a_base_whose_name_is_markup_is_named_as_it_is(tmp_path: Path) -> None:
    base = 'org/x: y\n---\n# "q" <b>'
    tiny_models.build(tmp_path / "model")
    write_card(Artifact("key", tmp_path, {**RECORD, "base": base, "values": {"a": "```\n---\n"}}), tmp_path / "card")
    front, body = (tmp_path / "card").read_text(encoding="utf-8").removeprefix("---\n").split("\n---\n", 1)
    assert yaml.safe_load(front)["base_model"] == base
    assert '\n# org/x: y --- # "q" \\<b\\>, tuned with strop\n' in body
    assert body.count("\n```") == 4
