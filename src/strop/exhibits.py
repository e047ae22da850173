"""Exhibits: what a study shows beside its rows, as plain values ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from strop.negatives.from_run import RankWindow
from strop.nouns import Collection, Group
from strop.runs import Run
from strop.stages import Vectors

#: A mined negative counts as harder than a random one when it is closer to the query by more than this in cosine.
HARDER = 0.02


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


def negatives(
    mined: Sequence[Group],
    uniform: Sequence[Group],
    window: RankWindow,
    queries: Vectors,
    documents: Vectors,
    active_share: float | None,
) -> dict[str, Any]:
    """How hard the mined negatives are beside uniform ones of the same queries, as the base model sees them.

    The gap is cos(query, positive) - cos(query, negative): the smaller, the harder.
    """
    mined_gap, uniform_gap = (_gap(groups, queries, documents) for groups in (mined, uniform))
    ranks = [int(source.removeprefix("rank ")) for group in mined for source in group.sources]
    edges = range(window.low, window.high + 1, 10)
    closer = uniform_gap - mined_gap
    return {
        "mined window": {
            "count": len(ranks),
            "rank_histogram": [[low, low + 9, sum(low <= r < low + 10 for r in ranks)] for low in edges],
            "pool": len(documents.ids),
            "mean_similarity_gap": mined_gap,
            **({} if active_share is None else {"active_share": active_share}),
            "reading": f"{'harder' if closer > HARDER else 'not harder'} than uniform ones: "
            f"{closer:+.3f} in cosine to the query",
        },
        "uniform": {"count": len(uniform), "pool": len(documents.ids), "mean_similarity_gap": uniform_gap},
    }


def _gap(groups: Sequence[Group], queries: Vectors, documents: Vectors) -> float:
    q = {text_id: i for i, text_id in enumerate(queries.ids)}
    d = {text_id: i for i, text_id in enumerate(documents.ids)}
    gaps = [
        queries.matrix[q[g.query_id]] @ (documents.matrix[d[positive]] - documents.matrix[d[negative]])
        for g in groups
        for positive in g.positives
        for negative in g.negatives
    ]
    return float(np.mean(gaps))
