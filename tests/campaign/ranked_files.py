"""Broken TREC runs and judgments, through `strop evaluate`; the oracle is pytrec_eval on what a plain reader reads."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from random import Random

import pytrec_eval

from campaign import breakages
from campaign.command import Ended, Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refused

QUERIES, DEPTH = 5, 6
#: Of ASCII: what trec_eval splits at.
_BLANKS = " \t\n\v\f\r"
_MEASURES = {"nDCG@10": "ndcg_cut_10", "RR@10": "recip_rank", "AP": "map", "R@100": "recall_100"}
Numbers = dict[str, dict[str, float]]


def _attacks(name: str, own: Mapping[str, breakages.Break], strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    def fresh() -> Path:
        folder = work / "ranked"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for each, data in {"run.trec": _run(), "qrels.txt": _qrels(), "qrels.tsv": _beir()}.items():
            (folder / each).write_bytes(data)
        return folder / name

    for title, path, harmless in breakages.attacks(fresh, own, rng):
        yield _case(strop, path, title, harmless)


DOORS: Mapping[str, Attacks] = {
    "run": partial(_attacks, "run.trec", breakages.cells(b" ", 0)),
    "qrels of TREC": partial(_attacks, "qrels.txt", breakages.cells(b" ", 0)),
    "qrels of BEIR": partial(_attacks, "qrels.tsv", breakages.cells(b"\t")),
}


def _run() -> bytes:
    scores = {(q, d): 9.5 - d + q / 8 for q in range(QUERIES) for d in range(DEPTH)}
    return "".join(f"q{q} Q0 d{d} {d + 1} {score} strop\n" for (q, d), score in scores.items()).encode()


def _judged() -> list[tuple[str, str, int]]:
    return [(f"q{q}", f"d{(q + k) % (DEPTH + 1)}", k) for q in range(QUERIES) for k in range(3)]


def _qrels() -> bytes:
    return "".join(f"{q} 0 {d} {grade}\n" for q, d, grade in _judged()).encode()


def _beir() -> bytes:
    return b"query-id\tcorpus-id\tscore\n" + "".join(f"{q}\t{d}\t{grade}\n" for q, d, grade in _judged()).encode()


def _case(strop: Strop, broken: Path, title: str, harmless: bool) -> Case:
    folder, qrels = broken.parent, "qrels.tsv" if broken.name == "qrels.tsv" else "qrels.txt"
    measures = [word for measure in _MEASURES for word in ("--measure", measure)]
    before = files(folder)
    ended = strop(["evaluate", "run.trec", "--qrels", qrels, *measures, "--json"], folder)
    if ended.code:
        return Case(broken.name, title, *refused(ended, (broken.name,), folder, before, harmless))
    return Case(broken.name, title, *_compared(ended, folder / "run.trec", folder / qrels))


def _compared(ended: Ended, run: Path, qrels: Path) -> tuple[Verdict, str]:
    try:
        wanted = _oracle(run, qrels)
    except (ValueError, OSError, EOFError) as error:
        return "silent", f"accepted, but a plain reader says: {error}"
    found: Numbers = json.loads(ended.out)
    for measure, own in _MEASURES.items():
        for query_id in found[measure].keys() | wanted.keys():
            ours, theirs = found[measure].get(query_id), wanted.get(query_id, {}).get(own)
            if ours is None or theirs is None or abs(ours - theirs) > 1e-6:
                return "silent", f"{measure} of {query_id!r} is {ours}, and {theirs} to pytrec_eval"
    return "exact", ""


def _oracle(run: Path, qrels: Path) -> Numbers:
    """Each judged query's values; 0 where the run lacks it, as the field has it."""
    judged, ranked = {}, {}
    for words in _read(qrels, beir=qrels.suffix == ".tsv"):
        query_id, doc_id, grade = (
            (words[0], words[1], words[2]) if qrels.suffix == ".tsv" else (words[0], words[2], words[3])
        )
        judged.setdefault(query_id, {})[doc_id] = int(float(grade))
    for query_id, _, doc_id, _, score, _ in _read(run):
        ranked.setdefault(query_id, {})[doc_id] = float(score)
    values = pytrec_eval.RelevanceEvaluator(judged, set(_MEASURES.values())).evaluate(ranked)
    return {query_id: values.get(query_id, dict.fromkeys(_MEASURES.values(), 0.0)) for query_id in judged}


def _read(path: Path, beir: bool = False) -> list[list[str]]:
    """The columns of a file: with nothing but Python's own, and no care for anything."""
    data = path.read_bytes()
    text = (gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).removeprefix(b"\xef\xbb\xbf").decode()
    lines = [line for line in text.split("\n") if line.strip() and (beir or not line.lstrip(" \t").startswith("#"))]
    if beir:
        return [[cell.strip(_BLANKS) for cell in line.split("\t")] for line in lines[1:]]
    return [line.encode().split() and [word.decode() for word in line.encode().split()] for line in lines]
