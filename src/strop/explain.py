"""Explain: what the geometry of a model, or of a model beside its base, says; a Results folder with a page."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path

from strop.artifacts import content_key, package_sha256
from strop.collection.docstrings import NAME as DOCSTRINGS
from strop.commands import load, store
from strop.diagnose import exhibit, pictures, readings, sample_of, weight_distances
from strop.models.pretrained import resolve
from strop.nouns import InputWarning
from strop.probe import DOCUMENTS, QUERIES, of_collection
from strop.report.page import render
from strop.results import Results, Row, write_results
from strop.stages import Progress, silent


def explain(
    model: str,
    base: str | None = None,
    collection: str = DOCSTRINGS,
    split: str = "test",
    queries: int = QUERIES,
    documents: int = DOCUMENTS,
    progress: Progress = silent,
) -> Path:
    """Read the geometry of `model` on a probe of a collection, beside `base` if given; returns a Results folder.

    The folder holds `report.html` too. Models may have been trained by anything: two sentence-transformers folders or
    hub ids. Raises InputError for a probe larger than the collection.
    """
    probe = of_collection(load(collection, split), queries, documents)
    chosen = {name: resolve(name) for name in dict.fromkeys((base, model)) if name}
    samples = {name: sample_of(store(), each, probe, progress) for name, each in chosen.items()}
    widths = {name: sample.documents.shape[1] for name, sample in samples.items()}
    if len(set(widths.values())) > 1:
        said = " and ".join(f"{name} has {width}" for name, width in widths.items())
        left_out = "what compares vectors in one space (shift, pictures, weights) is left out"
        warnings.warn(f"{said} dimensions: {left_out}", InputWarning, stacklevel=2)
    with progress("read the geometry", len(samples)) as advance:
        seen = {}
        for name, sample in samples.items():
            seen[name] = readings(sample, samples[base] if base and base != name else None)
            advance(1)
    shown = exhibit(samples, base, seen)
    with progress("draw", 1) as advance:
        shown["pictures"] = pictures(samples, base or model)
        advance(1)
    if base and len(samples) > 1 and len(set(widths.values())) == 1:
        shown["layers"] = {model: weight_distances(chosen[model], chosen[base])}
    about = {
        "study": "explain",
        "title": f"{model} beside {base}" if base else model,
        "command": shlex.join(["strop", "explain", model, *([base] if base else []), "--on", collection]),
        "facts": {"Collection": f"{collection}, {split}", "Queries": queries, "Documents": documents}
        | {("Base" if name == base else "Model"): each.title for name, each in chosen.items()},
    }
    rows = tuple(
        Row("explain", "", name, 0, collection, split, -1, "", f"geometry/{diagnostic}", reading[0])
        for name, of in shown["models"].items()
        for diagnostic, reading in {**of["own"], **of["moved"]}.items()
    )
    key = content_key(about, {n: m.identity for n, m in chosen.items()}, package_sha256())[:8]
    folder = store().root / "results" / f"explain-{Path(collection).name}-{key}"
    write_results(Results(rows, (), {"geometry": shown}, about), folder)
    render(folder, folder / "report.html")
    return folder
