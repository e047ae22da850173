"""Commands that write, each on tiny data and models of random weights, and when two outputs are the same."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from campaign import faults
from campaign.command import Ended, Strop
from campaign.faults import Fault
from campaign.given import UPDATES, Given
from campaign.verdicts import Verdict, refusal
from strop.records.seals import FILES, OWN

#: Stands for the output among a command's words.
OUT = "OUT"
#: A user's own files, where a program might think of putting its own.
MINE = {f"out/result.{end}": b"a user's own" for end in ("partial", "tmp", "lock")} | {"out/.result": b"a user's own"}
#: A number that a clock decided, by the key that it has in JSON, or by its measure in a table.
#: And a tuning's audit, which tells what can be expected to be certified after so many looks: a killed one counts.
_CLOCK = re.compile(r"second|start|^ended|memory|^monitor|^clock|^command$|^versions$|rates?$|^audit$")
_CLOCK_ROW = re.compile(r"clock/|_per_second|_seconds")
#: Any on a page or a card, where a clock's stand among the others, which are in tables too.
_SPOKEN = re.compile(r"\d[\d.,:T+-]*")
_KEY = re.compile(r"(?<=\w)-[0-9a-f]{8}/")


@dataclass(frozen=True, slots=True)
class Work:
    """A command. `out` is what it writes, seen from its folder, and OUT its name among the words; `home` is the command
    whose store it starts with; `codes` are the exit codes of success."""

    name: str
    words: tuple[str, ...]
    out: str = "out/result"
    home: str = ""
    codes: tuple[int, ...] = (0,)

    @property
    def names_out(self) -> bool:
        """Whether it writes to where it is told to, and not into its store."""
        return OUT in self.words


@dataclass(frozen=True, slots=True)
class Done:
    """A command that ran to its end undisturbed: what it did to files, what it wrote, what is in its store."""

    operations: tuple[tuple[str, str], ...]
    output: Mapping[str, object]
    home: frozenset[str]


class World:
    """Data, models and stores below one folder, made once; `works` are the commands over them by name."""

    def __init__(self, strop: Strop, folder: Path) -> None:
        self.strop, self.folder, self._given = strop, folder, Given(strop, folder / "given")
        self._cases = 0
        self._done: dict[str, Done] = {}

    @cached_property
    def works(self) -> dict[str, Work]:
        at = self._given.folder
        data, own, model = str(at / "small"), str(at / "own"), str(at / "base/model")
        examples, tuned = str(at / "examples.jsonl"), ("--model", model, *UPDATES)
        late, first, study = str(at / "late"), str(at / "a.trec"), ("study", "run", str(at / "study.py"))
        reranker = str(at / "reranker")
        works = [
            Work("search bm25", ("search", data, OUT, "--model", "bm25")),
            Work("search dense", ("search", data, OUT, "--model", model)),
            Work("search late", ("search", data, OUT, "--model", late)),
            Work("search two stages", ("search", data, OUT, "--model", late, "--prefilter", "bm25")),
            Work("rerank", ("rerank", first, OUT, "--model", reranker, "--on", data)),
            Work("rerank by vectors", ("rerank", first, OUT, "--model", model, "--on", data)),
            Work("fuse", ("fuse", OUT, first, str(at / "b.trec"))),
            Work("mine", ("mine", data, OUT, "--from", "bm25", "--window", "2-20")),
            Work("mine by a model", ("mine", data, OUT, "--from", model, "--window", "2-20")),
            Work("data export", ("data", "export", data, OUT)),
            Work("data export docstrings", ("data", "export", "docstrings:mpmath", OUT)),
            Work("train", ("train", examples, OUT, *tuned)),
            Work("train another", ("train", examples, OUT, "--seed", "7", *tuned)),
            Work("train lora", ("train", examples, OUT, "--recipe", "in-batch-lora", *tuned)),
            Work("train triplets", ("train", examples, OUT, "--recipe", "triplet-full", *tuned)),
            Work("train two towers", ("train", examples, OUT, "--as", "untied", *tuned)),
            Work("train late", ("train", examples, OUT, "--model", late, "--recipe", "late-full", *UPDATES)),
            Work("train a reranker", ("train", examples, OUT, "--as", "reranker", "--recipe", "rerank-bce", *tuned)),
            Work("teach", ("teach", examples, OUT, *tuned)),
            Work("teach as it is", ("teach", examples, OUT, "--model", reranker)),
            Work("export", ("export", "latest", OUT), home="train"),
            Work("tune", ("tune", "--recipe", str(at / "recipe.json"), "--out", OUT), codes=(0, 3, 4)),
            Work("study run", (*study, "--scale", "tiny", "--preset", "untuned"), "home/results"),
            Work("study run trained", (*study, "--scale", "tiny", "--preset", "all"), "home/results"),
            Work("study report", ("study", "report", str(at / "results"), OUT)),
            Work("study report of a training", ("study", "report", "latest", OUT), home="train"),
            Work("explain", ("explain", model, "--on", own, "--queries", "8", "--documents", "50"), "home/results"),
        ]
        return {work.name: work for work in works}

    def case(self, work: Work) -> Path:
        """A fresh folder to run it in, with a user's own files beside its output."""
        self._given.make(work.words)
        self._cases += 1
        folder = self.folder / f"case-{self._cases}"
        (folder / "out").mkdir(parents=True)
        for name, content in MINE.items():
            (folder / name).write_bytes(content)
        if work.home:
            self.done(work.home)
            shutil.copytree(self.folder / "homes" / work.home, folder / "home")
        else:
            (folder / "home").mkdir()
        return folder

    def run(self, work: Work, folder: Path, fault: Fault | None = None, strop: Strop | None = None) -> Ended:
        words = ["out/result" if word == OUT else word for word in work.words]
        fault = fault or Fault(str(folder), f"{folder}.log")
        environment = {**fault.environment, "PACKAGES": "mpmath"}
        return (strop or self.strop)(words, folder, environment=environment, before="campaign.works:prepare", limit=120)

    def done(self, name: str) -> Done:
        """Of a command that nothing disturbs; run once."""
        if name not in self._done:
            work = self.works[name]
            folder = self.case(work)
            ended = self.run(work, folder)
            assert ended.code in work.codes, f"{name}: {ended.code}: {ended.err}"
            output = contents(folder / work.out)
            assert output, f"{name} wrote nothing"
            log = Path(f"{folder}.log")
            self._done[name] = Done(tuple(faults.operations(log)), output, names(folder / "home"))
            (folder / "home").rename(_made(self.folder / "homes") / name)
            shutil.rmtree(folder)
            log.unlink()
        return self._done[name]


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def names(folder: Path) -> frozenset[str]:
    """All files below a folder. Of a Results folder's name the last part, a hash of times among others, is left out."""
    return frozenset(_KEY.sub("/", path.relative_to(folder).as_posix()) for path in _files(folder))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def contents(path: Path) -> dict[str, object]:
    """What an output holds, by file, but for what a clock decided. Empty where there is none."""
    if path.is_file():
        return {"": _content(path)}
    return {_KEY.sub("/", file.relative_to(path).as_posix()): _content(file) for file in _files(path)}


def _content(path: Path) -> object:
    """Whatever cannot be read as what its name says is given by its bytes, which then differ from a whole file's."""
    data = path.read_bytes()
    if path.suffix == ".json":
        try:
            value = _timeless(json.loads(data))
            return {k: v for k, v in value.items() if k != FILES} if path.name == OWN else value
        except ValueError:
            return data
    if path.suffix in (".html", ".md"):
        return _SPOKEN.sub("0", data.decode("utf-8", "replace"))
    if path.suffix == ".csv":
        return [line for line in data.decode("utf-8", "replace").split("\n") if not _CLOCK_ROW.search(line)]
    return data


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(each) for key, each in value.items() if not _CLOCK.search(key)}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def prepare() -> None:
    """In a command's process: one package of docstrings, and rates and terms that suit random weights."""
    from strop.collection.docstrings import reader
    from strop.tuning import candidates, selection

    reader.PACKAGES = {"mpmath": reader.PACKAGES["mpmath"]}
    candidates.RATE, selection.LEAST_OVERLAP, selection.CONFIDENCE_Z = 1e-3, 0.0, -9.0
    faults.begin()


def untouched(folder: Path) -> list[tuple[Verdict, str]]:
    """A problem where a user's own file beside the output is not as it was."""
    gone = [name for name, content in MINE.items() if contents(folder / name) != {"": content}]
    return [("leftover", f"a user's own {gone[0]} was overwritten or removed")] if gone else []


def compared(work: Work, done: Done, folder: Path, ended: Ended) -> list[tuple[Verdict, str]]:
    """Problems of a command that should have come to the same end as the one that nothing disturbed."""
    if ended.code not in work.codes:
        verdict, detail = refusal(ended, ())
        return [("traceback" if verdict == "traceback" else "unclear", f"exit {ended.code}: {detail}")]
    problems: list[tuple[Verdict, str]] = []
    if (output := contents(folder / work.out)) != done.output:
        odd = sorted(name for name in output.keys() | done.output.keys() if output.get(name) != done.output.get(name))
        problems.append(("silent", f"another output, in {', '.join(odd[:3]) or 'its only file'}"))
    beside = {path.name for path in (folder / "out").iterdir()} - {Path(name).name for name in (*MINE, "out/result")}
    if beside:
        problems.append(("leftover", f"beside the output: {', '.join(sorted(beside))}"))
    if odd_files := names(folder / "home") - done.home:
        problems.append(("leftover", f"in the store: {', '.join(sorted(odd_files)[:3])}"))
    if lost := done.home - names(folder / "home"):
        problems.append(("silent", f"not in the store: {', '.join(sorted(lost)[:3])}"))
    return problems
