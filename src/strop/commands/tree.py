"""The tree of commands, in the order of the work. The file of a command is loaded when it is called."""

from __future__ import annotations

import os
from collections.abc import Sequence
from glob import glob
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

#: Each command, which is `NAME_command` of its own file, and the first line of its help.
COMMANDS = {
    "tune": "Make a model better on your data, and prove it; or get the base back.",
    "data": "Audit a collection, or write it as a BEIR folder.",
    "mine": "Mine negatives and write training examples.",
    "train": "Fine-tune a model on examples.",
    "search": "Search a collection with a model or BM25; write a TREC run.",
    "rerank": "Rerank the first documents of a run with a model.",
    "fuse": "Fuse several runs into one, by ranks or by normalised scores.",
    "evaluate": "Measure a run, or compare two runs with paired tests.",
    "teach": "Score examples with a reranker, to distil it or to drop false negatives.",
    "explain": "Show how tuning changed a model's embedding space.",
    "export": "Write a training's model as a sentence-transformers folder.",
    "study": "Replicate a paper: plan, run, show, report.",
    "bench": "Measure speed and memory on this machine.",
    "doctor": "Check what is installed and what is missing.",
}
_MARKUP: Final = "markdown"  # joins the lines of a paragraph; the other modes break where the source does


class _Later(TyperCommand):
    """A command of which there is one line of help until it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return loaded(str(self.name)).make_context(info_name, args, parent, **extra)


def tree() -> TyperGroup:
    """The whole of it, of which no command is loaded."""
    app = typer.Typer(
        rich_markup_mode=_MARKUP,
        no_args_is_help=True,
        help="Fine-tune neural retrievers, settle whether it helped, and see why.",
        epilog="Exit codes: 0 done, 1 failed, 2 unusable input; of tune 3 for HOLD, 4 for TRADE. "
        "What was computed is kept in .strop, or $STROP_HOME.",
    )
    group = typer.main.get_group(app)
    group.commands.update({name: _Later(name, help=line) for name, line in COMMANDS.items()})
    return group


def loaded(name: str) -> Any:
    """The command of this name, with its arguments and options, or with its own commands."""
    command = getattr(import_module(f"strop.commands.{name}"), f"{name}_command")
    app = typer.Typer(rich_markup_mode=_MARKUP)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)
    return typer.main.get_group(app).commands[name]


def invoke(words: Sequence[str]) -> int:
    """Run the command of these words. Raises what it raises, typer's own exceptions too."""
    if os.name == "nt":  # whose shells leave patterns to the program
        words = [found for word in words for found in (sorted(glob(word)) or [word])]
    command = tree()
    with command.make_context("strop", list(words)) as context:
        command.invoke(context)
    return 0
