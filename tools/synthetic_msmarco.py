"""Writes made-up text in the files, formats and proportions of MS MARCO's passage collection, at any size.

    python tools/synthetic_msmarco.py FOLDER --passages 100000 --queries 1000 --seed 0

`--queries` are judged training queries; a tenth as many are judged in dev, and a tenth more of each have no judgment.
A query shares three rare words with its one or two relevant passages. Words follow Zipf's law, passages have 56 words
in the mean, one in 2,000 begins with a quotation mark that nothing closes, and one in 500 has one inside.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np

#: The head of the vocabulary, a third of all running words.
HEAD = (
    "the of and a to in is for that are or with as on be by it you from can at this an have not your which will has "
    "was if may more one also when other used they their its but use all than most been there some what these time"
)
SYLLABLES = [c + v for c in ("b", "ch", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v") for v in "aeiou"]
VOCABULARY = 200_000
FRAGMENTS, LONGEST = 100_000, 13  # words of a fragment: 1 to LONGEST, 7 in the mean
PIECES = 8  # fragments of a passage in the mean: 56 words
BLOCK = 50_000
NEGATIVES = 10


class Query(NamedTuple):
    number: int
    text: str
    rare: str
    relevant: list[int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    write(given.folder, given.passages, given.queries, given.seed)


def write(folder: Path, passages: int, queries: int, seed: int) -> None:
    """Write collection.tsv, then queries, qrels and triples. Raises ValueError when there are too few passages."""
    dev = max(1, queries // 10)
    judged = queries + dev
    if passages < 4 * judged:
        raise ValueError(f"{judged} judged queries need at least {4 * judged} passages, not {passages}")
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    words = vocabulary(rng)
    fragments = _fragments(words, rng)
    numbers = rng.choice(1_000_000 + 2 * judged, size=judged + 2 * max(1, judged // 10), replace=False).tolist()
    asked = _queries(words, fragments, passages, numbers[:judged], rng)
    rare = {pid: query.rare for query in asked for pid in query.relevant}
    spare = set(rng.choice(passages, size=min(passages, 20_000), replace=False).tolist())
    wanted = np.array(sorted(rare.keys() | spare))
    kept: dict[int, str] = {}
    with _writing(folder / "collection.tsv") as file:
        for start, block in _passages(fragments, passages, rare, rng):
            low, high = np.searchsorted(wanted, [start, start + len(block)])
            kept |= {pid: block[pid - start] for pid in wanted[low:high].tolist()}
            file.write("".join([f"{pid}\t{text}\n" for pid, text in enumerate(block, start=start)]))
    half = (len(numbers) + judged) // 2
    _judge(folder, "train", asked[:queries], numbers[judged:half])
    _judge(folder, "dev", asked[queries:], numbers[half:])
    negatives = sorted(spare - rare.keys())
    order = rng.permutation(np.repeat(np.arange(queries), NEGATIVES)).tolist()
    picks = rng.integers(len(negatives), size=len(order)).tolist()
    with _writing(folder / "triples.train.small.tsv") as file:
        for i, pick in zip(order, picks, strict=True):
            positive = asked[i].relevant[pick % len(asked[i].relevant)]
            file.write(f"{asked[i].text}\t{kept[positive]}\t{kept[negatives[pick]]}\n")


def vocabulary(rng: np.random.Generator) -> list[str]:
    """Distinct words, the commonest first: English ones, then made-up ones of two to four syllables."""
    found = dict.fromkeys(HEAD.split())
    while len(found) < VOCABULARY:
        lengths = rng.integers(2, 5, size=VOCABULARY).tolist()
        picks = rng.integers(len(SYLLABLES), size=(VOCABULARY, 4)).tolist()
        found |= dict.fromkeys(
            "".join([SYLLABLES[i] for i in pick[:n]]) for pick, n in zip(picks, lengths, strict=True)
        )
    return list(found)[:VOCABULARY]


def _fragments(words: list[str], rng: np.random.Generator) -> list[str]:
    """Runs of 1 to LONGEST words, drawn by Zipf's law: the word of rank r with weight 1 / r."""
    weights = np.cumsum(1 / np.arange(1, len(words) + 1))
    drawn = np.searchsorted(weights, rng.random((FRAGMENTS, LONGEST)) * weights[-1]).tolist()
    lengths = rng.integers(1, LONGEST + 1, size=FRAGMENTS).tolist()
    return [" ".join([words[i] for i in row[:n]]) for row, n in zip(drawn, lengths, strict=True)]


def _queries(
    words: list[str], fragments: list[str], passages: int, numbers: list[int], rng: np.random.Generator
) -> list[Query]:
    """Queries with the numbers given; every 16th has two relevant passages."""
    pids = rng.choice(passages, size=2 * len(numbers), replace=False).tolist()
    rare = rng.integers(len(words) // 20, len(words), size=(len(numbers), 3)).tolist()
    openings = rng.integers(len(fragments), size=len(numbers)).tolist()
    asked = []
    for i, number in enumerate(numbers):
        shared = " ".join([words[w] for w in rare[i]])
        opening = " ".join(fragments[openings[i]].split()[:3])
        asked.append(Query(number, f"{opening} {shared}", shared, pids[2 * i : 2 * i + (2 if i % 16 == 0 else 1)]))
    return asked


def _passages(
    fragments: list[str], count: int, rare: dict[int, str], rng: np.random.Generator
) -> Iterator[tuple[int, list[str]]]:
    """(first id, texts) of a block at a time."""
    for start in range(0, count, BLOCK):
        size = min(BLOCK, count - start)
        ends = np.cumsum(2 + rng.poisson(PIECES - 2, size=size)).tolist()
        pool = [fragments[i] for i in rng.integers(len(fragments), size=ends[-1]).tolist()]
        block = [" ".join(pool[low:high]) for low, high in zip([0, *ends], ends, strict=False)]
        for i in [i for i in range(size) if start + i in rare]:
            middle = len(block[i]) // 2
            before, space, after = block[i][middle:].partition(" ")
            block[i] = f"{block[i][:middle]}{before} {rare[start + i]}{space}{after}"
        for pid in range(start + -start % 2_000, start + size, 2_000):
            block[pid - start] = '"' + block[pid - start]
        for pid in range(start + (1 - start) % 500, start + size, 500):
            block[pid - start] = block[pid - start].replace(" ", ' "', 1)
        yield start, block


def _judge(folder: Path, split: str, judged: Sequence[Query], unjudged: Sequence[int]) -> None:
    """The two files of one split; queries without judgments ask for nothing that is there."""
    lines = [(q.number, q.text) for q in judged] + [(number, f"what is entry {number}") for number in unjudged]
    with _writing(folder / f"queries.{split}.tsv") as file:
        file.writelines(f"{number}\t{text}\n" for number, text in sorted(lines))
    with _writing(folder / f"qrels.{split}.tsv") as file:
        file.writelines(f"{q.number}\t0\t{pid}\t1\n" for q in judged for pid in q.relevant)


def _writing(path: Path) -> TextIO:
    return path.open("w", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
