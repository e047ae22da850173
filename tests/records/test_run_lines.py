"""A run is read many lines at a time where all are plain: the outcome is that of one line at a time."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import pytest

from strop.records import run_lines, text_lines
from strop.records.errors import InputError
from strop.records.runs import Run, read_run
from strop.records.trec_columns import columns, decimal, twice

ODD_IDS = ("é", "a\u3000b", "\ufeffq", "#q", "d\x7f", "d\x1cd", "a\0b", "\U0001f600", "x\x85y", "x\xa0y", "")
ODD_NUMBERS = (
    "nan", "inf", "1e39", "1e400", "1_0", "0x1p3", "٣", "1,5", "--1", ".", "e", "3.4028236e38",
    "-0", "+.5", "5.", "1E+3", "1e-50", "3.4028235e38",
)  # fmt: skip
ODD_BLANKS = ("\t", "  ", " \t", "\v", "\f", "\r", "\x1c", "\x85", "\xa0", "")
ODD_ENDS = ("\r\n", "\n\n", "\n \n", "\n# said\n", "\n  #\n", "\r", " \n")


def line(rng: random.Random, odd: float) -> str:
    def one(plain: tuple[str, ...], strange: tuple[str, ...]) -> str:
        return rng.choice(strange if rng.random() < odd else plain)

    score = one((f"{rng.gauss(5, 3):.6f}", str(rng.randrange(4)), repr(0.1 + rng.randrange(3) * 1e-12)), ODD_NUMBERS)
    words = [one(("q1", "q2", "10"), ODD_IDS), "Q0", one((str(rng.randrange(400)), "d9"), ODD_IDS), "1", score, "t"]
    if rng.random() < odd / 2:
        words = rng.choice((words[:-1], [*words, "more"], words[1:]))
    return "".join(one((" ", "\t", " "), ODD_BLANKS) + word for word in words)[1:] + one(("\n",), ODD_ENDS)


def file(rng: random.Random) -> bytes:
    """Of up to 40 lines: some plain, some with everything odd in it, packed, cut, in another encoding."""
    odd = rng.choice((0.0, 0.0, 0.003, 0.01, 0.1))
    text = "".join(line(rng, odd) for _ in range(rng.choice((1, 3, 10, 40))))
    text = rng.choice(("\ufeff", *[""] * 20)) + (text.rstrip("\n") if rng.random() < 0.3 else text)
    data = text.encode(rng.choice(("utf-16", *["utf-8"] * 50)))
    if rng.random() < 0.05:
        data = data.replace(b"1", b"\xff", 1)
    if rng.random() < 0.1:
        packed = gzip.compress(data)
        data = rng.choice((packed, packed[: rng.randrange(3, len(packed))]))
    return data


def one_by_one(path: Path) -> Run:
    """The rules of a run, each line for itself."""
    scores: dict[str, dict[str, float]] = {}
    for number, words in columns(text_lines.every_line(path), path):
        where = f"{path}:{number}"
        if len(words) != 6:
            raise InputError(f"{len(words)} columns instead of 6", where=where, remedy="")
        query_id, _, doc_id, _, score, _ = words
        value = decimal(score)
        if value is None or abs(value) > 3.4028234663852886e38:
            raise InputError(f"score {text_lines.excerpt(score)} is not a finite float32", where=where, remedy="")
        if doc_id in scores.setdefault(query_id, {}):
            raise twice(query_id, doc_id, "ranked", where)
        scores[query_id][doc_id] = value
    if not scores:
        raise InputError("the run is empty", where=str(path), remedy="")
    return Run({query_id: (row, row.values()) for query_id, row in scores.items()})


def outcome(run: Run | InputError) -> object:
    if isinstance(run, InputError):
        return run.where, run.problem
    return [(query_id, ranking.doc_ids, ranking.scores.tobytes()) for query_id, ranking in run.items()]


def test_a_run_of_anything_reads_as_it_does_line_by_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng, kinds = random.Random(17), Counter[str]()
    for number in range(600):
        path = tmp_path / str(number)
        path.write_bytes(file(rng))
        monkeypatch.setattr(text_lines, "_BLOCK", rng.choice((1, 60, 500, 2**15)))
        got: list[Run | InputError] = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of ties beyond float32
            for read in (one_by_one, read_run):
                try:
                    got.append(read(path))
                except InputError as error:
                    got.append(error)
        assert outcome(got[1]) == outcome(got[0]), path.read_bytes()
        kinds[type(got[0]).__name__] += 1
    assert min(kinds["Run"], kinds["InputError"]) > 150, kinds


@pytest.mark.parametrize(
    "text",
    [
        "q Q0 a 1 2 t\nq Q0 b 2 1.5e-3 t\n",
        "q\tQ0  a 1 2 t\r\n q Q0 b 2 +.5 t \n",
        "q Q0 ü 1 2 é\np Q0 \U0001f600 1 -0 t",
    ],
)
def test_lines_with_plain_columns_are_not_read_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(run_lines, "_add_one_by_one", None)
    (tmp_path / "run").write_bytes(text.encode())
    assert outcome(read_run(tmp_path / "run")) == outcome(one_by_one(tmp_path / "run"))


def test_an_earlier_line_s_fault_comes_before_that_of_the_file(tmp_path: Path) -> None:
    twice = "q Q0 a 1 1 t\np Q0 b 1 1 t\nq Q0 a 2 2 t\np Q0 b 2 2 t\n"
    rest = "".join(f"r Q0 {random.Random(n).random()} 1 1 t\n" for n in range(4000))
    (tmp_path / "run").write_bytes(gzip.compress((twice + rest).encode())[:-2000])
    (tmp_path / "bad").write_text(twice + "q Q0 c\n")
    for broken in (tmp_path / "run", tmp_path / "bad"):
        with pytest.raises(InputError) as caught:
            read_run(broken)
        assert caught.value.where == f"{broken}:3"
        assert caught.value.problem == "document 'a' is ranked twice for query 'q'"


def test_a_run_is_kept_in_few_bytes_per_line(tmp_path: Path) -> None:
    lines, path = 60 * 2000, tmp_path / "run"
    with path.open("w") as out:
        for n, doc_id in enumerate(random.Random(3).sample(range(10**7), lines)):
            out.write(f"{n // 2000} Q0 {doc_id} 1 {2000 - n % 2000}.25 bm25\n")
    tracemalloc.start()
    try:
        run = read_run(path)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(run) == 60
    assert kept / lines < 20, "an id and a float32"
    assert peak / lines < 80, "an id, a score and a line number, and what one block takes; strings alone take 56"
