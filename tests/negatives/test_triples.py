from __future__ import annotations

from collections import Counter
from itertools import combinations
from pathlib import Path

import pytest

from strop.negatives.examples import Examples, read_examples, write_examples
from strop.negatives.triples import read_triples
from strop.records.errors import InputError

LINES = [
    'what is "this\tthe answer\tno answer',
    'what is "this\t"another answer\tno answer',
    "who\tthe answer\tabsent\u2028still the same line",
    "where\there\tthere",
    "when\tnow\tthen",
]


def triples(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_bytes("".join(line + end for line in lines).encode())
    return path


def texts(examples: Examples) -> list[str]:
    return [
        "\t".join(
            [examples.queries[g.query_id], examples.documents[g.positives[0]], examples.documents[g.negatives[0]]]
        )
        for g in examples.groups
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_every_line_is_a_group_and_equal_texts_are_one(end: str, tmp_path: Path) -> None:
    examples = read_triples(triples(tmp_path / "t.tsv", LINES, end), 5, seed=1)
    assert texts(examples) == LINES
    assert len(examples.queries) == 4
    assert len(examples.documents) == 8
    first, second = examples.groups[:2]
    assert first.query_id == second.query_id
    assert first.relevant == second.relevant == {*first.positives, *second.positives}
    assert examples.groups[2].relevant == set(first.positives)
    assert first.sources == ("provided",)


def test_a_sample_is_in_the_file_s_order_and_its_seed_decides_it(tmp_path: Path) -> None:
    lines = [f"q{i}\tp{i}\tn{i}" for i in range(200)]
    path = triples(tmp_path / "t.tsv", lines)
    sample = texts(read_triples(path, 50, seed=3))
    assert sample == [line for line in lines if line in set(sample)]
    assert len(set(sample)) == 50
    assert texts(read_triples(path, 50, seed=3)) == sample
    assert texts(read_triples(path, 50, seed=4)) != sample


def test_every_sample_is_as_likely_as_any_other(tmp_path: Path) -> None:
    path = triples(tmp_path / "t.tsv", LINES)
    drawn = Counter(tuple(texts(read_triples(path, 2, seed))) for seed in range(1000))
    assert set(drawn) == set(combinations(LINES, 2))
    assert all(60 < times < 145 for times in drawn.values())  # 100 expected, standard deviation 9.5


def test_only_what_the_sample_has_is_relevant_and_held(tmp_path: Path) -> None:
    path = triples(tmp_path / "t.tsv", LINES[:2])
    (group,) = (examples := read_triples(path, 1, seed=0)).groups
    assert group.relevant == set(group.positives)
    assert len(examples.documents) == 2


def test_written_examples_read_back_with_the_same_ids(tmp_path: Path) -> None:
    examples = read_triples(triples(tmp_path / "t.tsv", LINES), 5, seed=0)
    write_examples(examples, tmp_path / "e.jsonl")
    again = read_examples(tmp_path / "e.jsonl")
    assert (again.groups, again.queries, again.documents) == (examples.groups, examples.queries, examples.documents)


BAD = {
    "two columns": (b"a\tb\n", 2, "is not three texts"),
    "four columns": (b"a\tb\tc\td\n", 2, "is not three texts"),
    "an empty column": (b"a\t \tc\n", 2, "is not three texts"),
    "bad UTF-8": (b"a\tb\t\xff\n", 2, "0xff at column 5"),
    "its own negative": (b"a\tb\tb\n", 2, "'b' is its own negative"),
    "after a blank line": (b"\na\tb\n", 3, "is not three texts"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named(case: str, tmp_path: Path) -> None:
    bad, number, problem = BAD[case]
    path = tmp_path / "t.tsv"
    path.write_bytes(b"q\tp\tn\n" + bad)
    with pytest.raises(InputError) as caught:
        read_triples(path, 2, seed=0)
    assert caught.value.where == f"{path}:{number}"
    assert problem in caught.value.problem


def test_more_than_there_is_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot draw 6 triples from 5\. Draw 1 to 5"):
        read_triples(triples(tmp_path / "t.tsv", LINES), 6, seed=0)
    with pytest.raises(InputError, match="cannot be read"):
        read_triples(tmp_path / "none", 1, seed=0)
