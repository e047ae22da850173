"""Values that anyone can type: every argument and option of every command with one that does not belong there."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import tiny_models
from small_collection import small_collection

from campaign.breakages import DEEP, DIGITS
from campaign.command import Ended, Strop
from campaign.verdicts import Attacks, Case, Verdict, files, refusal, refused

VALUES = (
    "", " ", "-1", "0", "1.5", "1e400", "1e38", "nan", "-inf", "²", "²-³", "١", "1_0", "0x10", DIGITS, "1-" + DIGITS,
    "5-1", "**", "..", "/", "/dev/null", "/dev/full", "~", "./nowhere", "no/where", "a/b/c/d", "C:\\x", "x" * 300,
    "x" * 100_000, "\x1b[31m", "a\nb", "a\tb", "[red]x[/red]", "[/]", "{0}", "%s", "\udcff", "\u202e", "é", "=", "a=",
    "=b", "a=b=c", "a.b.c=1", ",", "1,", "1,1", "0,0", "-1,-1", "+", "small+", "small+small", "irds:", "irds:no/such",
    "irds:\x1b[31m", "docstrings:", "docstrings:no", "model@main", "@", "--", "-", "null", DEEP, "latest", "empty",
    "locked", "loop", "small", "pairs.jsonl", "run.trec", "model", "updates=" + DIGITS,
    "optimizer.learning_rate=1e38", "optimizer.learning_rate=nan", "updates=²", "batching.size=" + DIGITS,
    "nDCG@" + DIGITS, "nDCG@0", "nDCG@-1", "nDCG@²", "AP@1.5", "nDCG(cutoff=3)@10", "RR",
)  # fmt: skip

#: A command line that is right, for each command; each of its words from `{` to `}` is replaced in turn.
COMMANDS: Mapping[str, str] = {
    "evaluate": "{run.trec} --qrels {small} --split {test} --measure {nDCG@10} --level {1}",
    "evaluate against": "{run.trec} {run.trec} --qrels {qrels.txt} --measure {AP} --json",
    "evaluate candidates": "run.trec --qrels qrels.txt --candidates {run.trec} --depth {5}",
    "search": "{small} {out} --model bm25 --split {test} --depth {5}",
    "search model": "small out --model {model}",
    "search prefilter": "small out --model {model} --prefilter {bm25} --candidates {10}",
    "rerank": "{run.trec} {out} --model {model} --on {small} --split {test} --depth {3}",
    "rerank windows": "run.trec out --model model --on small --windows {max} --max-length {8}",
    "fuse": "{out} {run.trec} {run.trec} --method {rrf}",
    "fuse weights": "out run.trec run.trec --method wsum --weights {0.5,0.5}",
    "fuse tuned": (
        "out run.trec run.trec --tune-on {small} --dev-run {dev.trec} --dev-run dev.trec --split {train} "
        "--measure {nDCG@10}"
    ),
    "mine": "{small} {out} --from bm25 --window {2-9} --count {2} --split {train} --seed {1}",
    "mine from": "small out --from {run.trec} --split train",
    "train": "{pairs.jsonl} {out} --model {model} --recipe {in-batch-full} --set updates=1 --epochs {1} --seed {1}",
    "train set": "pairs.jsonl out --model model --set updates=1 --set {batching.size=4}",
    "train more": "pairs.jsonl out --model model --set updates=1 --stop {geometry} --track {tensorboard} --as {late}",
    "teach": (
        "{pairs.jsonl} {out} --model {model} --recipe {rerank-bce} --set {updates=1} --epochs {1} --folds {2} "
        "--seed {1} --drop-above {0.9}"
    ),
    "explain": "{model} {model} --on {small} --split {test} --queries {4} --documents {50}",
    "export": "{empty} {out}",
    "data inspect": "{small} --model {model}",
    "data export": "{small} {out}",
    "study plan": "{none} --scale {quick} --preset {corrected} --on {nowhere} --test {nowhere}",
    "study show": "{none} --study {none} --scale {none} --on {nowhere} --candidates {run.trec}",
    "study checkpoints": "{none} --scale {none} --on {nowhere}",
    "study run": "{none} --scale {none} --budget {0} --part {none}",
    "study report": "{empty} {out}",
    "bench": "{none} --repeats {1} --model {none} --on {none}",
    "bench train": "--repeats {1} --model {none} --on {none} --recipe {none} --set {none=1}",
    "tune": (
        "{small} --base {none} --guard {none} --budget {1s} --out {out} --margin {0.02} --fail-under {0} "
        "--truncate-dims {8} --queries-from {none} --beside {none} --seed {1}"
    ),
    "tune recipe": "--recipe {pairs.jsonl} --out out",
}
#: Options that hold a number: another one than Python's own digits cannot have been meant.
_NUMBERS = (
    "--level",
    "--depth",
    "--candidates",
    "--count",
    "--epochs",
    "--folds",
    "--repeats",
    "--queries",
    "--documents",
)


def _attacks(strop: Strop, work: Path, rng: Random) -> Iterator[Case]:
    whole = _whole(work)
    every = [
        (command, place, value)
        for command, words in COMMANDS.items()
        for place, word in enumerate(words.split())
        if word.startswith("{")
        for value in VALUES
    ]
    for command, place, value in rng.sample(every, len(every)):
        words = [word.strip("{}") for word in COMMANDS[command].split()]
        option = words[place - 1] if place and words[place - 1].startswith("--") else f"argument {place + 1}"
        words[place] = value
        folder = work / "case"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder, symlinks=True)
        before = files(folder)
        head = [word for word in command.split() if word in _WORDS]
        ended = strop([*head, *words], folder, limit=120)
        title = f"{' '.join(head)} {option} {value if len(value) < 40 else value[:20] + '…'!r}"
        yield Case("typed values", ascii(title)[1:-1], *_verdict(ended, option, words, place, folder, before))


DOORS: Mapping[str, Attacks] = {"typed values": _attacks}

_WORDS = {word for command in COMMANDS for word in command.split()} - {
    "against", "candidates", "model", "prefilter", "windows", "weights", "tuned", "from", "set", "more", "recipe",
}  # fmt: skip


def _whole(work: Path) -> Path:
    whole = work / "whole"
    if not whole.exists():
        whole.mkdir()
        small_collection(whole / "small")
        tiny_models.build(work / "made").rename(whole / "model")
        (whole / "empty").mkdir()
        (whole / "loop").symlink_to("loop")
        lines = [f"q{q} Q0 d{d} {d + 1} {9 - d} x\n" for q in range(24, 32) for d in range(6)]
        (whole / "run.trec").write_text("".join(lines), encoding="utf-8")
        dev = [f"q{q} Q0 d{d} {d + 1} {9 - d} x\n" for q in range(8) for d in range(6)]
        (whole / "dev.trec").write_text("".join(dev), encoding="utf-8")
        (whole / "qrels.txt").write_text("".join(f"q{q} 0 d{q} 1\n" for q in range(32)), encoding="utf-8")
        rows = [f'{{"query": "ask {i}", "positive": "told {i}", "negatives": ["not {i}"]}}\n' for i in range(60)]
        (whole / "pairs.jsonl").write_text("".join(rows), encoding="utf-8")
    return whole


def _verdict(
    ended: Ended, option: str, words: Sequence[str], place: int, folder: Path, before: frozenset[str]
) -> tuple[Verdict, str]:
    """What is accepted may be right, but for a number that is none. Of two words that are wrong, one may be named."""
    value = words[place]
    if ended.code == 0 or (ended.code in (3, 4) and "HOLD" in ended.out + ended.err):
        if option in _NUMBERS and not re.fullmatch(r"\+?[0-9]{1,18}", value, re.ASCII):
            return "silent", f"{option} {value[:40]!r} is accepted"
        return "exact", ""
    shown = {value[:20], ascii(value)[1:-1][:20], repr(value)[1:-1][:20], Path(value[:200]).name[:20], option}
    shown |= {option.strip("-").replace("-", "_"), *re.split("[=.]", value[:40]), repr(value)}
    shown |= {"No such option"} if value.startswith("-") else set()
    shown |= {str((folder / value[:300]).resolve())} if set(value) <= {".", "/"} else set()
    shown |= {" ".join(value.split())[:20], *{"none", "nowhere", "empty"}.intersection(words)}
    if ended.code is None or ended.code < 0:
        return refusal(ended, (*shown,))
    verdict, detail = refused(ended, [word for word in shown if word.strip()], folder, before)
    if verdict == "clear" and len(value) > 400 and value[:400] in ended.err:
        return "unclear", f"quotes all of {len(value)} characters"
    return verdict, detail
