"""The ledger of looks at test splits: who opens one again and again pays with a stricter test each time."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from filelock import FileLock

from strop.artifacts.store import Store
from strop.records.documents import Collection
from strop.records.errors import InputError
from strop.records.plain import from_plain
from strop.records.results import write_json

#: Splits that share this much of the queries of either are one split: with a few queries added it is no fresh one.
SHARED = 0.1
#: The key of the sum over the others, by which damage is seen.
_SUM = "sha256"


@dataclass(slots=True)
class _Split:
    """Hashes of a test split's query texts, and the number of the look at which each model was tested on it."""

    queries: list[str]
    models: dict[str, int] = field(default_factory=dict)


def look(store: Store, test: Collection, model_key: str) -> int:
    """The number of this look at a test split, from 1: a model that was tested on it before has the number that it had.

    Looks at other splits that share queries with it are counted too. Written before the split is opened, so that a
    killed look counts. The key is a hash of content.
    """
    path = _folder(store) / f"{test.fingerprint}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / "lock"):
        own = _read(path) if path.is_file() else _Split(_hashes(test))
        if model_key not in own.models:
            own.models[model_key] = looks(store, test) + 1
            write_json({**asdict(own), _SUM: _sum(own)}, path)
    return own.models[model_key]


def looks(store: Store, test: Collection) -> int:
    """How many models have been tested on a split, or on one that shares queries with it."""
    own = set(_hashes(test))
    others = [_read(path) for path in sorted(_folder(store).glob("*.json"))]
    same = [each for each in others if len(own & set(each.queries)) >= SHARED * min(len(own), len(each.queries))]
    return len({model for each in same for model in each.models})


def _folder(store: Store) -> Path:
    return store.root / "test-looks"


def _read(path: Path) -> _Split:
    """Raises InputError for a page of the ledger that is damaged: a look that is forgotten makes the next test too
    lenient. Those that were written without a sum have none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        given = value.pop(_SUM, None)
        read = from_plain(_Split, value, path)
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = error.problem if isinstance(error, InputError) else " ".join(str(error).split())
        raise _damaged(path, reason) from None
    if given not in (None, _sum(read)) or value.keys() != {"queries", "models"}:
        raise _damaged(path, "it is not as it was written")
    return read


def _sum(split: _Split) -> str:
    return hashlib.sha256(json.dumps(asdict(split), sort_keys=True).encode()).hexdigest()


def _damaged(path: Path, reason: str) -> InputError:
    remedy = "Restore it from a copy, or remove it: looks at that split are then counted from 1 again"
    return InputError(
        f"the ledger of looks at a test split is damaged ({reason[:200]})", where=str(path), remedy=remedy
    )


def _hashes(test: Collection) -> list[str]:
    return sorted({hashlib.sha256(query.text.encode()).hexdigest()[:16] for query in test.queries.values()})
