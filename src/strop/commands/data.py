"""`strop data`: audit a collection, or write it as a BEIR folder."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import typer

from strop.artifacts.store import store
from strop.commands.inputs import free
from strop.commands.options import BASE, DOCSTRINGS, Collection, Json, Model
from strop.commands.terminal import echo, marked, say
from strop.records import documents as records

data_command = typer.Typer(no_args_is_help=True, help="Audit a collection, or write it as a BEIR folder.")


def data_inspect(collection: str, model: str = BASE) -> dict[str, Any]:
    """The audit of every split of a collection, with text lengths in tokens of `model`."""
    from strop.bench.process_memory import return_freed
    from strop.collection.audit import audit, with_lengths
    from strop.collection.docstrings import misses
    from strop.models.pretrained import resolve

    splits, folder = _splits(collection), resolve(model).path
    found = audit(splits)
    return_freed()

    from strop.models.loading import load  # only now: torch and the model would lie in memory beside the shingles

    encoder = load(folder)
    report = with_lengths(found, splits, encoder.token_counts, encoder.max_length)
    if collection == DOCSTRINGS:
        report["readings"].append(misses.reading())
    if model.split("@")[0].removeprefix("sentence-transformers/") == BASE:
        exposure = "MS MARCO, Natural Questions, S2ORC, code search and 1 billion pairs in all (its model card)"
    else:
        exposure = "not known here: read the model's card"
    return {**report, "seen by the base": exposure}


def data_export(collection: str, out: str | Path) -> Path:
    """Write every split of a collection as a BEIR folder; `out` must be empty or absent."""
    from strop.collection.beir_export import write_beir

    if not os.path.isdir(out):  # an empty folder will do
        free(out)
    write_beir(_splits(collection), out)
    return Path(out)


def _splits(collection: str) -> list[records.Collection]:
    from strop.collection import door

    return door.every_split(collection, store().docstrings)


@data_command.command("inspect")
def data_inspect_command(collection: Collection = DOCSTRINGS, model: Model = BASE, json_out: Json = False) -> None:
    """Audit a collection: counts, lengths, duplicates, overlap of train and test.

    Also says what the base model was trained on, where that is known.
    """
    report = data_inspect(collection, model)
    if json_out:
        typer.echo(json.dumps(report, indent=1))
        return
    for reading in report["readings"]:
        say(f"- {reading}")
    say(f"- Seen by the base: {report['seen by the base']}.")
    for warning in report["warnings"]:
        marked("warning", "yellow", warning)


@data_command.command("export")
def data_export_command(collection: Collection, out: Path) -> None:
    """Write every split of a collection as a BEIR folder."""
    echo(data_export(collection, out))
