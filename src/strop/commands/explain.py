"""`strop explain`: the geometry of a model, alone or compared with its base; a Results folder with a page."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import store
from strop.commands import terminal
from strop.commands.inputs import check, load, warn
from strop.commands.options import DOCSTRINGS, Split


def explain(
    model: str,
    base: str | None = None,
    collection: str = DOCSTRINGS,
    split: str = "test",
    queries: int = 256,
    documents: int = 1024,
    progress: Progress = silent,
) -> Path:
    """Measure the geometry of `model` on a sample of a collection, compared with `base` if there is one.

    Returns a Results folder that also holds `report.html`. Models are sentence-transformers folders or hub ids, trained
    by any tool. Raises InputError for a sample larger than the collection.
    """
    from strop.models.pretrained import resolve

    check(collection, split)
    chosen = {name: resolve(name) for name in dict.fromkeys((base, model)) if name is not None}

    from strop.artifacts.keys import content_key, package_sha256  # and, below, torch, which no wrong path waits for
    from strop.monitoring.diagnose import exhibit, pictures, readings, sample_of, weight_distances
    from strop.monitoring.probe import of_collection
    from strop.records.plain import to_plain
    from strop.records.record import ExplainRecord
    from strop.records.results import Exhibits, Results, Row, write_results
    from strop.report.page import render

    probe = of_collection(load(collection, split), queries, documents)
    samples = {name: sample_of(store(), each, probe, progress) for name, each in chosen.items()}
    widths = {name: sample.documents.shape[1] for name, sample in samples.items()}
    if len(set(widths.values())) > 1:
        dimensions = " and ".join(f"{name} has {width}" for name, width in widths.items())
        left_out = "comparisons within one space (shift, pictures, weights) are left out"
        warn(f"{dimensions} dimensions: {left_out}")
    with progress("measure the geometry", len(samples)) as advance:
        values = {}
        for name, sample in samples.items():
            values[name] = readings(sample, samples[base] if base and base != name else None)
            advance(1)
    with progress("draw", 1) as advance:
        projections = pictures(samples, base or model)
        advance(1)
    comparable = len(samples) > 1 and len(set(widths.values())) == 1
    geometry = replace(
        exhibit(samples, base, values),
        pictures=projections,
        layers={model: weight_distances(chosen[model], chosen[base])} if base and comparable else None,
    )
    facts: dict[str, str | int] = {"Collection": f"{collection}, {split}", "Queries": queries, "Documents": documents}
    about = ExplainRecord(
        title=f"{model} beside {base}" if base else model,
        command=shlex.join(["strop", "explain", model, *([base] if base else []), "--on", collection]),
        facts=facts | {("Base" if name == base else "Model"): each.title for name, each in chosen.items()},
    )
    rows = tuple(
        Row("explain", "", name, 0, collection, split, -1, "", f"geometry/{diagnostic}", reading[0])
        for name, of in geometry.models.items()
        for diagnostic, reading in {**of.own, **of.moved}.items()
    )
    key = content_key(to_plain(about), {n: m.identity for n, m in chosen.items()}, package_sha256())[:8]
    folder = store().root / "results" / f"explain-{Path(collection).name}-{key}"
    write_results(Results(rows, (), Exhibits(geometry=geometry), about), folder)
    render(folder, folder / "report.html", replace=True)
    return folder


def geometry_table(folder: Path) -> None:
    """Print the Results folder of `strop explain` as one table."""
    from strop.records.record import ExplainRecord
    from strop.records.results import read_results
    from strop.report.geometry import detailed_rows

    results = read_results(folder, ExplainRecord)
    assert results.exhibits.geometry
    rows = detailed_rows(results.exhibits.geometry)
    terminal.table([("diagnostic", "base", "model", "change or value [95 %]"), *rows], results.record.title)
    terminal.say("▲ better, ▼ worse, ■ changed: the interval excludes zero")
    terminal.report(folder / "report.html")


def explain_command(
    model: Annotated[str, typer.Argument(help="A model folder or a hub id, trained by any tool.")],
    base: Annotated[str | None, typer.Argument(help="The model it was tuned from, to compare with.")] = None,
    on: Annotated[str, typer.Option(help="The collection to sample texts from.")] = DOCSTRINGS,
    split: Split = "test",
    queries: Annotated[int, typer.Option(min=4, help="Number of queries to sample.")] = 256,
    documents: Annotated[int, typer.Option(min=50, help="Number of documents to sample.")] = 1024,
) -> None:
    """Show how tuning changed a model's embedding space.

    Prints every diagnostic (collapse, hubs, drift, …) with its interval and writes a page with pictures. Without a
    base, one model is described alone.
    """
    geometry_table(explain(model, base, on, split, queries, documents, terminal.progress))
