"""`strop mine`: from a collection to training examples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.collection.lazy_documents import Contents
from strop.commands import terminal
from strop.commands.inputs import free, load, warn
from strop.commands.options import BASE, Collection, Seed, Split
from strop.negatives.examples import Examples, write_examples
from strop.negatives.positives import positive_groups, without_copies
from strop.records.errors import InputError

if TYPE_CHECKING:
    from strop.negatives.from_run import RankWindow


def mine(
    collection: str,
    out: str | Path,
    source: str = BASE,
    window: RankWindow | None = None,
    split: str = "train",
    seed: int = 42,
    progress: Progress = silent,
) -> int:
    """Write training examples as JSON lines and return their number.

    Negatives are drawn from a `window` of ranks (default: one per positive from ranks 51 to 200) of `source`: a model,
    `bm25`, or a TREC run over the split's queries. The source `uniform` draws from the whole collection, and `none`
    writes pairs without negatives. Only documents open to training are used. Raises InputError; warns of positives
    with too few candidates, and of negatives left out because they copy the positive.
    """
    from strop.negatives.from_run import RankWindow
    from strop.negatives.sampled import Uniform
    from strop.records.runs import read_run

    free(out)
    window = window or RankWindow(low=51, high=200)
    data = load(collection, split)

    from strop.retrieval.retriever import retriever  # with torch, which no wrong path waits for
    from strop.training.mining import Miner

    groups = positive_groups(data)
    allowed = Contents(data.documents, data.reserved)
    if source == "uniform":
        groups = Uniform(window.count)(groups, list(allowed), seed)
    elif source != "none":
        positives, queries = len(groups), {query.id: query.text for query in data.queries.values()}
        miner = Miner(queries, allowed, store(), progress)
        groups = miner(read_run(source) if Path(source).is_file() else retriever(source), window, groups, seed)
        if len(groups) < positives:
            short = f"{positives - len(groups):,} of {positives:,} positives are left out: too few candidates"
            warn(f"{short} at ranks {window.low} to {window.high}")
    mined = sum(len(g.negatives) for g in groups)
    groups = without_copies(groups, data)
    if copies := mined - sum(len(g.negatives) for g in groups):
        warn(f"{copies:,} of {mined:,} negatives are left out: they have the text of their positive")
    write_examples(Examples.of(groups, data), out)
    return len(groups)


def mine_command(
    collection: Collection,
    out: Annotated[Path, typer.Argument(help="The JSON-lines file to write.")],
    source: Annotated[
        str,
        typer.Option(
            "--from",
            help="Where negatives come from: a model, bm25, a TREC run, uniform (any document), or none (pairs only).",
        ),
    ] = BASE,
    window: Annotated[str, typer.Option(help="Ranks to draw negatives from.")] = "51-200",
    count: Annotated[int, typer.Option(min=1, help="Negatives per positive.")] = 1,
    split: Split = "train",
    seed: Seed = 42,
) -> None:
    """Mine negatives and write training examples.

    Writes JSON lines of query, positive and negatives, for strop or any other trainer. Documents that are relevant
    only in other splits are left out.
    """
    from strop.negatives.from_run import RankWindow

    low, _, high = window.partition("-")
    if not (low.isdigit() and high.isdigit() and 1 <= int(low) <= int(high)):
        raise InputError(f"window {window!r} is no range of ranks", remedy="Write it as LOW-HIGH, like 51-200")
    number = mine(collection, out, source, RankWindow(int(low), int(high), count), split, seed, terminal.progress)
    typer.echo(f"{number:,} examples in {out}")
