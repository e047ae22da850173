"""What one attack came to, when a refusal is a clear one, and the table of counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Literal, get_args

from campaign.command import Ended, Strop

#: clear: refused in a line that names what, where and what to do. exact: accepted, and as an oracle has it. The rest
#: fail. traceback: ended in Python's words. silent: accepted, and not as the oracle has it. unclear: refused without
#: saying what and where. hang: still running at its limit. leftover: half an output, a temporary file or a process
#: stayed behind.
Verdict = Literal["clear", "exact", "traceback", "silent", "unclear", "hang", "leftover"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
FAILURES: frozenset[Verdict] = frozenset(VERDICTS) - {"clear", "exact"}

#: One pass over the breakages of one kind of input: (strop, folder to work in, where draws come from) -> cases.
Attacks = Callable[[Strop, Path, Random], "Iterator[Case]"]

#: Longest line that is still read, in characters.
_LONGEST = 600
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_TRACEBACK = re.compile(r"Traceback \(most recent|^strop failed|^Fatal Python error|^[A-Z]\w+(Error|Exception)\b", re.M)
#: A remedy is a sentence of its own that tells the reader to do something: "Save the file as UTF-8".
_REMEDY = re.compile(r"\. [A-Z][a-z']*\b|; [a-z]+ |Try 'strop|--help' tells more|No such option|Missing ")


@dataclass(frozen=True, slots=True)
class Case:
    """One attack: through which door, with what, what came of it, and for a failure the command and its last words."""

    door: str
    name: str
    verdict: Verdict
    detail: str = ""

    @property
    def failed(self) -> bool:
        return self.verdict in FAILURES


def refusal(ended: Ended, names: Sequence[str]) -> tuple[Verdict, str]:
    """The verdict on a command that should not have done its work, and why; `names` are words of which its message has
    to hold one: the file, the option, the value."""
    if ended.code is None:
        return "hang", f"still running after {ended.seconds:.0f} s"
    if found := _TRACEBACK.search(ended.err):
        return "traceback", ended.err[found.start() :].strip().splitlines()[-1][:300]
    if ended.orphans:
        return "leftover", "a process stayed behind"
    words = " ".join(ended.err.replace("│", " ").split())
    last = next((line for line in reversed(ended.err.splitlines()) if line.startswith(("error:", "stopped:"))), words)
    if ended.code < 0 or ended.code not in (1, 2):
        return "unclear", f"exit {ended.code}: {words[-200:]}"
    if control := _CONTROL.search(ended.err.replace("\r\n", "\n")):
        return "unclear", f"{control[0]!r} reaches the terminal: {last[:200]!r}"
    if ended.code == 1 and not last.startswith("stopped:"):
        return "unclear", f"exit 1 without 'stopped:': {words[-200:]}"
    if len(last) > _LONGEST:
        return "unclear", f"{len(last)} characters: {last[:200]}"
    if not any(name in words for name in names):
        return "unclear", f"names none of {', '.join(names)}: {words[-300:]}"
    if last.startswith("error:") and not _REMEDY.search(last):
        return "unclear", f"no remedy: {last}"
    return "clear", last


def files(folder: Path) -> frozenset[str]:
    """What lies in a case's folder, at any depth; not what lies in its home, where artifacts are kept on purpose."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    return frozenset(name for name in found if name.partition("/")[0] != "home")


def refused(
    ended: Ended, names: Sequence[str], folder: Path, before: frozenset[str], harmless: bool = False
) -> tuple[Verdict, str]:
    """As `refusal`; a leftover where the folder does not hold the files that it held `before`; never clear where the
    input was `harmless`, and means what an accepted one means."""
    verdict, detail = refusal(ended, names)
    if verdict == "clear" and harmless:
        return "unclear", f"refused, and means the same: {detail}"
    if verdict == "clear" and (changed := files(folder) ^ before):
        return "leftover", ", ".join(sorted(changed))
    return verdict, detail


def tally(cases: Iterable[Case]) -> str:
    """Counts by door and verdict, and then every failure in a line of its own."""
    found = list(cases)
    counts = Counter((case.door, case.verdict) for case in found)
    doors = list(dict.fromkeys(case.door for case in found))
    width = max([len("all"), *map(len, doors)])
    lines = [" ".join([" " * width, *(f"{verdict:>9}" for verdict in VERDICTS)])]
    for door in doors:
        lines.append(" ".join([f"{door:{width}}", *(f"{counts[door, verdict]:>9}" for verdict in VERDICTS)]))
    every = Counter(case.verdict for case in found)
    lines.append(" ".join([f"{'all':{width}}", *(f"{every[verdict]:>9}" for verdict in VERDICTS)]))
    failed = sorted((case for case in found if case.failed), key=lambda case: (case.door, case.verdict))
    lines += [f"{case.verdict}: {case.door}: {case.name}\n    {case.detail}" for case in failed]
    return "\n".join(lines)
