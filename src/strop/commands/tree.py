"""The tree of commands, in the order of the work."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from glob import glob
from typing import Any

import typer
from typer.core import TyperGroup

from strop.commands.bench import bench_command
from strop.commands.data import data
from strop.commands.doctor import doctor_command
from strop.commands.evaluate import evaluate_command
from strop.commands.explain import explain_command
from strop.commands.export import export_command
from strop.commands.fuse import fuse_command
from strop.commands.mine import mine_command
from strop.commands.rerank import rerank_command
from strop.commands.search import search_command
from strop.commands.study import study
from strop.commands.teach import teach_command
from strop.commands.train import train_command
from strop.commands.tune import tune_command

COMMANDS: dict[str, typer.Typer | Callable[..., None]] = {
    "tune": tune_command,
    "data": data,
    "mine": mine_command,
    "train": train_command,
    "search": search_command,
    "rerank": rerank_command,
    "fuse": fuse_command,
    "evaluate": evaluate_command,
    "teach": teach_command,
    "explain": explain_command,
    "export": export_command,
    "study": study,
    "bench": bench_command,
    "doctor": doctor_command,
}


class InOrder(TyperGroup):
    """Lists the commands as `COMMANDS` does, where typer would put those with subcommands last."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)


app = typer.Typer(
    cls=InOrder,
    rich_markup_mode="markdown",  # joins the lines of a paragraph; the other modes break where the source does
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fine-tune neural retrievers, settle whether it helped, and see why.",
    epilog="Exit codes: 0 done, 1 failed, 2 unusable input; of tune 3 for HOLD, 4 for TRADE. "
    "What was computed is kept in .strop, or $STROP_HOME.",
)
for name, command in COMMANDS.items():
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name)
    else:
        app.command(name)(command)


def invoke(words: Sequence[str]) -> int:
    """Run the command of these words. Raises what it raises, typer's own exceptions too."""
    if os.name == "nt":  # whose shells leave patterns to the program
        words = [found for word in words for found in (sorted(glob(word)) or [word])]
    command = typer.main.get_command(app)
    with command.make_context("strop", list(words)) as context:
        command.invoke(context)
    return 0
