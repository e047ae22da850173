"""Exhibits: what a study shows beside its rows, as plain values ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strop.nouns import Collection
from strop.runs import Run


def first_relevant_ranks(collection: Collection, runs: Mapping[str, Run]) -> dict[str, Any]:
    """Per query its text, and per system the rank of its first relevant document (None: not retrieved)."""
    ranks: dict[str, Any] = {}
    for query_id, query in collection.queries.items():
        relevant = {d for d, grade in collection.qrels[query_id].items() if grade > 0}
        ranks[query_id] = {
            "text": query.text,
            "systems": {
                system: next((r for r, d in enumerate(run[query_id].doc_ids, 1) if d in relevant), None)
                if query_id in run
                else None
                for system, run in runs.items()
            },
        }
    return ranks


def parameters(systems: Mapping[str, Mapping[str, Any]], printed: Mapping[str, int]) -> list[dict[str, Any]]:
    """The ledger of each tuned system, beside what its paper printed for it."""
    rows = []
    for system, ledger in systems.items():
        note = ""
        if system in printed:
            note = (
                "r × (in + out) per matrix: 16 × (384 + 384) = 12,288, in 2 matrices of 6 layers. The paper multiplies "
                "12,288 by 12 heads and 6 layers, but a projection is one matrix for all heads: 6 times too many."
            )
        elif "pooler" in ledger["by_part"]:
            note = "The pooler counts as trainable, but mean pooling never gives it a gradient."
        share = ledger["trainable"] / ledger["total"]
        rows.append({"system": system, **ledger, "share": share, "published": printed.get(system), "note": note})
    return rows
