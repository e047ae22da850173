"""Docstrings of installed packages, read from their source with `ast`: nothing is imported, nothing is run."""

from __future__ import annotations

import ast
import gc
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from strop.records.errors import InputError

#: Tests, and vendored code, which is not the package's own words. In transformers every folder of `models` repeats
#: its neighbours by policy (a quarter of all pairs, three quarters of those in a template of more than 20).
SKIPPED_FOLDERS = frozenset({"tests", "test", "testing", "externals", "extern", "vendored"})
SKIPPED_MODULES = frozenset({"transformers.models"})

#: Folders named with a leading underscore are private, but for the one where numpy keeps its public functions.
PUBLIC_FOLDERS = frozenset({"_core"})


class Docstring(NamedTuple):
    """One documented object: `qualified` is its dotted name within `package`, `text` its docstring, dedented."""

    package: str
    qualified: str
    text: str


def package_version(package: str, distribution: str) -> str:
    """The installed version, without a local part such as `+cpu`. Raises InputError when it is not installed."""
    try:
        return version(distribution).partition("+")[0]
    except PackageNotFoundError:
        raise InputError(
            f"{package} is not installed, and its docstrings belong to this collection",
            remedy=f"Install it: pip install {distribution}",
        ) from None


def package_docstrings(package: str, path: list[str] | None = None) -> list[Docstring]:
    """Every public class, function and method of a package that has a docstring, by qualified name.

    Left out are objects with a leading underscore and whatever is in private folders, tests, vendored code or a
    function. Of one name the first in the source stays. `path` replaces sys.path. Raises InputError when the package is
    not installed.
    """
    spec = PathFinder.find_spec(package, path)
    if spec is None or not spec.submodule_search_locations:
        raise InputError(f"no source of the package {package} was found", remedy=f"Install it: pip install {package}")
    root = Path(next(iter(spec.submodule_search_locations)))
    by_name: dict[str, Docstring] = {}
    with _quiet_and_fast():
        for module, file in sorted(_modules(root, package)):
            source = file.read_bytes()
            if b'"""' not in source and b"'''" not in source:
                continue
            try:
                tree = ast.parse(source)
            except (SyntaxError, ValueError):  # a template, or syntax newer than this Python
                continue
            for name, text in _documented(tree.body, module):
                by_name.setdefault(name, Docstring(package, name, text))
    return sorted(by_name.values())


@contextmanager
def _quiet_and_fast() -> Iterator[None]:
    """No warnings of other people's escapes; no cyclic collection, which would double the time over syntax trees."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        if collecting:
            gc.enable()


def _modules(folder: Path, module: str) -> Iterator[tuple[str, Path]]:
    """(dotted module, file) below a folder."""
    for entry in folder.iterdir():
        name = entry.name
        if entry.is_dir():
            private = name.startswith((".", "_")) and name not in PUBLIC_FOLDERS
            below = f"{module}.{name}"
            if name.isidentifier() and name not in SKIPPED_FOLDERS and below not in SKIPPED_MODULES and not private:
                yield from _modules(entry, below)
        elif name == "__init__.py":
            yield module, entry
        elif name.endswith(".py") and not name.startswith(("conftest.", "test_", "testing_")):
            yield f"{module}.{name.removesuffix('.py')}", entry


def _documented(body: Iterable[ast.AST], scope: str) -> Iterator[tuple[str, str]]:
    """(qualified name, docstring) of the public definitions of a module or class, also under if, try and with."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            name = f"{scope}.{node.name}"
            if text := ast.get_docstring(node, clean=False):
                yield name, dedented(text.encode(errors="replace").decode())  # an escape can name half a character
            if isinstance(node, ast.ClassDef):
                yield from _documented(node.body, name)
        elif isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            for part in ("body", "handlers", "orelse", "finalbody"):
                yield from _documented(getattr(node, part, ()), scope)


def dedented(text: str) -> str:
    """A docstring without its common indentation (PEP 257), the same under every version of Python."""
    first, *rest = text.expandtabs().splitlines() or [""]
    margin = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[margin:].rstrip() for line in rest)]).strip("\n")
