"""`strop mine`: from a collection to training examples."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check, check_seed, free, is_data, load, warn
from strop.commands.options import BASE, Collection, Seed, Split
from strop.records.errors import InputError, excerpt

if TYPE_CHECKING:
    from strop.models.precision import Precision
    from strop.negatives.from_run import RankWindow
    from strop.retrieval.drift import Choice
    from strop.retrieval.task import ById

#: `auto` is bfloat16 where that is fast and moves the vectors little.
Asked = Literal["auto", "float32", "bfloat16"]


def mine(
    collection: str,
    out: str | Path,
    source: str = BASE,
    window: RankWindow | None = None,
    split: str = "train",
    seed: int = 42,
    progress: Progress = silent,
    precision: Asked = "auto",
    say: Callable[[str], None] | None = None,
) -> int:
    """Write training examples as JSON lines and return their number.

    Negatives are drawn from a `window` of ranks (default: one per positive from ranks 51 to 200) of `source`: a model,
    `bm25`, or a TREC run over the split's queries. The source `uniform` draws from the whole collection, and `none`
    writes pairs without negatives. A model's vectors are made in the `precision`; `auto` takes bfloat16 where the
    device multiplies in it and 64 of the documents keep a cosine of 0.9999, and `say` is told the choice. Only
    documents open to training are used. No negative has the text of its query, of
    one of its answers, or of an answer to the same query under another id. Raises InputError, also when no positive
    gets a negative; warns of positives without a text or a candidate, which are left out, and of those with fewer
    candidates than the window's count.
    """
    from strop.collection.lazy_documents import Contents
    from strop.models.pretrained import resolve
    from strop.negatives.examples import Examples, write_examples
    from strop.negatives.from_run import RankWindow
    from strop.negatives.positives import positive_groups, with_copies, with_texts
    from strop.negatives.sampled import Uniform
    from strop.records.runs import read_run

    free(out)
    check_seed(seed)
    _check_precision(precision)
    window = replace(window or RankWindow(low=51, high=200), fewer=True)
    check(collection, split)
    if source not in ("bm25", "uniform", "none") and not is_data(source):
        resolve(source)
    data = load(collection, split)

    from strop.retrieval.retriever import retriever  # with torch, which no wrong path waits for
    from strop.training.mining import Miner

    judged = positive_groups(data)
    readable = with_texts(judged, data)
    if empty := len(judged) - len(readable):
        warn(f"{empty:,} of {len(judged):,} positives are left out: they, or their queries, have no text")
    groups = with_copies(readable, data)
    allowed = Contents(data.documents, data.reserved)
    if source == "uniform":
        groups = Uniform(window.count)(groups, list(allowed), seed)
    elif source != "none":
        queries = {query.id: query.text for query in data.queries.values()}
        encodes = source != "bm25" and not is_data(source)
        choice = _choice(precision, source, allowed) if encodes else None
        if choice and say:
            say(str(choice))
        miner = Miner(queries, allowed, store(), progress, choice.precision if choice else "float32")
        groups = miner(read_run(source) if is_data(source) else retriever(source), window, groups, seed)
        at = f"at ranks {window.low} to {window.high}"
        if missed := len(readable) - len(groups):
            warn(f"{missed:,} of {len(readable):,} positives are left out: no candidate {at}")
        if short := sum(len(group.negatives) < window.count for group in groups):
            warn(
                f"{short:,} of {len(groups):,} positives have fewer than {window.count} candidates {at}: all are taken"
            )
    write_examples(Examples.of(groups, data), out)
    return len(groups)


def _check_precision(precision: str) -> None:
    from strop.models.precision import check_native

    if precision not in get_args(Asked):
        raise InputError(f"precision is {excerpt(precision)}", remedy="Give auto, float32 or bfloat16")
    if precision != "auto":
        check_native(cast("Precision", precision))


def _choice(precision: Asked, source: str, texts: ById) -> Choice:
    from strop.models.pretrained import resolve
    from strop.retrieval.drift import Choice, chosen
    from strop.retrieval.stages import encoder_of

    if precision != "auto":
        return Choice(precision, "as you asked")
    return chosen(encoder_of(resolve(source)), texts)


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
    count: Annotated[int, typer.Option(min=1, help="Negatives per positive, where there are so many.")] = 1,
    split: Split = "train",
    seed: Seed = 42,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16", help="That vectors are made in; auto tries both on 64 documents."
        ),
    ] = "auto",
) -> None:
    """Mine negatives and write training examples.

    Writes JSON lines of query, positive and negatives, for strop or any other trainer. Documents that are relevant
    only in other splits are left out.
    """
    from strop.negatives.from_run import RankWindow

    given = re.fullmatch("([0-9]{1,9})-([0-9]{1,9})", window)
    low, high = (int(given[1]), int(given[2])) if given else (0, 0)
    if not 1 <= low <= high:
        raise InputError(f"window {excerpt(window)} is no range of ranks", remedy="Write it as LOW-HIGH, like 51-200")
    number = mine(
        collection, out, source, RankWindow(low, high, count), split, seed, terminal.progress,
        cast(Any, precision), terminal.told,
    )  # fmt: skip
    terminal.echo(f"{number:,} examples in {out}")
