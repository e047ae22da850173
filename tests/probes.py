"""Probes of random texts in the tiny model's words."""

from __future__ import annotations

from tiny_models import sentences

from strop.monitoring.probe import Probe


def probe(queries: int = 12, documents: int = 60) -> Probe:
    """Random texts; document i is relevant to query i, the rest to none."""
    texts = sentences(queries + documents, seed=5)
    document_texts = {f"d{i}": text for i, text in enumerate(texts[queries:])}
    query_texts = {f"q{i}": text for i, text in enumerate(texts[:queries])}
    return Probe(query_texts, document_texts, {q: (f"d{i}",) for i, q in enumerate(query_texts)})
