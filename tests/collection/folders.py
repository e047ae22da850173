"""Tiny collection folders for the tests of this room."""

from __future__ import annotations

import json
from pathlib import Path

from strop.records.documents import Collection, Document, Query

HEADER = "query-id\tcorpus-id\tscore\n"


def folder(
    root: Path,
    corpus: str | bytes | None = None,
    queries: str | bytes | None = None,
    **qrels: str | bytes,
) -> Path:
    """A valid folder of three documents and two queries, with the files given put in the place of the valid ones."""
    root.mkdir(parents=True, exist_ok=True)
    files: dict[str, str | bytes] = {
        "corpus.jsonl": lines(*({"_id": f"d{i}", "title": f"Title {i}", "text": f"Body {i}"} for i in (1, 2, 3))),
        "queries.jsonl": lines({"_id": "q1", "text": "first"}, {"_id": "q2", "text": "second"}),
        "qrels/test.tsv": HEADER + "q1\td1\t1\nq2\td2\t2\n",
    }
    for name, given in {"corpus.jsonl": corpus, "queries.jsonl": queries}.items():
        if given is not None:
            files[name] = given
    files |= {f"qrels/{split}.tsv": text for split, text in qrels.items()}
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def lines(*values: object) -> str:
    return "".join(json.dumps(value) + "\n" for value in values)


def small(queries: int, documents: int, relevant: int = 1) -> Collection:
    """Query i has the `relevant` documents from i * relevant on; texts grow longer with their number."""
    qrels = {f"q{i}": {f"d{i * relevant + j}": 1 for j in range(relevant)} for i in range(queries)}
    return Collection(
        name="small",
        split="test",
        documents={f"d{i}": Document(f"d{i}", "x" * (i + 1)) for i in range(documents)},
        queries={q: Query(q, f"text of {q}") for q in qrels},
        qrels=qrels,
        fingerprint="",
        reserved=frozenset({"d1", f"d{documents - 1}"}),
    )
