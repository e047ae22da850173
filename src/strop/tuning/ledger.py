"""The ledger of looks at test splits: who opens one again and again pays with a stricter test each time."""

from __future__ import annotations

import json
import os
from pathlib import Path

from filelock import FileLock

from strop.artifacts.store import Store


def look(store: Store, test_key: str, model_key: str) -> int:
    """The number of this look at a test split, from 1: a model that was there before has the number that it had.

    Written before the split is opened, so that a killed look counts. Both keys are hashes of content.
    """
    path = store.root / "looks" / f"{test_key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        models: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
        if model_key not in models:
            models.append(model_key)
            partial = Path(f"{path}.partial")
            partial.write_text(json.dumps(models, indent=1) + "\n", encoding="utf-8")
            os.replace(partial, path)
    return models.index(model_key) + 1


def looks(store: Store, test_key: str) -> int:
    """How many models have been tested on a split."""
    path = store.root / "looks" / f"{test_key}.json"
    return len(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else 0
