"""TREC qrels files."""

from collections.abc import Mapping
from pathlib import Path


def write_qrels(path: Path, qrels: Mapping[str, Mapping[str, int]]) -> Path:
    lines = [f"{query} 0 {doc} {grade}\n" for query, judged in qrels.items() for doc, grade in judged.items()]
    path.write_text("".join(lines), encoding="utf-8")
    return path
