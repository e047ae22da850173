"""What strop itself has written, damaged: artifacts, checkpoints, logbooks, Results, ledgers, recipes of tunings.

A command that reads it computes the same as before, having made the damaged part anew, or says which file it is.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import tiny_models
from small_collection import small_collection

from campaign import breakages
from campaign.command import Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refused

#: Of any file that strop writes, text or not.
_BYTES: Mapping[str, breakages.Break] = {
    name: breakages.ANY[name] for name in ("cut", "empty", "blank", "bit flipped", "trailing garbage", "file twice")
}


@dataclass(frozen=True)
class _Kept:
    """A kind of kept work: the files of it, what makes it in a folder (with `strop`), the command that reads it, and
    what that command must leave to have read it right; `lost` is removed before, so that it does read it."""

    files: str
    make: Callable[[Strop, Path], None]
    command: Sequence[str]
    result: str
    before: str = ""
    lost: Sequence[str] = ()
    #: Of a page: other words may be right where a word of what it shows was changed, but it has to be whole.
    page: bool = False
    #: Whether what is missing was, for all that can be known, never written.
    may_go: bool = False


def _models(folder: Path) -> None:
    small_collection(folder / "small")
    tiny_models.build(folder / "made").rename(folder / "model")
    shutil.rmtree(folder / "made")
    rows = ({"query": q, "positive": d} for q, d in zip(*tiny_models.toy_words(60), strict=True))
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _done(strop: Strop, words: Sequence[str], folder: Path, before: str = "", code: int = 0) -> None:
    ended = strop([*words], folder, before=before)
    assert ended.code == code, f"{' '.join(words)}: {ended}"


_SEARCH = ("search", "small", "out.trec", "--model", "model")
_TRAIN = ("train", "pairs.jsonl", "out", "--model", "model", "--set", "updates=6", "--set", "batching.size=8")


def _searched(strop: Strop, folder: Path) -> None:
    _models(folder)
    _done(strop, _SEARCH, folder)


def _killed(strop: Strop, folder: Path) -> None:
    _models(folder)
    _done(strop, _TRAIN, folder, "campaign.kept_work:stop_after_a_checkpoint", code=9)


def _trained(strop: Strop, folder: Path) -> None:
    _models(folder)
    _done(strop, _TRAIN, folder)


def _logged(strop: Strop, folder: Path) -> None:
    _trained(strop, folder)
    (training,) = (folder / "home" / "train").glob("*/run.json")
    shutil.move(training.parent, folder / "training")


def _reported(strop: Strop, folder: Path) -> None:
    from report import synthetic

    folder.mkdir(exist_ok=True)
    synthetic.folder(folder / "results", queries=20)


def _looked(strop: Strop, folder: Path) -> None:
    _models(folder)
    for _ in range(2):
        _done(strop, ("doctor",), folder, "campaign.kept_work:look")


def _recipe(strop: Strop, folder: Path) -> None:
    from strop.records.plain import to_plain
    from strop.tuning.artifact import Recipe
    from strop.tuning.request import Request

    folder.mkdir(exist_ok=True)
    request = Request("small", "model", ("docstrings:numpy",), 60.0, dims=(16, 8), beside=("triplet-full",))
    plain = to_plain(Recipe(request, None, {"small": "0" * 64}, "winner"))
    (folder / "recipe.json").write_text(json.dumps(plain, indent=1), encoding="utf-8")


def stop_after_a_checkpoint() -> None:
    """In the command's process: it ends with its third checkpoint, as if it were killed there."""
    from strop.training import checkpoint, loop

    save = checkpoint.save

    def saved(folder: Path, step: int, *more: object) -> None:
        save(folder, step, *more)  # type: ignore[arg-type]
        if step == 3:
            os._exit(9)

    checkpoint.save = saved  # type: ignore[assignment]
    loop.train = partial(loop.train, checkpoint_seconds=0.0)  # type: ignore[assignment]


def look() -> None:
    """In the command's process: instead of the command, a look at the test split is entered in the ledger."""
    from strop.artifacts.store import store
    from strop.collection import door
    from strop.commands import tree
    from strop.tuning import ledger

    def looked(words: object) -> int:
        data = door.load("small", "test")
        Path("looks").write_text(
            f"{ledger.looks(store(), data)} {ledger.look(store(), data, 'a model')}", encoding="utf-8"
        )
        return 0

    tree.invoke = looked


def show_request() -> None:
    """In the command's process: what was read of a recipe is written down, and nothing is tuned."""
    from strop.records.plain import to_plain
    from strop.tuning.tune import Tuning

    def shown(request: object, *more: object) -> None:
        Path("request.json").write_text(json.dumps(to_plain(request), sort_keys=True), encoding="utf-8")
        sys.exit(0)

    Tuning.of = shown  # type: ignore[method-assign, assignment]


_KINDS: Mapping[str, _Kept] = {
    "run in the store": _Kept("home/search/*/*", _searched, _SEARCH, "out.trec"),
    "vectors in the store": _Kept("home/encode/*/*", _searched, _SEARCH, "out.trec", lost=("home/search",)),
    "tokens in the store": _Kept(
        "home/tokens/*/*", _searched, _SEARCH, "out.trec", lost=("home/search", "home/encode")
    ),
    "model in the store": _Kept("home/train/*/**/*", _trained, _TRAIN, "out/model.safetensors"),
    "checkpoint": _Kept("home/train/*.partial/**/*", _killed, _TRAIN, "out/model.safetensors"),
    "logbook": _Kept("training/*.*", _logged, ("study", "report", "training", "page.html"), "page.html", page=True),
    "Results": _Kept(
        "results/**/*.*", _reported, ("study", "report", "results", "page.html"), "page.html", page=True
    ),
    "ledger": _Kept("home/test-looks/*.json", _looked, ("doctor",), "looks", "campaign.kept_work:look", may_go=True),
    "recipe of a tuning": _Kept(
        "recipe.json", _recipe, ("tune", "--recipe", "recipe.json", "--out", "out"), "request.json",
        "campaign.kept_work:show_request",
    ),
}  # fmt: skip


def _attacks(name: str, strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    kind = _KINDS[name]
    whole = work / "whole"
    if not whole.exists():
        kind.make(strop, whole)
        _remove(whole, ("out.trec", "out", "looks"))
        shutil.copytree(whole, work / "right")
        _remove(work / "right", kind.lost)
        _done(strop, kind.command, work / "right", kind.before)
    right = (work / "right" / kind.result).read_bytes()
    found = [path.relative_to(whole).as_posix() for path in sorted(whole.glob(kind.files))]
    every = [file for file in found if (whole / file).is_file() and not file.endswith(".lock")]

    def fresh(file: str) -> Path:
        shutil.rmtree(work / "case", ignore_errors=True)
        shutil.copytree(whole, work / "case")
        _remove(work / "case", kind.lost)
        return work / "case" / file

    each = [
        breakages.attacks(
            partial(fresh, file),
            _BYTES | (breakages.json_file() if file.endswith(".json") else {}),
            rng,
            (),
            text=False,
        )
        for file in rng.sample(every, len(every))
    ]
    for title, path, _ in breakages.in_turn(each):
        if kind.may_go and not path.exists():
            continue
        file = path.relative_to(work / "case").as_posix()
        yield Case(name, f"{_keyless(file)}, {title}", *_verdict(strop, kind, work / "case", path, right))


DOORS: Mapping[str, Attacks] = {name: partial(_attacks, name) for name in _KINDS}


def _verdict(strop: Strop, kind: _Kept, folder: Path, path: Path, right: bytes) -> tuple[Verdict, str]:
    before = files(folder)
    ended = strop([*kind.command], folder, before=kind.before)
    if ended.code:
        return refused(ended, (path.name, path.parent.name), folder, before)
    made = (folder / kind.result).read_bytes()
    if kind.page:
        whole = made.rstrip().endswith(b"</html>")
        return ("exact", "") if whole else ("silent", "half a page")
    if kind.result == "request.json":
        return _same_request(made, path)
    return ("exact", "") if made == right else ("silent", f"{kind.result} is another one")


def _same_request(made: bytes, recipe: Path) -> tuple[Verdict, str]:
    try:
        written, read = json.loads(recipe.read_text(encoding="utf-8"))["request"], json.loads(made)
    except (ValueError, KeyError, OSError) as error:
        return "silent", f"accepted, but a plain reader says: {error!r:.200}"
    other = [name for name in read if name in written and not _same(written[name], read[name])]
    return (
        ("silent", f"{other[0]} is {written[other[0]]!r:.80} and was read as {read[other[0]]!r:.80}")
        if other
        else ("exact", "")
    )


def _same(written: object, read: object) -> bool:
    """Whether a value was read as it was written; what was left out of an object has its default."""
    if isinstance(written, dict) and isinstance(read, dict):
        return all(name in read and _same(each, read[name]) for name, each in written.items() if name in read)
    return written == read and type(written) is type(read)


def _remove(folder: Path, names: Sequence[str]) -> None:
    for name in names:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def _keyless(file: str) -> str:
    """Without the key of an artifact, which says nothing to a reader."""
    return re.sub(r"\b[0-9a-f]{20,64}\b", "KEY", file)
