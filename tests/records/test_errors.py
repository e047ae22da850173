"""Errors cross from one process to another."""

from __future__ import annotations

import ast
import copy
import importlib
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import strop
from strop.records.errors import InputError

PACKAGE = Path(strop.__file__).parent


def classes() -> Iterator[type[BaseException]]:
    """Every exception and warning that strop defines, found in the source: only their modules are imported."""
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and any(
                re.search(r"(Error|Exception|Warning|Interrupt|Exit)$", ast.unparse(base)) for base in node.bases
            ):
                module = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
                yield getattr(importlib.import_module(module), node.name)


OURS = [*classes()]


def made(kind: type[BaseException]) -> BaseException:
    if issubclass(kind, InputError):
        return kind("score 'x' is not a number", where="run.trec:3", remedy="Write a number there")
    return kind("update 3: ü")


def test_the_walk_finds_ours() -> None:
    assert {kind.__name__ for kind in OURS} >= {"InputError", "InputWarning", "NonFiniteLossError", "WorkerError"}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_error_raised_in_another_process_arrives_whole(kind: type[BaseException]) -> None:
    error = made(kind)
    error.add_note("seen at night")
    for arrived in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(arrived) is kind
        assert str(arrived) == str(error)
        assert (arrived.args, vars(arrived)) == (error.args, vars(error))


def test_an_input_error_keeps_its_three_parts() -> None:
    arrived = pickle.loads(pickle.dumps(made(InputError)))
    assert str(arrived) == "run.trec:3: score 'x' is not a number. Write a number there"
    assert (arrived.problem, arrived.remedy, arrived.where) == (
        "score 'x' is not a number", "Write a number there", "run.trec:3",
    )  # fmt: skip
