"""The peer of a tuning: what sentence-transformers' own trainer makes of the same pairs, by its defaults."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import PrinterCallback, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Artifact, Stage, Store
from strop.models.dense import Dense
from strop.models.pretrained import Pretrained
from strop.models.transformer import prompt_of
from strop.negatives.examples import Examples
from strop.records.errors import InputError
from strop.training.stage import asdict_examples

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

LIBRARY = Stage("library", 1)
BATCH = 16

Advance = Callable[[int], None]


def library_trained(
    store: Store,
    base: Pretrained,
    examples: Examples,
    seed: int,
    progress: Progress = silent,
    epochs: int = 1,
    mined: bool = False,
) -> Artifact:
    """Artifact `library`: `model/` as `library_default` leaves it, `train_seconds` in the record.

    Once it is there, it is found without the package datasets. Raises InputError as `library_default` does.
    """
    pairs = len(_pairs(examples))

    def make(folder: Path) -> dict[str, Any]:
        updates = epochs * math.ceil(pairs / BATCH)
        with progress(f"train {updates} updates of {BATCH} with sentence-transformers", updates) as advance:
            seconds = library_default(base, examples, folder / "model", seed, epochs, advance, mined)
        return {"train_seconds": round(seconds, 2), "pairs": pairs, "base": base.title}

    inputs = {
        "model": base.identity,
        "examples": content_key(asdict_examples(examples)),
        "library": version("sentence-transformers"),
    }
    values = {"seed": seed, "epochs": epochs} | ({"mined": True} if mined else {})
    return store.build(LIBRARY, values, inputs, make)


def library_default(
    base: Pretrained,
    examples: Examples,
    folder: Path,
    seed: int,
    epochs: int = 1,
    advance: Advance = lambda updates: None,
    mined: bool = False,
) -> float:
    """Tune the base as a user of sentence-transformers would, save it in safetensors, and return the seconds.

    Every (query, positive) is a row; a group's negatives are not used. MultipleNegativesRankingLoss at its scale of 20,
    which is InfoNCE(0.05), over one epoch of batches of 16 that hold no text twice, as in its training overview; AdamW
    without decay at 5e-5, falling linearly without warm-up, the trainer's defaults. (The overview's example of
    arguments has 2e-5 and a tenth of warm-up.) The trainer makes rows / 16 updates an epoch, rounded up: where texts
    recur, batches that hold none twice are smaller, and some rows are left out. Weights are in float32, and the base's
    prompts stand before the texts. Seconds are the trainer's, without loading and saving; `advance` hears of each
    update. With `mined` a row has a negative too, by `mine_hard_negatives` among the positives, from rank 10 on and 5 %
    below the positive's score; rows for which there is none are left out. Raises InputError without the package
    datasets, and as `Dense` does.
    """
    from sentence_transformers.base.sampler import BatchSamplers
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.util import mine_hard_negatives

    queries, positives = zip(*_pairs(examples), strict=True)
    dataset = dataset_of({"anchor": queries, "positive": positives})
    encoder = Dense.load(base.path)
    prompts = {"anchor": prompt_of(encoder.model, "query"), "positive": prompt_of(encoder.model, "document")}
    if mined:
        dataset = mine_hard_negatives(
            dataset, encoder.model, num_negatives=1, range_min=10, relative_margin=0.05, verbose=False,
            query_prompt=prompts["anchor"], corpus_prompt=prompts["positive"],
        )  # fmt: skip
        prompts["negative"] = prompts["positive"]
    metrics = fit(
        encoder.model, MultipleNegativesRankingLoss(encoder.model), dataset, advance,
        num_train_epochs=epochs, per_device_train_batch_size=BATCH, learning_rate=5e-5,
        batch_sampler=BatchSamplers.NO_DUPLICATES, seed=seed, prompts=prompts,
    )  # fmt: skip
    encoder.save(folder)
    return metrics["train_runtime"]


def dataset_of(columns: Mapping[str, Sequence[str]]) -> Any:
    """The columns as the trainer wants them. Raises InputError where the package datasets is not installed."""
    try:
        from datasets import Dataset
    except ImportError:
        raise InputError(
            "the trainer of sentence-transformers needs the package datasets",
            remedy="Run 'make bench', or: pip install 'strop[bench]'",
        ) from None
    return Dataset.from_dict({name: list(texts) for name, texts in columns.items()})


def fit(
    model: SentenceTransformer,
    loss: nn.Module,
    dataset: Any,
    advance: Advance = lambda updates: None,
    **settings: Any,
) -> dict[str, float]:
    """Train the model in place by `SentenceTransformerTrainer`, which reports nowhere and keeps no checkpoints.

    Returns its metrics, among them `train_runtime` in seconds and the mean `train_loss`; `settings` are its arguments.
    """
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments

    model.model_card_data.widget = [{}]  # else the trainer looks for examples, with a bar, for a card that nobody keeps
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder, report_to=[], save_strategy="no", logging_strategy="no", disable_tqdm=True,
            dataloader_pin_memory=model.device.type == "cuda", **settings,
        )  # fmt: skip
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=dataset, loss=loss, callbacks=[_Advancing(advance)]
        )
        trainer.remove_callback(PrinterCallback)
        return dict(trainer.train().metrics)


class _Advancing(TrainerCallback):
    """Tells of each update."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **rest: Any) -> None:
        self.advance(1)


def _pairs(examples: Examples) -> list[tuple[str, str]]:
    return [(examples.queries[g.query_id], examples.documents[d]) for g in examples.groups for d in g.positives]
