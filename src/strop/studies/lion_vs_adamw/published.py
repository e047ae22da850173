"""Kumar et al.'s printed tables, their own evaluation's figures beside them, and the runs' recorded settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from strop.studies.figures import figures, lines

_FOLDER = Path(__file__).parent / "published"
#: Measures of the main table by their columns there, in its order. MRR@10 is of MS MARCO, the others of TREC DL 2019.
MEASURES = {"ndcg10": "nDCG@10", "map": "MAP", "mrr10": "MRR@10", "recall10": "R@10", "rprec": "R-Prec", "p10": "P@10"}
MODELS = ("MiniLM", "GTE", "ModernBERT")
#: Judged queries of TREC DL 2019's passage task.
QUERIES = 43


@dataclass(frozen=True, slots=True)
class Row:
    """One trained model after one epoch: what the main table prints (four decimals) and what its evaluation wrote.

    `run` is the checkpoint that the evaluation names. `more` holds the appendix's measures, by its columns.
    """

    model: str
    optimizer: str
    epoch: int
    printed: Mapping[str, float] = field(hash=False)
    written: Mapping[str, float] = field(hash=False)
    run: str
    more: Mapping[str, float] = field(hash=False)

    @property
    def label(self) -> str:
        return f"{self.model} {self.optimizer} {self.epoch}"

    @property
    def step(self) -> int | None:
        """Updates that the checkpoint's name tells; None where it is only called final."""
        number = self.run.removeprefix("checkpoint-")
        return int(number) if number.isdigit() else None


@dataclass(frozen=True, slots=True)
class Memory:
    """Percent of the card's memory that was allocated, in the mean of a training, and the printed reduction."""

    adamw: float
    lion: float
    printed: float

    @property
    def reduction(self) -> float:
        """Percent by which Lion's mean is below AdamW's, of AdamW's."""
        return 100 * (self.adamw - self.lion) / self.adamw


@cache
def rows() -> tuple[Row, ...]:
    """The 18 rows of the main table: three models, two optimisers, three epochs."""
    keys = ("model", "optimizer", "epoch")
    appendix = {tuple(line.pop(key) for key in keys): line for line in lines(_FOLDER / "kumar_appendix.csv")}
    return tuple(
        Row(
            line["model"],
            line["optimizer"],
            int(line["epoch"]),
            {name: float(line[f"{name}_paper"]) for name in MEASURES},
            {name: float(line[f"{name}_json"]) for name in MEASURES},
            line["runid"],
            {name: float(v) for name, v in appendix[tuple(line[key] for key in keys)].items()},
        )
        for line in lines(_FOLDER / "kumar_main.csv")
    )


def find(model: str, optimizer: str) -> tuple[Row, ...]:
    """The three epochs of one training, in order."""
    return tuple(row for row in rows() if (row.model, row.optimizer) == (model, optimizer))


@cache
def memory() -> dict[str, Memory]:
    """By model."""
    printed = figures(_FOLDER / "kumar_gpu_memory.csv")
    return {
        model: Memory(row["adamw_mean"], row["lion_mean"], row["rel_reduction_pct"]) for model, row in printed.items()
    }


@cache
def listed() -> dict[str, float]:
    """nDCG@10 on TREC DL 2019 of the systems that the paper lists beside its own."""
    return {system: row["ndcg10"] for system, row in figures(_FOLDER / "kumar_dl19_reference.csv").items()}


@cache
def public() -> dict[str, tuple[float, float]]:
    """Public models: (nDCG@10 on TREC DL 2019, MRR@10 on MS MARCO dev), as sbert.net prints them, as shares of one."""
    printed = figures(_FOLDER / "sbert_reference.csv")
    return {model: (row["dl19_ndcg10_pct"] / 100, row["msmarco_dev_mrr10_pct"] / 100) for model, row in printed.items()}
