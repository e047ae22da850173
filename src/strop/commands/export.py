"""`strop export`: from a training artifact to a model folder."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.store import Artifact, store
from strop.commands.inputs import free, training_folder
from strop.monitoring.logbook import TRAIN
from strop.records.errors import InputError


def export(source: str, out: str | Path) -> Path:
    """Write a trained model in sentence-transformers' layout, with a model card.

    `source` is a training artifact: its key, the beginning of the key, or its folder. A LoRA model is merged, with its
    adapter in `adapter/`. Raises InputError when `source` names no training, or several.
    """
    folder = training_folder(source, "record.json")
    artifact = store().find(TRAIN, folder.name)
    if artifact is None:
        remedy = f"Give the key or folder of one in {store().root / TRAIN.name}"
        raise InputError("no training artifact", where=str(folder), remedy=remedy)
    return write_model(artifact, Path(out))


def write_model(artifact: Artifact, out: Path) -> Path:
    """Write a training artifact's model and its card to `out`, by one rename."""
    from strop.training.model_card import write_card

    free(out)
    partial = out.with_name(out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(artifact.path / "model", partial)
    write_card(artifact, partial / "README.md")
    os.replace(partial, out)
    return out


def export_command(
    source: Annotated[str, typer.Argument(help="A training: its key, the beginning of the key, or its folder.")],
    out: Annotated[Path, typer.Argument(help="The model folder to write.")],
) -> None:
    """Write a training's model as a sentence-transformers folder.

    'strop train' writes its own model; use this for the models that a study trained. A LoRA model is merged, with its
    adapter beside it, and a model card is added.
    """
    typer.echo(export(source, out))
