"""Files of every layout and container: what groups they give, or the one error."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from strop.negatives.examples import Examples, read_examples
from strop.records.errors import InputError

Group = tuple[str, str, tuple[str, ...]]
#: Query, positive, negatives; the last query has none.
GROUPS: list[Group] = [
    ("why, though?", 'p "1"', ("n 1", "n 2")),
    ("é 漢\u2028字", "p 2", ("n 2", "p 1")),
    ("last", "p 3", ()),
]
P = [p for _, p, _ in GROUPS]


def groups(examples: Examples) -> list[Group]:
    """The texts of each group, whatever the ids."""
    texts = examples.documents
    return [
        (examples.queries[g.query_id], texts[g.positives[0]], tuple(texts[d] for d in g.negatives))
        for g in examples.groups
    ]


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def passages(texts: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"docid": f"id of {text}", "title": text.split()[0], "text": text.split(" ", 1)[1]} for text in texts]


def table(delimiter: str, end: str = "\n") -> str:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end)
    writer.writerow(["anchor", "positive", "negative_2", "negative_1"])
    writer.writerows([q, p, *reversed([*n, *[""] * (2 - len(n))])] for q, p, n in GROUPS)
    return file.getvalue()


OURS = [{"query": q, "positive": p, "negatives": list(n)} for q, p, n in GROUPS]
JSONL = lines(*OURS)
LAYOUTS = {
    "ours": JSONL,
    "with ids": lines(*(row | {"query_id": i, "negative_ids": row["negatives"]} for i, row in enumerate(OURS))),
    "null for no value": lines(*OURS[:2], OURS[2] | {"negatives": None, "scores": None}),
    "numbered": lines(
        *({"query": q, **{f"negative_{i}": t for i, t in enumerate(n)}, "positive": p} for q, p, n in GROUPS)
    ),
    "first unnumbered": lines(
        *(
            {"question": q, "answer": p, "negative_10": (*n, None)[-2], "negative": (*n, None)[0]}
            for q, p, n in GROUPS[:2]
        ),
        {"question": "last", "answer": "p 3", "negative_10": None, "negative": None},
    ),
    "lists": lines(*({"anchor": q, "positive": [p], "negative": list(n)} for q, p, n in GROUPS)),
    "FlagEmbedding": lines(*({"query": q, "pos": [p], "neg": list(n)} for q, p, n in GROUPS)),
    "Tevatron": lines(
        *(
            {"query_id": str(i), "query": q, "positive_passages": passages((p,)), "negative_passages": passages(n)}
            for i, (q, p, n) in enumerate(GROUPS)
        )
    ),
    "Tevatron without titles": lines(
        *(
            {
                "query_text": q,
                "positive_passages": [{"text": p, "title": None}],
                "negative_passages": [{"text": t, "title": ""} for t in n],
            }
            for q, p, n in GROUPS
        )
    ),
    "array": json.dumps(OURS),
    "indented array": "\n  " + json.dumps(OURS, indent=2, ensure_ascii=False) + "\n",
    "array after blanks": " " * 5000 + "\n[" + " " * 5000 + "\n" + json.dumps(OURS)[1:],
    "blank lines": " " * 5000 + "\n \n" + JSONL.replace("\n", "\n\n \n"),
    "CRLF": JSONL.replace("\n", "\r\n"),
    "no last line end": JSONL.rstrip(),
    "TSV": table("\t"),
    "CSV": table(","),
    "CSV of Windows": table(";", "\r\n"),
    "CSV with blank lines": "\n" + table(",").replace("\nlast", "\n\nlast") + "\n \n",
}


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "mark"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_rows_give_the_same_groups(layout: str, mark: bytes, packed: bool, tmp_path: Path) -> None:
    path = tmp_path / "no suffix says what it is"
    data = mark + LAYOUTS[layout].encode()
    path.write_bytes(gzip.compress(data) if packed else data)
    read = read_examples(path)
    assert groups(read) == GROUPS
    assert all(not group.teacher for group in read.groups)
    assert [group.relevant for group in read.groups] == [{*group.positives} for group in read.groups]


def test_texts_of_a_table_keep_every_character(tmp_path: Path) -> None:
    texts = [' a "quoted" ', "line\r\nend\n", "tab\tcomma, semi;", "x" * 200_000]
    for delimiter in "\t,;":
        with (tmp_path / "t").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, delimiter=delimiter).writerows([["query", "positive", "negative", "negative_1"], texts])
        assert groups(read_examples(tmp_path / "t")) == [(texts[0], texts[1], (*texts[2:],))]


def test_ids_of_passages_are_kept_and_make_equal_passages_one(tmp_path: Path) -> None:
    (tmp_path / "t").write_text(LAYOUTS["Tevatron"], encoding="utf-8")
    first, second, _ = read_examples(tmp_path / "t").groups
    assert (first.query_id, first.positives) == ("0", ('id of p "1"',))
    assert first.negatives[1] == second.negatives[0] == "id of n 2"


def test_numbers_of_a_table_are_read_as_numbers(tmp_path: Path) -> None:
    for delimiter in "\t,":
        text = 'query,pos,neg,pos_scores,neg_scores\n1,2,3,0.5,"-1e-1"\n'.replace(",", delimiter)
        (tmp_path / "t").write_text(text, encoding="utf-8")
        (group,) = (read := read_examples(tmp_path / "t")).groups
        assert groups(read) == [("1", "2", ("3",))]
        assert [*group.teacher.values()] == [0.5, -0.1]
    (tmp_path / "t").write_text('anchor,positive,negative,scores\nq,p,n,"[2, null]"\n', encoding="utf-8")
    assert [*read_examples(tmp_path / "t").groups[0].teacher.values()] == [2.0]


HEADER = "query,positive,negative\n"
FILES: list[tuple[bytes | str, str, str, str]] = [
    ('{"query": "a", "positive": "b", "query": "c"}', ":1", "the column 'query' is there twice", "Keep one"),
    ('[{"query": "a"},\n{"query": "c", "query": "d"}]', "", r"is there twice in .*'c'.*'d'", "Keep one"),
    ('{"query": "q", "positive_passages": [{"text": "a", "text": "b"}]}', ":1", "column 'text' is there", "Keep one"),
    (JSONL + '{"scores": ' + "1" * 5000 + "}", ":4", "broken JSON .a number of thousands of digits", "A line reads"),
    (JSONL + '{"negatives": ' + "[" * 100_000 + "}", ":4", "broken JSON .too deep", "A line reads"),
    (JSONL[:-2] + f', "negative_{"1" * 5000}": "n"}}', ":3", "the column 'negative_1+…' is not known", "Rename"),
    ("\ufeff" + JSONL[:-1].replace("\n", "\r"), ":1", "broken JSON .Extra data", "A line reads"),
    ("query,positive\ra,b\r", ":1", "broken table", "Quote"),
    ("Query,Positive\na,b\n", ":1", "neither JSON nor a header with a query", "names the columns"),
    ("query\tpositive\na\tb\n\"c\td\ne\tf\ng\"\th\n", ":3", "a quote joins this line and the next 2", "Quote"),
    ('query,pos,neg,neg_scores\nq,p,n,"' + "[" * 100_000 + '"\n', ":2", r"the score '\[+…' is not", "A teacher's"),
    (JSONL + '{"query": "a",\n', ":4", r"broken JSON \(.*, column 15\): '{\"query\": \"a\",'", "A line reads"),
    (JSONL + "{}" * 2, ":4", r"broken JSON \(Extra data", "A line reads"),
    (JSONL + "{" * 5, ":4", "broken JSON", "A line reads"),
    (JSONL + "\ufeff" + JSONL, ":4", "broken JSON", "A line reads"),
    ('["q", "p", "n"]\n["q", "p", "n"]\n', ":1", "not a JSON object but a list", "A line reads"),
    ('[\n{"query": "a",\n"positive": "b"},\n{"query" "c"}]', ":4", "broken JSON", "A line reads"),
    ('[{"query": "a", "positive": "b"}', ":1", "broken JSON", "A line reads"),
    ('[{"query": "a", "positive": "b"}, 3]', ", row 2", "not a JSON object but a int: 3", "A line reads"),
    ("[]", "", "no training examples", "A line reads"),
    ("", "", "no training examples", "A line reads"),
    (HEADER, "", "no training examples", "A line reads"),
    ("query,positive,query\na,b,c\n", ":1", "the column 'query' is there twice", "Keep one"),
    (HEADER + "a,b,c\n\na,b\n", ":4", "2 cells below a header of 3", "Quote"),
    (HEADER + 'a,"b\nb",c\na,b,c,d\n', ":4", "4 cells below a header of 3", "Quote"),
    (HEADER + 'a,b,c\na,"b" b,c\n', ":3", "broken table", "Quote"),
    (HEADER + 'a,b,c\na,"b,c\n\n', ":4", "broken table", "Quote"),
    (HEADER + "a,,c\n", ":2", "'positive' is missing", "A line reads"),
    (HEADER + "a,b,c\n , ,\n", ":3", "'query' is missing, empty or not a text", "A line reads"),
    (HEADER + "a,b,\"['c', 'd']\"\n", ":2", "'negative' holds a list written as a text", "JSON lines"),
    (HEADER + 'a,b,"[""c""]"\n', ":2", "'negative' holds a list written as a text", "JSON lines"),
    (",query,positive\n0,a,b\n", ":2", "the column '' is not known", "Rename or remove"),
    ("query,positive,label\na,b,1\na,c,0\n", ":3", "the label is 0", "among the negatives"),
    ("query,positive,label\na,b,1\na,c,\n", ":3", "the label is None", "among the negatives"),
    ("a question\ta positive\ta negative\n", ":1", r"neither JSON nor .*: 'a question\\ta pos", "names the columns"),
    ("text1,text2\na,b\n", ":1", "neither JSON nor a header", "names the columns"),
    (HEADER.encode() + b"a,\xff,c\n", ":2", r"not UTF-8 \(byte 0xff at column 3\)", "Save the file as UTF-8"),
    (HEADER.encode("utf-16"), ":1", "UTF-16 or UTF-32, and not UTF-8", "Save the file as UTF-8"),
    (JSONL.encode("utf-16-le"), ":1", "not UTF-8", "Save the file as UTF-8"),
    (gzip.compress(JSONL.encode())[:-9], "", "broken gzip", "anew"),
    (gzip.compress(JSONL.encode())[:20] + b"?" * 20, "", "broken gzip", "anew"),
    (gzip.compress(b"PAR1 and so on"), "", "this is Parquet", "pandas.read_parquet"),
    (b"PAR1 and so on", "", "this is Parquet", "pandas.read_parquet"),
    (b"ARROW1\0\0", "", "this is Arrow", "from_file"),
    (b"PK\x03\x04 a sheet", "", "this is a zip archive or a spreadsheet", "CSV"),
    (b"\x28\xb5\x2f\xfd...", "", "this is zstd", "gzip is read"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "where", "problem", "remedy"), FILES)
def test_a_file_that_cannot_be_read_whole_is_refused(
    content: bytes | str, where: str, problem: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError, match=problem) as caught:
        read_examples(path)
    assert caught.value.where == f"{path}{where}"
    assert remedy in caught.value.remedy


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_pipe_is_read_from_its_first_byte(packed: bool, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    data = JSONL.encode() + b"".join(b'{"query": "%d", "positive": "p"}\n' % i for i in range(3000))
    with ThreadPoolExecutor() as writer:
        writer.submit((tmp_path / "pipe").write_bytes, gzip.compress(data) if packed else data)
        read = groups(read_examples(tmp_path / "pipe"))
    assert read == [*GROUPS, *((str(i), "p", ()) for i in range(3000))]


def test_the_first_member_of_a_gzip_file_may_be_short(tmp_path: Path) -> None:
    data = json.dumps(OURS).encode()
    (tmp_path / "t").write_bytes(gzip.compress(data[:1]) + gzip.compress(b"") + gzip.compress(data[1:]))
    assert groups(read_examples(tmp_path / "t")) == GROUPS


def test_a_folder_is_no_training_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_examples(tmp_path)
