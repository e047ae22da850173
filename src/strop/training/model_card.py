"""The model card of a tuned model: what it was made from, and how, in the hub's own form."""

from __future__ import annotations

import json
from pathlib import Path

from strop.artifacts.store import Artifact
from strop.models.loading import is_cross_encoder

_CARD = """---
library_name: sentence-transformers
pipeline_tag: {task}
{hub_base}tags:
- sentence-transformers
- {kind}
- strop
---

# {base}, tuned with strop

```python
from sentence_transformers import {loader}

model = {loader}("PATH")
```

Trained on {groups:,} examples; {trainable:,} of {total:,} parameters.{adapter}

```json
{values}
```

Libraries: {libraries}. Artifact {key}.
"""


_VECTORS = {"task": "sentence-similarity", "kind": "feature-extraction", "loader": "SentenceTransformer"}
_PAIRS = {"task": "text-ranking", "kind": "cross-encoder", "loader": "CrossEncoder"}


def write_card(artifact: Artifact, path: str | Path) -> None:
    """Write the card of a training artifact. Whether it beats its base is not on it: `strop evaluate` says that."""
    record = artifact.record
    base = str(record["base"])
    Path(path).write_text(
        _CARD.format(
            **(_PAIRS if is_cross_encoder(artifact.path / "model") else _VECTORS),
            base=base,
            hub_base=f"base_model: {base}\n" if "/" in base else "",
            groups=record["groups"],
            trainable=record["ledger"]["trainable"],
            total=record["ledger"]["total"],
            adapter=" The LoRA adapter is merged, and kept in `adapter/`."
            if (artifact.path / "model" / "adapter").is_dir()
            else "",
            values=json.dumps(record["values"], indent=1),
            libraries=", ".join(f"{name} {version}" for name, version in record["libraries"].items()),
            key=artifact.key,
        ),
        encoding="utf-8",
    )
