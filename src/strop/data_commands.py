"""The commands about data as Python calls: audit a collection, write it elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from strop.collection import beir_export, docstrings, door, misses_audit
from strop.collection.audit import audit
from strop.commands import cache
from strop.models.loading import load
from strop.models.pretrained import BASE, resolve


def inspect(collection: str, model: str = BASE) -> dict[str, Any]:
    """The audit of every split of a collection, lengths as `model`'s tokenizer counts them."""
    splits = [door.load(collection, split, cache()) for split in door.splits(collection)]
    encoder = load(resolve(model).path)
    found = audit(splits, encoder.token_counts, encoder.max_length)
    if collection == docstrings.NAME:
        found["readings"].append(misses_audit.reading())
    return {**found, "seen by the base": _exposure(model)}


def export_data(collection: str, out: str | Path) -> Path:
    """Write a collection as a BEIR folder; `out` must be empty or absent."""
    beir_export.write_beir([door.load(collection, split, cache()) for split in door.splits(collection)], out)
    return Path(out)


def _exposure(model: str) -> str:
    """What the base has seen, from its card; unknown models are said to be unknown."""
    if model.split("@")[0].removeprefix("sentence-transformers/") == BASE.removeprefix("sentence-transformers/"):
        return "MS MARCO, Natural Questions, S2ORC, code search and 1 billion pairs in all (its model card)"
    return "not known here: read the model's card"
