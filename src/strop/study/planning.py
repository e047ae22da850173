"""Planning: what a study at a scale would cost here, and the smallest effect it could see, before it is run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch

from strop.evaluation.significance import USUAL_SD, minimum_detectable_difference
from strop.models.adapters import LoRA
from strop.models.dense import Dense
from strop.models.encoder import represent_rows
from strop.models.scoring import Representation
from strop.models.tokens import cut
from strop.retrieval import encode
from strop.study.schedule import Cell, cells
from strop.study.systems import (
    Cleaned,
    Mined,
    Negatives,
    Provided,
    Rates,
    Reranked,
    SelfMined,
    Start,
    Taught,
    Tuned,
    Union,
)
from strop.study.workbench import Workbench
from strop.training import step as chunks

#: Texts to measure lengths and rates on.
SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Work:
    """One thing to do: how many texts and tokens, and about how many seconds at the rates measured here."""

    what: str
    texts: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Plan:
    """Rates in tokens a second, measured just now; `detectable` is the difference in the primary measure that this
    many queries resolve with power 0.8."""

    work: tuple[Work, ...]
    encoded_per_second: float
    trained_per_second: float
    queries: int
    detectable: float

    @property
    def seconds(self) -> float:
        return sum(w.seconds for w in self.work)


def plan(bench: Workbench, presets: Sequence[str] = ()) -> Plan:
    """The whole study from scratch; what is in the artifact store already will cost nothing."""
    planned = cells(bench.study, bench.scale, presets)
    material, scale = bench.material, bench.scale
    encoder = Dense.load(material.base.path)
    documents, queries = list(islice(material.train_documents.values(), SAMPLE)), material.train_queries
    query, document = (
        float(np.mean(np.minimum(encoder.token_counts(texts), encoder.max_length)))
        for texts in (list(islice(queries.values(), SAMPLE)), documents)
    )
    encoded = _encoding_rate(encoder, documents)
    trained = {lora: _training_rate(encoder.max_length, material.base.path, documents, lora) for lora in (False, True)}

    def encoding(what: str, asked: int, found: int) -> Work:
        tokens = asked * query + found * document
        return Work(what, asked + found, int(tokens), tokens / encoded)

    hows = [cell.preset.system(cell.system).how for cell in planned]
    work = [encoding("encode for mining", len(queries), len(material.train_documents))]
    reads = [cell for cell in planned if _reads_pairs(cell) and not _is_random(bench, cell)]
    dense = [how for how in hows if isinstance(how, Tuned) and not how.reranks]
    models = 1 + len(dense) + len({how for how in hows if isinstance(how, Start)})
    panels = [(len(c.queries), len(c.documents)) for c in bench.panels.values()]
    tested = tuple(map(sum, zip(*panels, strict=True)))
    work.append(encoding(f"encode for the test, {models} models", models * tested[0], models * tested[1]))
    pairs = len(queries) * len(material.train_documents) + models * sum(asked * found for asked, found in panels)
    seconds = 2 * encoder.dimension * pairs / _product_rate(encoder.dimension)
    work.append(Work(f"search exactly, {models + 1} times", len(queries) + models * tested[0], 0, seconds))
    if reads:
        deep = {True: scale.rerank_depth, False: min(scale.depth, scale.rerank_depth)}
        pairs = len(reads) * sum(len(c.queries) * deep[bench.is_given(c)] for c in bench.panels.values())
        tokens = pairs * (query + document)
        seconds = tokens / _encoding_rate(encoder, documents, bfloat16=True)
        work.append(Work(f"rerank, {len(reads)} times", pairs, int(tokens), seconds))
    if scale.thorough:
        work.append(encoding("encode the whole corpus", len(material.whole.queries), len(material.whole.documents)))
    groups = round(0.8 * len(queries))
    for preset in dict.fromkeys(cell.preset for cell in planned):
        mine = [cell for cell in planned if cell.preset == preset and not _is_random(bench, cell)]
        texts = tokens = seconds = 0.0
        for how in _trainings(mine):
            triples = max(1, how.epochs * scale.epochs_share) * how.share * groups
            found = 1 + _negatives(how.negatives)
            texts += triples * (2 * found if how.reranks else 1 + found)
            size = triples * (query * (found if how.reranks else 1) + document * found)
            tokens += size
            seconds += size / trained[isinstance(how.recipe.tuning, LoRA)]
        work.append(Work(f"train {preset.name}", int(texts), int(tokens), seconds))
    return Plan(
        tuple(work),
        encoded,
        trained[False],
        len(material.test.queries),
        minimum_detectable_difference(USUAL_SD, len(material.test.queries)),
    )


def _trainings(planned: Iterable[Cell]) -> list[Tuned]:
    """Every training of one preset; the rates of a grid but the one that is kept count once more."""
    found: list[Tuned] = []
    grids: Mapping[Rates, Tuned] = {}
    for cell in planned:
        how = cell.preset.system(cell.system).how
        if isinstance(how, Tuned) and cell.trained:
            found.append(how)
            if how.rates:
                grids = {**grids, how.rates: how}
    tried = [(how, len(rates.settings(how.recipe.optimizer))) for rates, how in grids.items()]
    return found + [how for how, settings in tried for _ in range(settings - 1)]


def _reads_pairs(cell: Cell) -> bool:
    """Whether its ranking is a reranker's: every one reads each query's candidates once."""
    system = cell.preset.system(cell.system)
    return isinstance(system.how, Reranked) or (isinstance(system.how, Tuned) and system.how.reranks)


def _is_random(bench: Workbench, cell: Cell) -> bool:
    """Whether a tiny model of random weights stands in: it costs next to nothing."""
    return cell.preset.is_random(cell.system, bench.scale)


def _negatives(policy: Negatives | None) -> int:
    """How many a group has."""
    match policy:
        case None:
            return 0
        case Mined(window=window) | SelfMined(window=window):
            return window.count
        case Taught(of=inner) | Provided(otherwise=inner):
            return _negatives(inner)
        case Cleaned(keep=keep):
            return keep
        case Union(counts=counts):
            return sum(counts) if counts else 1
    return 1


def _encoding_rate(encoder: Dense, texts: list[str], bfloat16: bool = False) -> float:
    """Tokens tokenized and encoded a second, after a warm-up."""
    out = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    with torch.autocast(encoder.device.type, torch.bfloat16, enabled=bfloat16):
        encode.encode(encoder, encoder.tokenize(texts, "document"), "document", out)
        started = time.perf_counter()
        tokens = encoder.tokenize(texts, "document")
        encode.encode(encoder, tokens, "document", out)
    return int(tokens.offsets[-1]) / (time.perf_counter() - started)


def _product_rate(dimension: int) -> float:
    """Floating-point operations a second of search's matrix product, best rows kept, after a warm-up."""
    queries, documents = torch.randn(256, dimension), torch.randn(65536, dimension)
    (queries @ documents.T).topk(100)
    started = time.perf_counter()
    (queries @ documents.T).topk(100)
    return 2.0 * dimension * len(queries) * len(documents) / (time.perf_counter() - started)


def _training_rate(length: int, path: object, texts: list[str], lora: bool) -> float:
    """Tokens a second through a training step in bfloat16, forward and backward, after a warm-up."""
    encoder = Dense.load(str(path), length)
    if lora:
        LoRA().prepare(encoder, 0)
    encoder.module.train()
    tokens = encoder.tokenize(texts[:96], "document")
    rows = [tokens.row(i) for i in range(len(tokens))]

    def step() -> float:
        started = time.perf_counter()
        with torch.autocast(encoder.model.device.type, torch.bfloat16):
            pieces = cut(tokens.lengths, 4096)
            chunks.gradient(lambda positions: represent_rows(encoder, rows, positions, "document"), pieces, _norm)
        return time.perf_counter() - started

    step()
    return int(tokens.offsets[-1]) / step()


def _norm(texts: Representation) -> torch.Tensor:
    return texts.vectors.float().square().mean()
