"""The command that scores examples with a teacher. Rooms are imported inside it, so that --help is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def teach(
    examples: Annotated[Path, typer.Argument(help="JSON lines of query, positive and negatives ('strop mine').")],
    out: Annotated[Path, typer.Argument(help="The JSON-lines file to write, with scores.")],
    model: Annotated[
        str, typer.Option(help="A trained cross-encoder, used as it is; or a model to make a reranker of and train.")
    ] = "all-MiniLM-L6-v2",
    recipe: Annotated[str, typer.Option(help="rerank-bce or rerank-softmax.")] = "rerank-bce",
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="optimizer.learning_rate=1e-5, …")
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the examples of the other folds.")] = 1,
    folds: Annotated[int, typer.Option(min=2, help="Trainings; each scores the queries it was kept from.")] = 2,
    seed: Annotated[int, typer.Option(help="Decides everything drawn by chance.")] = 42,
    drop_above: Annotated[
        float | None,
        typer.Option(metavar="P", help="Drop negatives to which the teacher gives a probability of P or more."),
    ] = None,
) -> None:
    """Score mined examples with a reranker, for denoising and for the distill-… recipes.

    A model trained here never scores a query it was trained on: queries are cut into folds, and those that share a
    relevant document stay together. A killed call goes on where it was when the same command is given again.
    """
    from strop import teach_commands
    from strop.recipes import parsed
    from strop.terminal import progress

    given = parsed(settings or [])
    found = teach_commands.teach(examples, out, model, recipe, given, epochs, folds, seed, drop_above, progress)
    typer.echo(f"{found.examples:,} examples in {out}")
    if found.folds:
        sizes = " and ".join(f"{size:,}" for size in found.folds)
        typer.echo(f"each scored by a model trained without it: folds of {sizes} queries")
    typer.echo(f"a positive scores above {found.right:.1%} of its negatives on average; chance is 50%")
    if drop_above is not None:
        typer.echo(
            f"{found.dropped:,} of {found.negatives:,} negatives dropped, at a probability of {drop_above:g} or more; "
            f"{found.emptied:,} examples lost all of theirs and are left out"
        )
