"""Small ways to break a file's bytes, each drawn from a seed; and what may take a file's place in its folder."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, TypeVar

T = TypeVar("T")
Break = Callable[[bytes, Random], bytes]

DIGITS = "9" * 5000
DEEP = "[" * 100_000 + "]" * 100_000
#: What may stand in a JSON file where something else belongs, as it is written there.
JSON_VALUES = (
    "null", "true", "0", "-1", "3.5", "1e400", "-1e400", "NaN", "Infinity", DIGITS, "1." + DIGITS, "[]", "{}", "[null]",
    '""', '" "', '{"a": 1}', '["a", "b"]', '"a\\nb"', '"a\\tb"', '"\\u0000"', '"\\ud800"', '"\\u001b[31m"', DEEP,
    '{"a":' * 9000 + "1" + "}" * 9000,
)  # fmt: skip
#: What may stand in a cell of a table, a run or a qrels file.
CELLS = (
    "", " ", "nan", "inf", "-inf", "1e400", "-1", "1.5", "1_0", "0x10", "١", "+1", DIGITS, "a b", "#1", "\0",
    '"', '""', "'", "null", "[1, 2]", "['a', 'b']", "\x1b[31m", "\u2028", "\ufeff", "\u00a0", "é", "x" * 200_000,
)  # fmt: skip


def _lines(data: bytes) -> list[bytes]:
    return data.split(b"\n")


def _on_a_line(data: bytes, rng: Random, change: Callable[[bytes], bytes]) -> bytes:
    """The data with one of its lines that are not blank, never the first of several, changed."""
    lines = _lines(data)
    full = [i for i, line in enumerate(lines) if line.strip()]
    place = rng.choice(full[1:] or full)
    lines[place] = change(lines[place])
    return b"\n".join(lines)


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(1, len(data))]


def _flip(data: bytes, rng: Random) -> bytes:
    place = rng.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << rng.randrange(8)]) + data[place + 1 :]


def _insert(what: bytes) -> Break:
    def insert(data: bytes, rng: Random) -> bytes:
        place = rng.randrange(len(data) + 1)
        return data[:place] + what + data[place:]

    return insert


def _repeat(data: bytes, rng: Random) -> bytes:
    return _on_a_line(data, rng, lambda line: line + b"\n" + line)


def _join(data: bytes, rng: Random) -> bytes:
    place = rng.choice([i for i, byte in enumerate(data) if byte == 10] or [0])
    return data[:place] + data[place + 1 :]


#: Of any file of text: name -> what it does.
ANY: Mapping[str, Break] = {
    "cut": _cut,
    "empty": lambda data, rng: b"",
    "blank": lambda data, rng: b"\n \n\t\n",
    "bit flipped": _flip,
    "NUL": _insert(b"\0"),
    "BOM inside": _insert(b"\xef\xbb\xbf"),
    "latin-1 inside": _insert(b"\xe9"),
    "control inside": _insert(b"\x1b[31m\x07"),
    "form feed inside": _insert(b"\x0c"),
    "line separator inside": _insert("\u2028".encode()),
    "UTF-16": lambda data, rng: data.decode().encode("utf-16"),
    "UTF-16 without mark": lambda data, rng: data.decode().encode("utf-16-be"),
    "UTF-32": lambda data, rng: data.decode().encode("utf-32"),
    "latin-1": lambda data, rng: "é".encode("latin-1") + data,
    "CR": lambda data, rng: data.replace(b"\n", b"\r"),
    "gzip cut": lambda data, rng: gzip.compress(data, mtime=0)[: -rng.randrange(1, 30)],
    "gzip flipped": lambda data, rng: _flip(gzip.compress(data, mtime=0), rng),
    "gzip and more": lambda data, rng: gzip.compress(data, mtime=0) + b"more",
    "gzip twice": lambda data, rng: gzip.compress(gzip.compress(data, mtime=0), mtime=0),
    "zip": lambda data, rng: b"PK\x03\x04" + data,
    "trailing garbage": lambda data, rng: data + b"\nzzz\n",
    "trailing brace": lambda data, rng: data + b"}",
    "line twice": _repeat,
    "file twice": lambda data, rng: data + data,
    "lines joined": _join,
    "huge line": lambda data, rng: data + b"\n" + b"x" * 3_000_000,
    "one quote": _insert(b'"'),
    "tab inside": _insert(b"\t"),
    "blank inside": _insert(b" "),
    "line end inside": _insert(b"\n"),
    "line gone": lambda data, rng: _on_a_line(data, rng, lambda line: b""),
    "deep": lambda data, rng: data + DEEP.encode(),
}
#: What no reader of text may mind: it means the same.
HARMLESS: Mapping[str, Break] = {
    "as it is": lambda data, rng: data,
    "BOM": lambda data, rng: b"\xef\xbb\xbf" + data,
    "CRLF": lambda data, rng: data.replace(b"\n", b"\r\n"),
    "no last line end": lambda data, rng: data.rstrip(b"\n"),
    "blank lines": lambda data, rng: data.replace(b"\n", b"\n\n"),
    "gzip": lambda data, rng: gzip.compress(data, mtime=0),
    "gzip in two members": lambda data, rng: gzip.compress(data[:40], mtime=0) + gzip.compress(data[40:], mtime=0),
}


def cells(separator: bytes, first: int = 1) -> Mapping[str, Break]:
    """Of a file of columns, whose lines below the `first` are broken."""

    def on_cells(change: Callable[[list[bytes], Random], list[bytes]]) -> Break:
        def broken(data: bytes, rng: Random) -> bytes:
            head, body = _lines(data)[:first], b"\n".join(_lines(data)[first:])
            changed = _on_a_line(b"\n" * 0 + body, rng, lambda line: separator.join(change(line.split(separator), rng)))
            return b"\n".join([*head, changed])

        return broken

    def put(text: str) -> Break:
        def change(found: list[bytes], rng: Random) -> list[bytes]:
            found[rng.randrange(len(found))] = text.encode()
            return found

        return on_cells(change)

    def swapped(found: list[bytes], rng: Random) -> list[bytes]:
        one, other = rng.sample(range(len(found)), 2)
        found[one], found[other] = found[other], found[one]
        return found

    def gone(found: list[bytes], rng: Random) -> list[bytes]:
        del found[rng.randrange(len(found))]
        return found

    return {
        "cell missing": on_cells(gone),
        "cell more": on_cells(lambda found, rng: [*found, b"x"]),
        "cells swapped": on_cells(swapped),
        "other separator": on_cells(lambda found, rng: [b";".join(found)]),
        "header gone" if first else "first line twice": lambda data, rng: b"\n".join(
            _lines(data)[1:] if first else _lines(data)[:1] + _lines(data)
        ),
        **{f"cell {text[:12]!r}": put(text) for text in CELLS},
    }


def json_lines() -> Mapping[str, Break]:
    """Of a file of a JSON object a line."""

    def of_a_line(change: Break) -> Break:
        return lambda data, rng: _on_a_line(data, rng, lambda line: change(line, rng))

    return {name: of_a_line(change) for name, change in json_file().items()}


def json_file() -> Mapping[str, Break]:
    """Of a JSON file: a value at any depth becomes another, a key goes, comes twice or gets another name."""

    def put(text: str) -> Break:
        return lambda data, rng: _replaced(json.loads(data), rng, text)

    return {
        "key gone": lambda data, rng: _rekeyed(data, rng, None),
        "key renamed": lambda data, rng: _rekeyed(data, rng, "Other"),
        "key more": lambda data, rng: data.replace(b"{", b'{"more": 1, ', 1),
        "key twice": lambda data, rng: _key_twice(data),
        "in a list": lambda data, rng: b"[" + data.strip() + b"]",
        "a text": lambda data, rng: json.dumps(data.decode()).encode(),
        "single quotes": lambda data, rng: data.replace(b'"', b"'"),
        "comma at the end": lambda data, rng: data.rstrip()[:-1] + b",}",
        **{f"value {text[:12]}": put(text) for text in JSON_VALUES},
    }


_MARK = "here goes the value"


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, each in inner for place in ((value, key), *_places(each))]


def _replaced(value: Any, rng: Random, text: str) -> bytes:
    container, key = rng.choice(_places(value) or [([value], 0)])
    container[key] = _MARK
    return json.dumps(value).replace(f'"{_MARK}"', text).encode()


def _rekeyed(data: bytes, rng: Random, name: str | None) -> bytes:
    value = json.loads(data)
    objects = [(container, key) for container, key in _places(value) if isinstance(container, dict)]
    if objects:
        container, key = rng.choice(objects)
        held = container.pop(key)
        if name is not None:
            container[name] = held
    return json.dumps(value).encode()


def _key_twice(data: bytes) -> bytes:
    value = json.loads(data)
    if not isinstance(value, dict) or not value:
        return data + data
    key = next(iter(value))
    return b"{" + json.dumps(key).encode() + b": 1, " + data.strip()[1:]


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


def _dangling(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def _sealed(path: Path) -> None:
    path.chmod(0)


#: What may be found where a file should be.
PLACES: Mapping[str, Callable[[Path], None]] = {
    "missing": _gone,
    "a folder": _folder,
    "a link to itself": _loop,
    "a link to nothing": _dangling,
} | ({"not readable": _sealed} if hasattr(os, "getuid") and os.getuid() else {})


def in_turn(each: Sequence[Iterator[T]]) -> Iterator[T]:
    """One of each, and again, until all have ended; each is asked only once what it gave before has been used."""
    left = list(each)
    while left:
        for one in tuple(left):
            try:
                yield next(one)
            except StopIteration:
                left.remove(one)


def attacks(
    fresh: Callable[[], Path],
    own: Mapping[str, Break],
    rng: Random,
    harmless: Collection[str] = tuple(HARMLESS),
    text: bool = True,
) -> Iterator[tuple[str, Path, bool]]:
    """Every breakage in an order that is drawn: its title, the broken file, which `fresh` makes anew in a folder of its
    own, and whether it means the same as before. Of what is no `text`, only its `own`."""
    changes = {"as it is": HARMLESS["as it is"], **({**HARMLESS, **ANY} if text else {}), **own}
    for title in rng.sample([*changes, *PLACES], len(changes) + len(PLACES)):
        path = fresh()
        if title in changes:
            path.write_bytes(changes[title](path.read_bytes(), rng))
        else:
            PLACES[title](path)
        yield title, path, title in harmless
