"""Options that several commands share, and the defaults they have in common with the Python calls."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from strop.records.errors import InputError, excerpt

#: The model that a command takes where none is named.
BASE = "all-MiniLM-L6-v2"
#: The collection that a command takes where none is named.
DOCSTRINGS = "docstrings"

Model = Annotated[str, typer.Option(help="A model folder, or a hub id (org/name or org/name@revision).")]
Collection = Annotated[
    str,
    typer.Argument(
        help="A folder in BEIR's or MS MARCO's layout, irds:ID for an id of ir_datasets, docstrings, or"
        " docstrings:PACKAGE."
    ),
]
ExamplesFile = Annotated[
    Path,
    typer.Argument(
        help="Training examples: JSON lines, a JSON array, CSV or TSV, as 'strop mine', sentence-transformers,"
        " FlagEmbedding or Tevatron name the columns."
    ),
]
RunOut = Annotated[Path, typer.Argument(help="The TREC run to write.")]
Split = Annotated[str, typer.Option(help="The split to use: qrels/SPLIT.tsv.")]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change one field of the recipe, such as optimizer.learning_rate=1e-5; repeatable.",
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of every random choice.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def parsed(settings: Iterable[str]) -> dict[str, str]:
    """`field=value` texts, as `--set` takes them; the last of a field holds. Raises InputError on one without `=`."""
    values = {}
    for setting in settings:
        field, equals, value = setting.partition("=")
        if not equals:
            raise InputError(f"--set {excerpt(setting)} has no value", remedy="Write --set field=value")
        values[field] = value
    return values
