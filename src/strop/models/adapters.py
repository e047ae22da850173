"""How much of a model is tuned: all of it, or low-rank adapters beside frozen weights."""

from __future__ import annotations

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from strop.models.encoder import Model, Role, represent_rows
from strop.models.pair_scorer import PairScorer
from strop.models.reading import heads
from strop.models.transformer import read_json
from strop.models.two_towers import TwoTowers
from strop.records.errors import InputError, NonFiniteLossError, excerpt

if TYPE_CHECKING:
    from peft import PeftModel

#: Two forward passes that should be equal may differ by this much, merged against unmerged.
MERGE_TOLERANCE = 1e-5
#: Beyond the width of any layer a rank is no low one.
_MOST_RANK = 2**16
_ROLES: tuple[Role, Role] = ("query", "document")
#: The names that architectures have for the projections of queries and values, or for all of attention's in one: BERT's
#: and RoBERTa's, most decoders' and GTE's, ModernBERT's, DistilBERT's, MPNet's and T5's.
_PROJECTIONS = (("query", "value"), ("q_proj", "v_proj"), ("Wqkv",), ("q_lin", "v_lin"), ("q", "v"))


class Tuning(Protocol):
    def prepare(self, encoder: Model, seed: int) -> None:
        """Mark what trains, adding parameters where the method has its own; `seed` fixes their start."""
        ...


@dataclass(frozen=True, slots=True)
class Full:
    """Every weight trains."""

    def prepare(self, encoder: Model, seed: int) -> None:
        encoder.module.requires_grad_(True)
        _begin(encoder)


@dataclass(frozen=True, slots=True)
class QueryTower:
    """Of two towers the queries' trains. Documents keep their vectors, bit by bit, and so an index keeps its use."""

    def prepare(self, encoder: Model, seed: int) -> None:
        """What follows both towers stays as it is too. Raises InputError for a model of one tower."""
        if not isinstance(encoder, TwoTowers):
            remedy = "Convert the base first: --as untied"
            raise InputError("only a query tower should train, and the model has one tower for all", remedy=remedy)
        encoder.keep_documents()


@dataclass(frozen=True, slots=True)
class LoRA:
    """Low-rank adapters: W + (alpha / r) B A on each target matrix, W frozen: r * (in + out) parameters per target and
    layer. Raises InputError unless 1 <= r <= 65,536, alpha >= 1, 0 <= dropout < 1, and every target has a name.
    Source: Hu et al. 2022; values of arXiv 2506.18535 and its code.
    """

    r: int = 16
    alpha: int = 32
    dropout: float = 0.05
    targets: tuple[str, ...] = ("query", "value")

    def __post_init__(self) -> None:
        if not 1 <= self.r <= _MOST_RANK or not 0 <= self.dropout < 1:
            remedy = f"Give r of 1 to {_MOST_RANK:,} and 0 <= dropout < 1"
            raise InputError(f"r is {excerpt(self.r)} and dropout {self.dropout}", remedy=remedy)
        if self.alpha < 1:
            problem = f"alpha is {excerpt(self.alpha)}: no adapter would learn"
            raise InputError(problem, remedy="Give 1 or more, like 2 r")
        if not (self.targets and all(self.targets)):
            remedy = "Give the names of modules, like query,value"
            raise InputError(f"targets are {excerpt(','.join(self.targets))}", remedy=remedy)

    def prepare(self, encoder: Model, seed: int) -> None:
        """In every tower. A cross-encoder's head trains whole, and whatever else is random in it: peft would freeze it.

        Raises InputError when no module of the model carries a target's name."""
        from peft import LoraConfig, TaskType, get_peft_model

        whole = {name for tower in encoder.transformers for name in heads(tower.model)} | _begin(encoder)
        config = LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            target_modules=list(self.targets),
            bias="none",
            task_type=TaskType.SEQ_CLS if whole else TaskType.FEATURE_EXTRACTION,
            modules_to_save=sorted(whole) or None,
        )
        encoder.module.requires_grad_(False)
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            torch.manual_seed(seed)
            try:
                for tower in encoder.transformers:
                    tower.model = get_peft_model(tower.model, config)  # type: ignore[assignment]
            except ValueError as error:
                problem = f"no module named {' or '.join(self.targets)} in the model ({error})"
                remedy = "Set `tuning.targets` to the attention projections' names in this architecture"
                raise InputError(problem, remedy=remedy) from error


def attention_targets(encoder: Model) -> tuple[str, ...]:
    """What `LoRA.targets` are in this architecture: the source's query and value projections by the names that the
    model has for them. None where it has no known ones."""
    towers = [{name.rpartition(".")[2] for name, _ in tower.model.named_modules()} for tower in encoder.transformers]
    known = set.intersection(*towers)
    return next((names for names in _PROJECTIONS if known.issuperset(names)), ())


def _begin(model: Model) -> set[str]:
    """Training begins: what was random in the model, which is so no longer."""
    if not isinstance(model, PairScorer):
        return set()
    random = set(model.untrained)
    model.mark_trained()
    return random


def export(encoder: Model, folder: str | Path, base_source: str, probe: list[str]) -> None:
    """Save the model whole, and its adapter beside it where it has one: `folder/adapter`, or `folder/adapter/0` and on
    for several towers, queries' first.

    The adapter is merged into the weights in place: NonFiniteLossError where that moves the outputs on `probe` texts by
    more than 1e-5, and for outputs that are no numbers. `base_source` (a hub id) replaces the local path that peft
    would write.
    """
    from peft import PeftModel

    folder, remedy = Path(folder), "Lower the learning rate: it has gone too far from the base"
    towers, before = encoder.transformers, _outputs(encoder, probe)
    if not bool(before.isfinite().all()):
        raise NonFiniteLossError(f"{folder}: the trained model's outputs are no numbers. {remedy}")
    if isinstance(towers[0].model, PeftModel):
        for i, tower in enumerate(towers):
            assert isinstance(tower.model, PeftModel)
            _save_adapter(tower.model, folder / "adapter" / (str(i) if len(towers) > 1 else ""), base_source)
            tower.model = tower.model.merge_and_unload()
        gap = float((_outputs(encoder, probe) - before).abs().max())
        if not gap <= MERGE_TOLERANCE:
            moved = f"merging the adapter moved the outputs by {gap:.1e}, over {MERGE_TOLERANCE:.0e}"
            raise NonFiniteLossError(f"{folder}: {moved}. {remedy}")
    encoder.save(folder)


#: What peft keeps as sets, whose order on disk would be another in each process.
_SETS = frozenset({"target_modules", "modules_to_save", "exclude_modules"})


def _save_adapter(model: PeftModel, folder: Path, base_source: str) -> None:
    # The vocabulary never changes here; "auto" would ask the hub about it when the base's folder is gone.
    model.save_pretrained(str(folder), save_embedding_layers=False)
    config_path = folder / "adapter_config.json"
    config = read_json(config_path) | {"base_model_name_or_path": base_source}
    for name in _SETS & config.keys():
        if isinstance(config[name], list):
            config[name].sort()
    config_path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").unlink(missing_ok=True)  # peft's empty card names a local path


def _outputs(model: Model, texts: list[str]) -> torch.Tensor:
    """Searchable vectors of the texts as queries and as documents, `(anything, D)`; or each one's score with itself."""
    model.module.eval()
    sides = [model.tokenize(texts, role) for role in _ROLES]
    queries, documents = ([tokens.row(i) for i in range(len(texts))] for tokens in sides)
    with torch.inference_mode():
        if (encoder := model.encoder) is None:
            return torch.from_numpy(model.pair_scores(queries, documents, [(i, i) for i in range(len(texts))]))
        outputs = []
        for rows, role in zip((queries, documents), _ROLES, strict=True):
            read = encoder.searchable(represent_rows(encoder, rows, np.arange(len(rows)), role))
            outputs.append(read.vectors if read.mask is None else read.vectors[read.mask])
    return torch.cat(outputs)
