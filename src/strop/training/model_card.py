"""The model card of a tuned model: what it was made from, and how, in the hub's own form."""

from __future__ import annotations

import json
from pathlib import Path

from strop.artifacts.store import Artifact
from strop.models.loading import loaded_by
from strop.training.card_text import markdown, yaml_string

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

Trained on {groups:,} examples; {ledger[trainable]:,} of {ledger[total]:,} parameters.{adapter}

```json
{values}
```

Libraries: {libraries}. Artifact {key}.
"""


#: By the class that loads the model, its task on the hub and what the hub calls its kind.
KINDS = {
    "SentenceTransformer": ("sentence-similarity", "feature-extraction"),
    "CrossEncoder": ("text-ranking", "cross-encoder"),
    "MultiVectorEncoder": ("feature-extraction", "multi-vector"),
}


def write_card(artifact: Artifact, path: str | Path) -> None:
    """Write the card of a training artifact. Whether it beats its base is not on it: `strop evaluate` says that."""
    record, model = artifact.record, artifact.path / "model"
    base, loader = str(record["base"]), loaded_by(model)
    task, kind = KINDS[loader]
    merged = " The LoRA adapter is merged, and kept in `adapter/`."
    card = _CARD.format(
        task=task,
        kind=kind,
        loader=loader,
        base=markdown(base),
        hub_base=f"base_model: {yaml_string(base)}\n" if "/" in base else "",
        groups=record["groups"],
        ledger=record["ledger"],
        adapter=merged if (model / "adapter").is_dir() else "",
        values=json.dumps(record["values"], indent=1),
        libraries=", ".join(f"{name} {version}" for name, version in record["libraries"].items()),
        key=artifact.key,
    )
    Path(path).write_text(card, encoding="utf-8")
