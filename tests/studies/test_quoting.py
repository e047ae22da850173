from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from strop.records.errors import InputError
from strop.studies.when_finetuning_fails.quoting import QuotedRows, quoted_rows


def written(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


CASES = {
    "no quotes": ("1\ta\n2\tb\n", QuotedRows(2, 2, 0, 0)),
    "a quote inside a field is a character": ('1\ta "b\n2\tc\n', QuotedRows(2, 2, 0, 0)),
    "a field that is quoted whole": ('1\t"a"\n2\tc\n', QuotedRows(2, 2, 0, 0)),
    "a quote that the next line but one closes": ('1\t"a\n2\tb\n3\tc" d\n4\te\n', QuotedRows(4, 2, 2, 0)),
    "a quote that nothing closes swallows the rest": ('1\ta\n2\t"b\n3\tc\n4\td', QuotedRows(4, 2, 2, 0)),
    "a row that gains a column is lost": ('1\t"a\n2\tb"\tc\n3\td\n', QuotedRows(3, 1, 1, 1)),
    "a tab in a passage": ("1\ta\tb\n2\tc\n", QuotedRows(2, 1, 0, 1)),
    "blank lines and a carriage return within": ("1\ta\rb\n\n2\tc\r\n", QuotedRows(2, 2, 0, 0)),
    "a merged field longer than the reader's usual limit": (
        '1\t"a\n' + "2\tb\n" * 50_000,
        QuotedRows(50_001, 1, 50_000, 0),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_rows_are_counted_raw_and_as_a_quoting_reader_gives_them(case: str, tmp_path: Path) -> None:
    text, expected = CASES[case]
    limit = csv.field_size_limit()
    found = quoted_rows(written(tmp_path / "file.tsv", text), 2)
    assert found == expected
    assert found.raw == found.kept + found.merged + found.lost
    assert csv.field_size_limit() == limit


def random_file(path: Path, rng: np.random.Generator) -> Path:
    """A passage file in which one line in five begins a field with a quotation mark, and the last ones close it."""
    starts = ["", "", "", "", '"', 'x "', '"y" z ']
    rows = [f"{i}\t{starts[int(rng.integers(len(starts)))]}text {i}" for i in range(1, 60)]
    return written(path, "0\tfirst\n" + "\n".join(rows) + '\n60\tend\n61\t"\n62\t"\n63\tlast\n')


def test_pandas_default_quoting_gives_the_same_rows(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    compared = 0
    stopped: list[str] = []
    for seed in range(30):
        path = random_file(tmp_path / "file.tsv", np.random.default_rng(seed))
        try:
            rows = pandas.read_csv(path, sep="\t", names=["pid", "passage"], header=None, on_bad_lines="skip")
        except pandas.errors.ParserError as error:
            stopped.append(str(error))
            continue
        compared += 1
        assert len(rows) == quoted_rows(path, 2).kept
    assert compared > 10
    assert all("EOF inside string" in said for said in stopped)  # where csv gives the rest as one row, pandas stops


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        quoted_rows(tmp_path / "none", 2)
    (tmp_path / "latin").write_bytes(b"1\t\xff\n")
    with pytest.raises(InputError, match="not UTF-8"):
        quoted_rows(tmp_path / "latin", 2)
