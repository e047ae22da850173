"""`strop tune`: a model made better on one's own data, and certified; or the base again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check_seed, free
from strop.commands.options import BASE, Json, Model, Seed
from strop.records.errors import InputError, excerpt
from strop.records.formats import duration, fixed, signed

if TYPE_CHECKING:
    from strop.records.tuned import Evidence, TuneRecord

#: Exit codes.
SHIP, HOLD, TRADE = 0, 3, 4
#: The longest budget, in seconds: a year.
LONGEST = 365 * 24 * 3600
_UNITS = {"s": 1, "m": 60, "h": 3600, "": 60}


def tune(
    collection: str = "",
    base: str = BASE,
    guards: Sequence[str] | None = None,
    budget: str = "30m",
    out: str | Path | None = None,
    margin: float = 0.02,
    fail_under: float = 0.0,
    allow_trade: bool = False,
    keep_index: bool = False,
    truncate_dims: Sequence[int] = (),
    queries_from: str | None = None,
    seed: int = 42,
    recipe: str | Path | None = None,
    beside: Sequence[str] = (),
    progress: Progress = silent,
    say: Callable[[str], None] | None = None,
) -> TuneRecord:
    """Tune `base` on a collection within `budget`, certify it on the test split, and write it to `out`.

    The record's `decision` is SHIP, HOLD (then `out` holds the base's files, byte for byte) or, where `allow_trade`,
    TRADE. No guard may fall by more than `margin` nDCG@10; None guards by held-out parts of the embedded collection.
    `fail_under` is the least gain that must be certified. `recipe` is a file that an earlier tuning wrote: its
    settings and its plan are used again, for the same bytes. `beside` are recipes of `strop train` to be shown beside
    the tuned model. Raises InputError and NonFiniteLossError.
    """
    if collection and recipe is None:  # before torch is loaded
        from strop.collection import door

        door.has_judgments(collection)
        for guard in guards or ():
            door.splits(guard)
    from strop.tuning import guards as guarding
    from strop.tuning import output
    from strop.tuning.artifact import read_recipe
    from strop.tuning.certificate import Terms
    from strop.tuning.request import Request
    from strop.tuning.tune import Tuning

    if not collection and recipe is None:
        raise InputError("there is no collection to tune on", remedy="Name one, such as docstrings, or give --recipe")
    given = None
    if recipe is not None:
        again = read_recipe(Path(recipe))
        request, given = again.request, again.plan
    else:
        named = tuple(g for g in guarding.DEFAULT if g != collection) if guards is None else tuple(guards)
        terms = Terms(_checked(margin, "margin"), _checked(fail_under, "fail_under"), allow_trade)
        request = Request(
            collection, base, named, seconds(budget), terms, seed, keep_index, tuple(truncate_dims), queries_from,
            tuple(beside),
        )  # fmt: skip
    check_seed(request.seed)
    folder = Path(out) if out else Path("tuned") / Path(request.collection).name.replace(":", "-")
    tuning = Tuning.of(request, store(), say or (lambda line: None), progress)
    if not output.written(folder):
        free(folder)
    tuned = tuning(given)
    if output.written(folder) not in ("", tuned.key):
        free(folder)
    record = output.write(tuned, tuning.base, _command(request, folder), folder)
    page = folder / output.INSIDE / "report.html"
    if not page.is_file():
        from strop.report.document import write
        from strop.report.tuned import tuned_page

        write(tuned_page(record), page, replace=True)
    return record


def seconds(budget: str) -> float:
    """`30m`, `2h`, `90s`, or minutes without a unit. Raises InputError for anything else."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([smh]?)", budget.strip())
    given = float(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < given <= LONGEST:
        raise InputError(f"the budget is {excerpt(budget)}", remedy="Give a time such as 30m, 2h or 90s")
    return given


def _checked(share: float, name: str) -> float:
    if not 0 <= share < 1:
        raise InputError(f"{name} is {share}", remedy="Give a difference of nDCG@10 from 0 to below 1, such as 0.02")
    return share


def _command(request: object, folder: Path) -> str:
    from strop.tuning.request import Request

    assert isinstance(request, Request)
    words = ["strop", "tune", request.collection, "--base", request.base]
    words += [word for guard in request.guards for word in ("--guard", guard)]
    words += ["--budget", f"{request.budget:g}s", "--margin", f"{request.terms.margin:g}", "--seed", str(request.seed)]
    words += ["--fail-under", f"{request.terms.gain:g}"] * bool(request.terms.gain)
    words += ["--allow-trade"] * request.terms.trade + ["--keep-index"] * request.keep_index
    words += ["--truncate-dims", ",".join(map(str, request.dims))] * bool(request.dims)
    words += ["--queries-from", request.endpoint or ""] * bool(request.endpoint)
    words += [word for name in request.beside for word in ("--beside", name)]
    return shlex.join([*words, "--out", str(folder)])


def verdict_table(record: TuneRecord) -> None:
    """Print the verdict, its reasons and its evidence."""
    colour = {"SHIP": "green", "HOLD": "yellow", "TRADE": "red"}[record.decision]
    rows = [["", "queries", "base", "tuned", "difference [95 %]", "at least", "needs", ""]]
    rows += [_row(e, e.collection if e.population == "all" else f"  {e.population}") for e in record.gain]
    rows += [_row(e, f"guard {e.collection}") for e in record.guards]
    rows += [_row(each.evidence, f"beside: {each.recipe}") for each in record.beside]
    rows += [_row(e, f"{d} dimensions") for d, e in record.truncated.items()]
    if len(rows) > 1:
        terminal.table(rows, f"{record.title}, {record.measure}")
    terminal.marked(record.decision, f"bold {colour}", record.verdict)
    for line in (*record.reasons, *record.costs):
        terminal.say(f"  {line}")


def _row(e: Evidence, name: str) -> list[str]:
    difference = f"{signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]"
    means = fixed(e.base), fixed(e.tuned)
    return [
        name,
        f"{e.queries:,}",
        *means,
        difference,
        signed(e.bound),
        f"> {signed(e.threshold) if e.threshold else 0}",
        "✓" if e.passed else "✗",
    ]


def tune_command(
    collection: Annotated[
        str,
        typer.Argument(help="What to tune on: a folder in BEIR's layout, or of documents alone, irds:ID, docstrings."),
    ] = "",
    base: Model = BASE,
    guard: Annotated[
        list[str] | None,
        typer.Option(
            help="A collection on which the model must not get worse; repeatable. Two built-in packages of docstrings "
            "by default; 'none': then SHIP certifies the gain only."
        ),
    ] = None,
    budget: Annotated[str, typer.Option(help="How long it may take: 30m, 2h, 90s.")] = "30m",
    out: Annotated[Path | None, typer.Option(help="The model folder to write; tuned/COLLECTION by default.")] = None,
    margin: Annotated[float, typer.Option(help="The largest nDCG@10 loss allowed on a guard.")] = 0.02,
    fail_under: Annotated[float, typer.Option(help="HOLD unless a gain above this is certified.")] = 0.0,
    allow_trade: Annotated[
        bool, typer.Option("--allow-trade", help="Write the tuned model even if a guard is not certified: TRADE.")
    ] = False,
    keep_index: Annotated[
        bool, typer.Option("--keep-index", help="Tune the query side only: document vectors stay as they are.")
    ] = False,
    truncate_dims: Annotated[
        str, typer.Option(metavar="D,D", help="Also train for vectors cut to these dimensions, 256,128; reported only.")
    ] = "",
    queries_from: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An OpenAI-compatible endpoint that makes queries of documents, to train on; they never certify.",
        ),
    ] = None,
    beside: Annotated[
        list[str] | None, typer.Option(help="A recipe of 'strop train' to show beside the tuned model; repeatable.")
    ] = None,
    seed: Seed = 42,
    recipe: Annotated[
        Path | None, typer.Option(help="The recipe.json that an earlier tuning wrote: the same model again.")
    ] = None,
    json_out: Json = False,
) -> None:
    """Make a model better on your data, and prove it; or get the base back.

    Chooses a recipe on dev queries, trains, walks from the base towards the tuned weights, and tests the one chosen
    model on the test split and on guards. SHIP (exit code 0): a gain is certified, and so is that no guard loses more
    than the margin. HOLD (3): not certified, and the folder holds the base. TRADE (4, only with --allow-trade): the
    gain is certified, a guard is not. Run the same command again to continue an interrupted run.
    """
    import json

    from strop.records.plain import to_plain

    try:
        record = tune(
            collection, base, [] if guard == ["none"] else guard, budget, out, margin, fail_under, allow_trade,
            keep_index, dimensions(truncate_dims), queries_from, seed, recipe, beside or (),
            terminal.progress, terminal.told,
        )  # fmt: skip
    except KeyboardInterrupt:
        typer.secho(
            "HOLD: stopped before anything was certified, and nothing is written; the same command continues", err=True
        )
        raise typer.Exit(HOLD) from None
    if json_out:
        typer.echo(json.dumps(to_plain(record), indent=1))
    else:
        verdict_table(record)
        folder = Path(shlex.split(record.command)[-1])
        model = "an exact copy of the base" if record.decision == "HOLD" else "the tuned model"
        terminal.say(f"Wrote {folder}, {model}, in {duration(sum(record.seconds.values()))}")
        terminal.report(folder / "strop" / "report.html")
    raise typer.Exit({"SHIP": SHIP, "HOLD": HOLD, "TRADE": TRADE}[record.decision])


def dimensions(text: str) -> list[int]:
    """`256,128`. Raises InputError for anything but numbers."""
    if not re.fullmatch(r"([1-9][0-9]{0,5}(,[1-9][0-9]{0,5})*)?", text):
        raise InputError(
            f"--truncate-dims is {excerpt(text)}", remedy="Give numbers with commas between, such as 256,128"
        )
    return [int(part) for part in text.split(",") if part]
