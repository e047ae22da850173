"""Broken model folders, through `strop search` and `strop rerank`; the oracle is sentence-transformers' own encode."""

from __future__ import annotations

import json
import logging
import shutil
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import scored_layouts
import sentence_transformers
import tiny_models
import torch
from peft import LoraConfig, get_peft_model
from small_collection import small_collection
from transformers import BertModel

from campaign import breakages
from campaign.command import Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refused
from strop.models.late_interaction import Late

#: Scores of the library's batch and of strop's differ by float32's order of sums.
_TOLERANCE = 2e-4


@dataclass(frozen=True)
class _Kind:
    """A kind of model: how a folder of it is made from the tiny dense one, the command that reads it, and the library's
    scores of queries against documents with it."""

    make: Callable[[Path, Path], object]
    command: Sequence[str]
    scores: Callable[[Path, list[str], list[str]], Any]


def _adapter(dense: Path, folder: Path) -> None:
    settings = LoraConfig(r=2, lora_alpha=4, target_modules=["query", "value"])
    model: Any = get_peft_model(BertModel.from_pretrained(dense), settings)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name, p in model.named_parameters():
            if "lora_" in name:
                p.copy_(0.3 * torch.randn(p.shape, generator=generator))
    model.save_pretrained(str(folder), save_embedding_layers=False)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "../base"}), encoding="utf-8")


def _by_vectors(loader: str, folder: Path, queries: list[str], documents: list[str]) -> Any:
    model = getattr(sentence_transformers, loader)(str(folder), device="cpu", local_files_only=True).float()
    return model.similarity(model.encode_query(queries), model.encode_document(documents)).cpu()


def _adapted(folder: Path, queries: list[str], documents: list[str]) -> Any:
    """The base, given and adapted by peft."""
    from peft import PeftModel

    base = folder.parent / "base"
    model = sentence_transformers.SentenceTransformer(str(base), device="cpu", local_files_only=True).float()
    model[0].model = PeftModel.from_pretrained(model[0].model, str(folder)).merge_and_unload()
    return model.similarity(model.encode_query(queries), model.encode_document(documents))


def _by_pairs(folder: Path, queries: list[str], documents: list[str]) -> Any:
    model = sentence_transformers.CrossEncoder(str(folder), device="cpu", local_files_only=True)
    pairs = [(query, document) for query in queries for document in documents]
    scores = model.predict(pairs, activation_fn=torch.nn.Identity())
    return torch.as_tensor(scores).reshape(len(queries), len(documents))


_SEARCH = ("search", "small", "out.trec", "--model", "model")
_KINDS: Mapping[str, _Kind] = {
    "dense model": _Kind(shutil.copytree, _SEARCH, partial(_by_vectors, "SentenceTransformer")),
    "late interaction": _Kind(
        lambda dense, folder: Late(query_length=12, document_length=40, markers=None).convert(dense, folder),
        _SEARCH,
        partial(_by_vectors, "MultiVectorEncoder"),
    ),
    "cross-encoder": _Kind(
        lambda dense, folder: shutil.move(scored_layouts.cross_encoder(folder.parent / "made"), folder),
        ("rerank", "run.trec", "out.trec", "--on", "small", "--model", "model"),
        _by_pairs,
    ),
    "adapter": _Kind(_adapter, _SEARCH, _adapted),
}
#: What a model does not need to be used, and what only tells of it.
_NOT_READ = ("README.md", ".gitattributes")


def _attacks(name: str, strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    kind = _KINDS[name]
    whole = _whole(work, kind)

    def fresh(file: str) -> Path:
        shutil.rmtree(work / "case", ignore_errors=True)
        shutil.copytree(whole, work / "case")
        return work / "case" / "model" / file

    settings = breakages.json_file()
    every = sorted(
        path.relative_to(whole / "model").as_posix() for path in (whole / "model").rglob("*") if path.is_file()
    )
    read = [file for file in every if Path(file).name not in _NOT_READ]
    each = [
        breakages.attacks(
            partial(fresh, file),
            _WEIGHTS if file.endswith(".safetensors") else settings if file.endswith(".json") else {},
            rng,
            harmless=("as it is",) if file.endswith((".safetensors", ".txt")) else ("as it is", "CRLF", "blank lines"),
            text=not file.endswith(".safetensors"),
        )
        for file in read
    ]
    for title, path, harmless in breakages.in_turn(each):
        file = path.relative_to(work / "case" / "model").as_posix()
        yield _case(strop, work / "case", kind, name, f"{file}, {title}", harmless)


DOORS: Mapping[str, Attacks] = {name: partial(_attacks, name) for name in _KINDS}


def _whole(work: Path, kind: _Kind) -> Path:
    """A folder with a collection, the base, a run over it and a model that nothing is wrong with."""
    whole = work / "whole"
    if not whole.exists():
        whole.mkdir()
        small_collection(whole / "small")
        prompts = {"query": "ban ", "document": ""}
        shutil.move(tiny_models.build(work / "made", prompts=prompts, markers=True), whole / "base")
        kind.make(whole / "base", whole / "model")
        lines = [f"q{24 + q} Q0 d{d} {d + 1} {60 - d} bm25\n" for q in range(8) for d in range(60)]
        (whole / "run.trec").write_text("".join(lines), encoding="utf-8")
    return whole


def _case(strop: Strop, folder: Path, kind: _Kind, door: str, title: str, harmless: bool) -> Case:
    before = files(folder)
    ended = strop([*kind.command], folder)
    if ended.code:
        return Case(door, title, *refused(ended, ("model/", "model:", "/model"), folder, before, harmless))
    return Case(door, title, *_compared(folder, kind))


def _compared(folder: Path, kind: _Kind) -> tuple[Verdict, str]:
    texts = [
        [json.loads(line) for line in (folder / "small" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("queries", "corpus")
    ]
    queries, documents = ({each["_id"]: each["text"] for each in rows} for rows in texts)
    run: dict[str, dict[str, float]] = {}
    for line in (folder / "out.trec").read_text(encoding="utf-8").splitlines():
        query_id, _, doc_id, _, score, _ = line.split(" ")
        run.setdefault(query_id, {})[doc_id] = float(score)
    logging.disable()
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            wanted = kind.scores(folder / "model", [queries[q] for q in run], [*documents.values()])
    except Exception as error:  # whatever a library raises on what is broken
        return "silent", f"accepted, and the library says: {error!r:.200}"
    finally:
        logging.disable(logging.NOTSET)
    for row, (query_id, scores) in zip(wanted.tolist(), run.items(), strict=True):
        for theirs, doc_id in zip(row, documents, strict=True):
            ours = scores.get(doc_id)
            if ours is None or not abs(ours - theirs) <= _TOLERANCE * max(1, abs(theirs)):
                return "silent", f"scores {doc_id} of {query_id} {ours}, and the library {theirs}"
    return "exact", ""


def _header(change: Callable[[dict[str, Any], Random], object]) -> breakages.Break:
    def changed(data: bytes, rng: Random) -> bytes:
        (length,) = struct.unpack("<Q", data[:8])
        header = json.loads(data[8 : 8 + length])
        change(header, rng)
        text = json.dumps(header).encode()
        return struct.pack("<Q", len(text)) + text + data[8 + length :]

    return changed


def _tensor(header: dict[str, Any], rng: Random) -> str:
    return rng.choice([name for name in header if name != "__metadata__"])


def _body(what: bytes) -> breakages.Break:
    def changed(data: bytes, rng: Random) -> bytes:
        start = 8 + struct.unpack("<Q", data[:8])[0]
        place = rng.randrange(start, len(data) - len(what), 4)
        return data[:place] + what + data[place + len(what) :]

    return changed


#: Of a safetensors file: its header's length, its header, its numbers.
_WEIGHTS: Mapping[str, breakages.Break] = {
    "cut": lambda data, rng: data[: rng.randrange(1, len(data))],
    "cut in the header": lambda data, rng: data[: rng.randrange(1, 300)],
    "empty": lambda data, rng: b"",
    "more": lambda data, rng: data + b"more",
    "git-lfs pointer": lambda data, rng: b"version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 12\n",
    "gzip": breakages.HARMLESS["gzip"],
    "header of 2^63 bytes": lambda data, rng: struct.pack("<Q", 1 << 63) + data[8:],
    "bit flipped in the header": lambda data, rng: breakages.ANY["bit flipped"](data[:600], rng) + data[600:],
    "bit flipped": breakages.ANY["bit flipped"],
    "a tensor gone": _header(lambda header, rng: header.pop(_tensor(header, rng))),
    "a tensor renamed": _header(lambda header, rng: header.update(renamed=header.pop(_tensor(header, rng)))),
    "another type": _header(lambda header, rng: header[_tensor(header, rng)].update(dtype="I32")),
    "no such type": _header(lambda header, rng: header[_tensor(header, rng)].update(dtype="F31")),
    "another shape": _header(lambda header, rng: header[_tensor(header, rng)]["shape"].append(1)),
    "shape turned": _header(lambda header, rng: header[_tensor(header, rng)]["shape"].reverse()),
    "offsets swapped": _header(lambda header, rng: header[_tensor(header, rng)]["data_offsets"].reverse()),
    "NaN": _body(struct.pack("<f", float("nan"))),
    "infinite": _body(struct.pack("<f", float("inf"))),
    "huge": _body(struct.pack("<f", 3e38)),
    "zeros": lambda data, rng: data[:-4000] + bytes(4000),
}
