"""Broken training files in every layout, through `strop train`; the oracle is Python's json and csv."""

from __future__ import annotations

import csv
import gzip
import io
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

from campaign import breakages
from campaign.command import Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refused

#: Query, positive, negatives, and scores by text.
Example = tuple[str, str, list[str], dict[str, float]]

_READ = "read.json"
_TEXTS = [(f"ask {i}", f"answers {i}, and é", [f"never {i}", f"nor {i}"]) for i in range(4)]


def show_examples() -> None:
    """In the command's process: what was read of the file is written down, and nothing is trained."""
    from strop.negatives import examples

    reads = examples.read_examples

    def shown(path: Path) -> None:
        read = reads(path)
        found = [
            (
                read.queries[group.query_id],
                read.documents[group.positives[0]],
                [read.documents[d] for d in group.negatives],
                {read.documents[d]: score for d, score in group.teacher.items()},
            )
            for group in read.groups
        ]
        Path(_READ).write_text(json.dumps(found), encoding="utf-8")
        sys.exit(0)

    examples.read_examples = shown  # type: ignore[assignment]


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _table(delimiter: str) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["query", "positive", "negative_1", "negative_2"])
    writer.writerows([query, positive, *negatives] for query, positive, negatives in _TEXTS)
    return text.getvalue()


_OWN = [
    {"query": q, "positive": p, "negatives": n, "query_id": f"q{i}", "positive_id": f"d{i}",
     "negative_ids": [f"a{i}", f"b{i}"], "sources": ["x", "y"], "relevant_ids": [f"d{i}"], "scores": [2.5, 1, -0.5]}
    for i, (q, p, n) in enumerate(_TEXTS)
]  # fmt: skip
_TRIPLETS = [{"anchor": q, "positive": p, "negative": n[0]} for q, p, n in _TEXTS]
_FLAG = [{"query": q, "pos": [p], "neg": n, "pos_scores": [0.9], "neg_scores": [0.1, 0.2]} for q, p, n in _TEXTS]
_TEVATRON = [
    {
        "query_id": f"q{i}",
        "query": q,
        "positive_passages": [{"docid": f"p{i}", "title": "", "text": p}],
        "negative_passages": [{"docid": f"n{i}{k}", "title": "t", "text": text} for k, text in enumerate(n)],
    }
    for i, (q, p, n) in enumerate(_TEXTS)
]
_FILES: Mapping[str, tuple[str, str, Mapping[str, breakages.Break]]] = {
    "strop's own": ("own.jsonl", _json(_OWN), breakages.json_lines()),
    "triplets": ("triplets.jsonl", _json(_TRIPLETS), breakages.json_lines()),
    "FlagEmbedding": ("flag.jsonl", _json(_FLAG), breakages.json_lines()),
    "Tevatron": ("tevatron.jsonl", _json(_TEVATRON), breakages.json_lines()),
    "JSON array": ("array.json", json.dumps(_OWN, indent=1, ensure_ascii=False) + "\n", breakages.json_file()),
    "CSV": ("rows.csv", _table(","), breakages.cells(b",")),
    "TSV": ("rows.tsv", _table("\t"), breakages.cells(b"\t")),
    "semicolons": ("semicolons.csv", _table(";"), breakages.cells(b";")),
}


def _attacks(layout: str, strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    name, text, own = _FILES[layout]

    def fresh() -> Path:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        (work / name).write_text(text, encoding="utf-8")
        return work / name

    for title, path, harmless in breakages.attacks(fresh, own, rng):
        before = files(work)
        ended = strop(["train", name, "out"], work, before="campaign.training_files:show_examples")
        if ended.code:
            yield Case(layout, title, *refused(ended, (name,), work, before, harmless))
        else:
            yield Case(layout, title, *_compared(path))


DOORS: Mapping[str, Attacks] = {layout: partial(_attacks, layout) for layout in _FILES}


def _compared(path: Path) -> tuple[Verdict, str]:
    found = [tuple(each) for each in json.loads((path.parent / _READ).read_text(encoding="utf-8"))]
    try:
        wanted = [example for row in _rows(path) for example in _examples(row)]
    except (ValueError, KeyError, TypeError, csv.Error, OSError, EOFError) as error:
        return "silent", f"accepted, but a plain reader says: {error!r}"[:300]
    if found != wanted:
        ours, theirs = next((a, b) for a, b in zip([*found, None], [*wanted, None], strict=False) if a != b)
        return "silent", f"read as {ours!r:.200} and by a plain reader as {theirs!r:.200}"
    return "exact", ""


def _rows(path: Path) -> list[dict[str, Any]]:
    data = path.read_bytes()
    data = gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data
    text = data.removeprefix(b"\xef\xbb\xbf").decode()
    if text.lstrip().startswith("["):
        return list(json.loads(text, object_pairs_hook=_once))
    if text.lstrip().startswith("{"):
        return [json.loads(line, object_pairs_hook=_once) for line in text.split("\n") if line.strip()]
    lines = text.lstrip("\n\r").split("\n")
    delimiter = next(each for each in "\t,;" if each in lines[0])
    limit = csv.field_size_limit(2**31 - 1)
    try:
        found = csv.reader(io.StringIO(text.lstrip("\n\r"), newline=""), delimiter=delimiter, strict=True)
        names = next(found)
        rows = [row for row in found if len(row) > 1 or "".join(row).strip()]
    finally:
        csv.field_size_limit(limit)
    if any(len(row) != len(names) for row in rows) or len(set(names)) < len(names):
        raise ValueError("rows and header differ")
    return [{name: cell or None for name, cell in zip(names, row, strict=True)} for row in rows]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key stands there twice")
    return dict(pairs)


def _examples(row: Mapping[str, Any]) -> list[Example]:
    """An example for each positive of a row of any of the layouts, with all of its negatives."""
    row = {name: value for name, value in row.items() if value is not None}
    query = next(row[name] for name in ("query", "anchor") if name in row)
    if "positive_passages" in row:
        positives, negatives = (
            [f"{each.get('title') or ''} {each['text']}".strip() for each in row.get(name, [])]
            for name in ("positive_passages", "negative_passages")
        )
        given = [each.get("score") for each in (*row["positive_passages"], *row.get("negative_passages", []))]
    else:
        positives = _listed(row["positive" if "positive" in row else "pos"])
        names = ("negative", "negative_1", "negative_2")
        numbered = [text for name in names if name in row for text in _listed(row[name])]
        negatives = numbered or _listed(row.get("negatives", row.get("neg", [])))
        given = row.get("scores") or [
            score for name in ("pos_scores", "neg_scores") for score in _listed(row.get(name, []))
        ]
    if not all(isinstance(text, str) for text in (query, *positives, *negatives)):
        raise TypeError("not a text")
    if not all(text.strip() for text in (query, *positives)):
        raise ValueError("an empty text")
    scores = dict(zip([*positives, *negatives], given, strict=True)) if given else {}
    known = {text: float(score) for text, score in scores.items() if score is not None}
    return [
        (query, positive, negatives, {text: known[text] for text in (positive, *negatives) if text in known})
        for positive in positives
    ]


def _listed(value: Any) -> list[Any]:
    """One value is as good as a list of one."""
    return [value] if isinstance(value, str | int | float) else list(value)
