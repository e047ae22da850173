"""Options that several commands share, and the defaults they have in common with the Python calls."""

from __future__ import annotations

from typing import Annotated

import typer

#: The model that a command takes where none is named.
BASE = "all-MiniLM-L6-v2"
#: The collection that a command takes where none is named.
DOCSTRINGS = "docstrings"

Model = Annotated[
    str, typer.Option(help="A folder, a hub id (org/name or org/name@revision), or bm25 where that fits.")
]
Collection = Annotated[
    str,
    typer.Argument(help='A folder in BEIR\'s or MS MARCO\'s layout, "irds:ID" of ir_datasets, or "docstrings".'),
]
Split = Annotated[str, typer.Option(help="Which qrels/SPLIT.tsv to use.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="optimizer.learning_rate=1e-5, …")
]
Seed = Annotated[int, typer.Option(help="Decides everything drawn by chance.")]
Json = Annotated[bool, typer.Option("--json", help="Print everything as JSON.")]
