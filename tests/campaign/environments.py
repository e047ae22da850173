"""Places where a command may have to work: homes that are none, outputs that cannot be, streams that are gone."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

from small_collection import small_collection

from campaign.command import Strop, spawn
from campaign.verdicts import Attacks, Case, files, refused

_SEARCH = ("search", "small", "out.trec", "--model", "bm25")
#: What is in the place of the home, and how it is put there.
_HOMES: Mapping[str, Callable[[Path], object]] = {
    "a file": lambda home: home.write_text("mine", encoding="utf-8"),
    "a link to itself": lambda home: home.symlink_to(home),
    "a link to nothing": lambda home: home.symlink_to("nowhere/at/all"),
    "a pipe": os.mkfifo,
    "with a file for a stage": lambda home: (home.mkdir(), (home / "lexical").write_text("mine", encoding="utf-8")),
    "with a stage that links to itself": lambda home: (home.mkdir(), (home / "lexical").symlink_to("lexical")),
}
#: Homes by their path: full, read-only, too long, below a file, not in Unicode.
_PATHS = ("/dev/full", "/dev/null", "/proc/strop", "/sys/strop", "x" * 300, "small/corpus.jsonl/home", "\udcff")
#: Outputs that cannot be, by their path.
_OUTS = (
    "/dev/full",
    "/dev/null",
    "/proc/out",
    "x" * 300,
    "small/corpus.jsonl/out",
    "small",
    ".",
    "",
    "link",
    "\udcff/out",
)
#: Changes of the environment after which the output is to be as ever.
_HARMLESS: Mapping[str, Mapping[str, str | None]] = {
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "ASCII": {"PYTHONIOENCODING": "ascii"},
    "cp1252": {"PYTHONIOENCODING": "cp1252"},
    "UTF-16": {"PYTHONIOENCODING": "utf-16"},
    "40 columns": {"COLUMNS": "40"},
    "1 column": {"COLUMNS": "1"},
    "no columns": {"COLUMNS": "0"},
    "columns that are none": {"COLUMNS": "many"},
    "no terminal": {"TERM": None},
    "no such terminal": {"TERM": "nothing\x1b"},
    "no home of a user": {"HOME": None},
    "home of a user nowhere": {"HOME": "/nowhere"},
    "no place for temporary files": {"TMPDIR": "/nowhere"},
    "no path": {"PATH": None},
    "no colour": {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    "optimised": {"PYTHONOPTIMIZE": "2"},
    "warnings": {"PYTHONWARNINGS": "error"},
}


def _attacks(strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    def fresh() -> Path:
        shutil.rmtree(work / "case", ignore_errors=True)
        small_collection(work / "case" / "small")
        (work / "case" / "link").symlink_to("nowhere")
        return work / "case"

    folder = fresh()
    right = strop([*_SEARCH], folder)
    assert right.code == 0, right
    run = (folder / "out.trec").read_bytes()

    def searched(title: str, words: Sequence[str], names: Sequence[str], home: str | None = None) -> Case:
        before = files(folder)
        ended = strop([*words], folder, environment={} if home is None else {"STROP_HOME": home})
        if ended.code:
            return Case("environment", title, *refused(ended, names, folder, before))
        same = (folder / words[2]).read_bytes() == run
        return Case("environment", title, "exact" if same else "silent", "" if same else "another run")

    every = [*_HOMES, *_PATHS, *(f"out {out}" for out in _OUTS), *_HARMLESS]
    for attack in rng.sample(every, len(every)):
        folder = fresh()
        if attack in _HOMES:
            _HOMES[attack](folder / "home")
            yield searched(f"home is {attack}", _SEARCH, ("home",))
        elif attack in _PATHS:
            yield searched(f"home is {attack[:30]!a}", _SEARCH, (attack[:20], ascii(attack[:20])[1:-1]), attack)
        elif attack in _HARMLESS:
            ended = spawn([*_SEARCH], folder, environment=_HARMLESS[attack])
            same = ended.code == 0 and (folder / "out.trec").read_bytes() == run
            verdict = (
                refused(ended, ("nothing",), folder, files(folder), harmless=True) if ended.code else ("silent", "")
            )
            yield Case("environment", attack, *(("exact", "") if same else verdict))
        else:
            out = attack.removeprefix("out ")
            yield searched(f"out is {out[:30]!a}", (*_SEARCH[:2], out, *_SEARCH[3:]), (out[:20], ascii(out)[1:20]))


DOORS: Mapping[str, Attacks] = {"environment": _attacks}
