"""The files of a tuning's artifact: its record, the recipe that makes it again, every query's values, and the model."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from strop.models.pretrained import Pretrained
from strop.records.errors import InputError
from strop.records.json_files import read_content
from strop.records.plain import from_plain, to_plain
from strop.records.results import Row, write_json, write_rows
from strop.records.tuned import TuneRecord
from strop.tuning.plan import Plan
from strop.tuning.request import Request

RECORD, RECIPE, QUERIES, MODEL = "tuning.json", "recipe.json", "queries.csv", "model"


@dataclass(frozen=True, slots=True)
class Recipe:
    """What makes the same model again: the request, and the plan that its budget came to. `inputs` are hashes of the
    data, `winner` the candidate that was trained last and longest; both are there to be read."""

    request: Request
    plan: Plan | None
    inputs: Mapping[str, str]
    winner: str | None = None


def write(
    folder: Path,
    record: TuneRecord,
    recipe: Recipe,
    values: Mapping[str, Mapping[str, tuple[float, float]]],
    model: Pretrained | None,
) -> None:
    """`values` are the base's and the tuned model's by collection and query; the model is kept unless it is HOLD."""
    write_json(to_plain(record), folder / RECORD)
    write_json(to_plain(recipe), folder / RECIPE)
    rows = (
        Row("tune", "", system, recipe.request.seed, name, "test", -1, query, record.measure, value)
        for name, of in values.items()
        for query, both in of.items()
        for system, value in zip(("base", "tuned"), both, strict=True)
    )
    write_rows(rows, folder / QUERIES)
    if model is not None and record.decision != "HOLD":
        shutil.copytree(model.path, folder / MODEL)


def read_recipe(path: Path) -> Recipe:
    """Raises InputError for a file that is no recipe of a tuning."""
    try:
        content = read_content(path)
    except InputError as error:
        remedy = "Give a tuning's strop/recipe.json"
        raise InputError(f"no recipe ({error.problem})", where=str(path), remedy=remedy) from None
    return from_plain(Recipe, content, path)
