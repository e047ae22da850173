"""`strop export`: from a training artifact to a model folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.store import Artifact, store
from strop.commands import terminal
from strop.commands.inputs import free, training_folder
from strop.records.errors import InputError
from strop.records.writing import whole_folder


def export(source: str, out: str | Path) -> Path:
    """Write a trained model in sentence-transformers' layout, with a model card.

    `source` is a training artifact: its key, the beginning of the key, or its folder. A LoRA model is merged, with its
    adapter in `adapter/`. Raises InputError when `source` names no training, or several.
    """
    from strop.monitoring.logbook import TRAIN

    folder = training_folder(source, "record.json")
    artifact, damage = store().look(TRAIN, folder.resolve().name)
    if damage:
        raise InputError(f"the training is damaged: {damage}", remedy="Train again: the same command makes it again")
    if artifact is None:
        remedy = f"Give the key or folder of one in {store().root / TRAIN.name}"
        raise InputError("no training artifact", where=str(folder), remedy=remedy)
    return write_model(artifact, Path(out))


def write_model(artifact: Artifact, out: Path) -> Path:
    """Write a training artifact's model and its card to `out`, whole or not at all."""
    from strop.training.model_card import write_card

    free(out)
    with whole_folder(out) as own:
        shutil.copytree(artifact.path / "model", own, dirs_exist_ok=True)
        write_card(artifact, own / "README.md")
    return out


def export_command(
    source: Annotated[str, typer.Argument(help="A training: its key, the beginning of the key, or its folder.")],
    out: Annotated[Path, typer.Argument(help="The model folder to write.")],
) -> None:
    """Write a training's model as a sentence-transformers folder.

    'strop train' writes its own model; use this for the models that a study trained. A LoRA model is merged, with its
    adapter beside it, and a model card is added.
    """
    terminal.echo(export(source, out))
