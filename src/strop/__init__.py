"""strop: fine-tune neural retrievers, settle whether it helped, and see why.

The names below are loaded when they are first used, so that `import strop` is instant. The rest is imported from
its own file. A name here must not be a file's name as well (`strop.train` is the file).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strop.claims import Claim as Claim
    from strop.collection.door import load as load
    from strop.doctor import examine as examine
    from strop.lexical import BM25 as BM25
    from strop.losses.contrastive import InfoNCE as InfoNCE
    from strop.losses.triplet import Triplet as Triplet
    from strop.measures import measure as measure
    from strop.models.adapters import Full as Full
    from strop.models.adapters import LoRA as LoRA
    from strop.models.dense import Dense as Dense
    from strop.nouns import Collection as Collection
    from strop.nouns import InputError as InputError
    from strop.results import read_results as read_results
    from strop.runs import Run as Run
    from strop.significance import compare as compare
    from strop.train import Recipe as Recipe

_FACE = {
    "BM25": "strop.lexical",
    "Claim": "strop.claims",
    "Collection": "strop.nouns",
    "Dense": "strop.models.dense",
    "Full": "strop.models.adapters",
    "InfoNCE": "strop.losses.contrastive",
    "InputError": "strop.nouns",
    "LoRA": "strop.models.adapters",
    "Recipe": "strop.train",
    "Run": "strop.runs",
    "Triplet": "strop.losses.triplet",
    "compare": "strop.significance",
    "examine": "strop.doctor",
    "load": "strop.collection.door",
    "measure": "strop.measures",
    "read_results": "strop.results",
}
__all__ = list(_FACE)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("strop")
    if name not in _FACE:
        raise AttributeError(f"module 'strop' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_FACE[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE, "__version__"])
