"""A peer in an environment of its own, run as a script there by that environment's Python: nothing of strop is.

    python -P peer_process.py PEER ARGUMENTS

ARGUMENTS is a JSON object. Says facts in a line of JSON once it has done the work, then the seconds of each turn that a
line on its input asks for.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

BATCHES = (8, 16, 32, 64, 128)
#: Texts of the sweep for a batch size.
SWEEP = 128

Work = Callable[[], object]


def best_batch(encode: Callable[[Sequence[Any], int], object], texts: Sequence[Any]) -> int:
    """The batch size at which some texts, spread over all, are encoded fastest, each tried twice."""
    count = min(SWEEP, len(texts))
    some = [texts[i * len(texts) // count] for i in range(count)]
    encode(some, BATCHES[0])
    return min(BATCHES, key=lambda size: min(_seconds(lambda: encode(some, size)) for _ in range(2)))


def exported(model: str, backend: str, texts: str, out: str, threads: int) -> tuple[dict[str, Any], Work]:
    """Sentence-transformers with ONNX Runtime or OpenVINO, at its best batch; the export is timed too."""
    import numpy as np
    from sentence_transformers import SentenceTransformer

    if backend == "onnx":
        import onnxruntime  # type: ignore[import-not-found]

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        settings = {"provider": "CPUExecutionProvider", "session_options": options}
    else:
        settings = {"ov_config": {"INFERENCE_NUM_THREADS": str(threads)}}
    if version("sentence-transformers") < "6":
        model = _for_earlier(model, Path(out).parent / "for-earlier")
    started = time.perf_counter()
    encoder: Any = SentenceTransformer(model, backend=backend, model_kwargs=settings)  # type: ignore[arg-type]
    seconds = time.perf_counter() - started
    with open(texts, encoding="utf-8") as file:
        passages = json.load(file)

    def encode(some: Sequence[str], size: int) -> Any:
        return encoder.encode_document(some, batch_size=size, show_progress_bar=False)

    size = best_batch(encode, passages)
    np.save(out, encode(passages, size))
    packages = ("sentence-transformers", "transformers", {"onnx": "onnxruntime"}.get(backend, backend))
    return {
        "export_seconds": seconds,
        "batch": size,
        "versions": {name: version(name) for name in packages},
    }, lambda: encode(passages, size)


def _for_earlier(model: str, folder: Path) -> str:
    """The model with its modules under the names that version 5 knows; the files are links."""
    shutil.copytree(model, folder, copy_function=os.symlink)
    path = folder / "modules.json"
    modules = json.loads(path.read_text(encoding="utf-8"))
    for module in modules:
        if module["type"].startswith("sentence_transformers."):
            module["type"] = "sentence_transformers.models." + module["type"].rpartition(".")[2]
    path.unlink()
    path.write_text(json.dumps(modules), encoding="utf-8")
    return str(folder)


def faiss(vectors: str, queries: str, depth: int, out: str, threads: int) -> tuple[dict[str, Any], Work]:
    """IndexFlatIP's search, of vectors that are in the index."""
    import faiss  # type: ignore[import-not-found]
    import numpy as np

    faiss.omp_set_num_threads(threads)
    documents, asked = np.load(vectors), np.load(queries)
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    del documents
    scores, rows = index.search(asked, depth)
    np.savez(out, scores=scores, rows=rows)
    return {"versions": {"faiss-cpu": version("faiss-cpu")}}, lambda: index.search(asked, depth)


def _seconds(work: Work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    answers, sys.stdout = sys.stdout, sys.stderr  # libraries print
    peers: dict[str, Callable[..., tuple[dict[str, Any], Work]]] = {"exported": exported, "faiss": faiss}
    facts, work = peers[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps(facts), file=answers, flush=True)
    for _ in sys.stdin:
        print(_seconds(work), file=answers, flush=True)


if __name__ == "__main__":
    main()
