"""What a tuning leaves behind: the model's folder, with card, page, recipe and every query's values in `strop/`."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from strop.artifacts.store import Artifact
from strop.models.loading import loaded_by
from strop.models.pretrained import Pretrained
from strop.records.errors import InputError
from strop.records.formats import fixed, signed
from strop.records.plain import to_plain
from strop.records.results import read_json, write_json
from strop.records.tuned import Evidence, TuneRecord
from strop.records.writing import whole_folder
from strop.training.card_text import markdown, yaml_string
from strop.training.model_card import KINDS
from strop.tuning.artifact import MODEL, QUERIES, RECIPE, RECORD

#: Where everything lies that is not the model's.
INSIDE = "strop"


def write(tuned: Artifact, base: Pretrained, command: str, out: Path) -> TuneRecord:
    """Write the tuned model, or for HOLD the base's files byte for byte, whole or not at all. Returns the record.

    A folder that this very tuning wrote before is left as it is.
    """
    record = replace(read_json(TuneRecord, tuned.path / RECORD), command=command)
    if written(out) == tuned.key:
        return record
    try:
        with whole_folder(out) as own:
            _fill(own, tuned, base, record)
    except InputError:
        if written(out) != tuned.key:  # else the same command has run beside this one
            raise
    return record


def _fill(folder: Path, tuned: Artifact, base: Pretrained, record: TuneRecord) -> None:
    hold = record.decision == "HOLD"
    for path in sorted((base.path if hold else tuned.path / MODEL).iterdir()):
        if path.name == INSIDE:
            continue  # of an earlier tuning, that of the base
        (shutil.copytree if path.is_dir() else shutil.copy)(path, folder / path.name)
    inside = folder / INSIDE
    inside.mkdir()
    for name in (RECIPE, QUERIES):
        shutil.copy(tuned.path / name, inside / name)
    write_json(to_plain(record), inside / RECORD)
    (inside / "key").write_text(tuned.key + "\n", encoding="utf-8")
    if not hold:
        (folder / "README.md").write_text(_card(record, loaded_by(folder), base), encoding="utf-8")


def written(out: Path) -> str:
    """The key of the tuning that wrote a folder; empty where none did."""
    path = out / INSIDE / "key"
    return path.read_text(encoding="utf-8").strip() if path.is_file() else ""


def _card(record: TuneRecord, loader: str, base: Pretrained) -> str:
    """Every figure on it was measured on the test split or on guards' test queries."""
    task, kind = KINDS[loader]
    head = ["---", "library_name: sentence-transformers", f"pipeline_tag: {task}"]
    head += [f"base_model: {yaml_string(base.title)}"] * ("/" in base.title)
    head += ["tags:", "- sentence-transformers", f"- {kind}", "- strop", "---", ""]
    winner = next(p for p in record.path if p.chosen)
    trained = record.tried[winner.training]
    ends = {"last": "the last update's weights", "average": "the average of late checkpoints"}
    rows = [*record.gain, *record.guards, *record.truncated.values()]
    body = [
        f"# {markdown(record.base)}, tuned on {markdown(record.collection)} with strop",
        "",
        f"**{record.decision}**: {markdown(record.verdict)}",
        "",
        *(f"- {markdown(reason)}" for reason in record.reasons),
        "",
        "```python",
        f"from sentence_transformers import {loader}",
        "",
        f'model = {loader}("PATH")',
        "```",
        "",
        f"{markdown(record.measure)} on test queries, tuned against the base, with 95 % intervals:",
        "",
        "| collection | queries | base | tuned | difference |",
        "|---|---:|---:|---:|---|",
        *(_row(e) for e in rows),
        "",
        f"Trained on {trained.pairs:,} pairs ({markdown(trained.name)}); its weights are {winner.share:.0%} of the way "
        f"to {ends[winner.end]}.",
        f"The same model again: `strop tune --recipe {INSIDE}/{RECIPE}`. Every query's values: `{INSIDE}/{QUERIES}`.",
        "",
    ]
    return "\n".join([*head, *body])


def _row(e: Evidence) -> str:
    name = e.collection if e.population == "all" else f"{e.collection}, {e.population}"
    figures = f"{fixed(e.base)} | {fixed(e.tuned)} | {signed(e.difference)} [{signed(e.low)}, {signed(e.high)}]"
    return f"| {markdown(name)} | {e.queries:,} | {figures} |"
