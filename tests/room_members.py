"""The members of a room, found by walking it, so that a contract suite cannot miss a new one."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any


def modules(room: str) -> Iterator[ModuleType]:
    """Every module of a room of the package."""
    package = import_module(f"strop.{room}")
    return (import_module(found.name) for found in walk_packages(package.__path__, f"{package.__name__}."))


def classes(room: str, *methods: str) -> set[type]:
    """The classes of a room, without its Protocols, that have all these methods."""
    return {
        member
        for module in modules(room)
        for _, member in inspect.getmembers(module, inspect.isclass)
        if member.__module__ == module.__name__ and not getattr(member, "_is_protocol", False)
        if all(callable(getattr(member, method, None)) for method in methods)
        if "__call__" not in methods or "__call__" in vars(member)
    }


def functions(room: str) -> dict[str, Any]:
    """The public functions of a room, by name."""
    return {
        name: member
        for module in modules(room)
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if member.__module__ == module.__name__ and not name.startswith("_")
    }
