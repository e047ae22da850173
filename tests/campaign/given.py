"""What the commands of a campaign read: tiny data, and models of random weights, each made when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import tiny_models
from learnable_collection import learnable_collection
from small_collection import small_collection

from campaign.command import Strop
from strop.models.late_interaction import Late

UPDATES = ("--set", "updates=4", "--set", "batching.size=6")
#: What a plan measures, and what follows from it, given: a tuning is then a function of its data.
_PLAN: dict[str, Any] = dict.fromkeys(
    ("encoded_per_second", "trained_per_second", "certify_seconds", "look_seconds", "train_seconds"), 1.0
) | {
    "precision": "float32",
    **dict.fromkeys(("query_tokens", "document_tokens", "whole_document_tokens"), 14.0),
    "rounds": [{"candidates": 1, "pairs": 64}],
    "shares": [1.0],
    "average_shares": [],
}


class Given:
    """`given("a.trec")` is the path of a run below `folder`; whatever a command of strop makes, it has made."""

    def __init__(self, strop: Strop, folder: Path) -> None:
        self._strop, self.folder = strop, folder
        self._makers: dict[str, Callable[[Path], object]] = {
            "small": small_collection,
            "own": learnable_collection,
            "guard": lambda at: learnable_collection(at, seed=4, splits={"test": 240}),
            "base/model": lambda at: tiny_models.build(at.parent, markers=True),
            "late": lambda at: Late(query_length=12, document_length=40).convert(self("base/model"), at),
            "a.trec": lambda at: self._run("search", self("small"), at, "--model", "bm25"),
            "b.trec": lambda at: self._run("search", self("small"), at, "--model", self("base/model")),
            "examples.jsonl": lambda at: self._run("mine", self("small"), at, "--from", "bm25", "--window", "2-20"),
            "reranker": self._reranker,
            "recipe.json": self._recipe,
            "study.py": self._study,
            "results": self._results,
        }

    def __call__(self, name: str) -> Path:
        path = self.folder / name
        if not path.exists():
            self.folder.mkdir(exist_ok=True)
            self._makers[name](path)
        return path

    def make(self, words: Sequence[str]) -> None:
        """All that the words of a command name."""
        for word in words:
            if Path(word).is_relative_to(self.folder):
                self(Path(word).relative_to(self.folder).as_posix())

    def _run(self, *words: str | Path) -> None:
        ended = self._strop(list(map(str, words)), self.folder, limit=120)
        assert ended.code == 0, f"{words}: {ended.code}: {ended.err}"

    def _reranker(self, at: Path) -> None:
        kind = ("--as", "reranker", "--recipe", "rerank-bce", "--model", self("base/model"))
        self._run("train", self("examples.jsonl"), at, *kind, *UPDATES)

    def _recipe(self, at: Path) -> None:
        request = {"collection": str(self("own")), "base": str(self("base/model")), "guards": [str(self("guard"))]}
        terms = {"margin": 0.9, "gain": -1.0}  # whatever was learnt ships
        recipe = {"request": {**request, "terms": terms}, "plan": _PLAN, "inputs": {}}
        at.write_text(json.dumps(recipe), encoding="utf-8")

    def _study(self, at: Path) -> None:
        model, small = str(self("base/model")), str(self("small"))
        lines = ("from pathlib import Path", "from small_study import study_of", "")
        at.write_text("\n".join(lines) + f"STUDY = study_of(Path({model!r}), Path({small!r}))\n", encoding="utf-8")

    def _results(self, at: Path) -> None:
        self._run("study", "run", self("study.py"), "--scale", "tiny", "--preset", "untuned")
        next(path for path in (self.folder / "home/results").iterdir() if path.is_dir()).rename(at)
