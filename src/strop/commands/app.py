"""The `strop` command: its subcommands in the order of the work, and its exit codes."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
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


def main() -> Any:
    """Run the command; bad input ends in one line and exit code 2 instead of a traceback."""
    import warnings

    from strop.bench.process_memory import reuse_freed
    from strop.records.errors import InputError, InputWarning, NonFiniteLossError

    def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
        if issubclass(category, InputWarning):
            typer.secho(f"warning: {message}", err=True, fg=typer.colors.YELLOW)
        else:
            python_warning(message, category, *place, **more)

    # Threads that spin while they wait cost threefold once another program wants a core. torch reads this as it loads.
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    reuse_freed()
    gc.set_threshold(10_000)  # a study reads many small values, and Python would look for cycles every 700
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        python_warning, warnings.showwarning = warnings.showwarning, show
        try:
            return app(prog_name="strop")
        except InputError as error:
            typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
            sys.exit(2)
        except (NonFiniteLossError, OSError) as error:  # OSError: a full disk, a folder one may not write to
            typer.secho(f"stopped: {error}", err=True, fg=typer.colors.RED)
            sys.exit(1)
        except KeyboardInterrupt:
            typer.secho("stopped; the same command continues from here", err=True)
            sys.exit(130)
