"""What a user can type in any place of any command: one line, exit code 2, nothing left behind, and never a fault."""

import os
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
import tiny_models
from rich.console import Console
from small_collection import small_collection

from strop.commands import terminal, tree
from strop.commands.endings import run
from strop.records.errors import QUOTED, InputError, excerpt, one_line, visible
from strop.training.recipes import recipe

pytestmark = pytest.mark.usefixtures("one_thread")

#: A command line that works, or ends in one line at once where work would take long; `{}` is nothing.
COMMANDS = {
    "tune": "small --base model --guard none --budget 1s --out tuned --seed -9",
    "data inspect": "none --model nowhere/x",
    "data export": "none out",
    "mine": "small mined --from bm25 --window 9",
    "train": "pairs trained --model model --set updates=2 --seed -9",
    "teach": "pairs taught --model model --set updates=2 --seed -9",
    "search": "small out --model nowhere/x",
    "fuse": "out run run --measure none",
    "rerank": "run out --model model --on small --windows none",
    "evaluate": "run --qrels small --measure none",
    "study run": "when_finetuning_fails --on none",
    "study plan": "when_finetuning_fails --on none",
    "study show": "T99 --on none",
    "study checkpoints": "when_finetuning_fails --on none",
    "study report": "none page.html",
    "explain": "model --on none",
    "export": "none out",
    "doctor": "",
    "bench": "latency --model nowhere/x",
}
LONG = "9" * 5000
WORDS = [
    "", ".", "..", "/", "-", "~", "~nobody/x", "²", "²-³", "-1", "1e38", "nan", "inf", "0x10", str(2**63), str(10**30),
    LONG, "**", "a=" + "[" * 5000, "a" * 300, "run/x", "dangling", "loop", "small", "small/corpus.jsonl", "http://[x",
    "a+", "irds:none", "docstrings:none", "model@x", "%s{}", "new\nline", "\x1b[31mred\x1b[0m", "\r\x08over",
    "[bold]x[/]", "\u202ebackwards", "👩\u200d🔬",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("words")
    small_collection(folder / "small")
    tiny_models.build(folder)
    (folder / "run").write_text("q24 Q0 d24 1 1.0 x\n", encoding="utf-8")
    (folder / "pairs").write_text('{"query": "a", "positive": "b"}\n' * 2, encoding="utf-8")
    if os.name != "nt":
        (folder / "dangling").symlink_to("nothing")
        (folder / "loop").symlink_to("loop")
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


def places() -> list[tuple[str, str]]:
    """Every argument and every option that takes a value, of every command."""
    found = []
    for name, command in ((name, tree.loaded(name)) for name in tree.COMMANDS):
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            takes = [p for p in leaf.params if p.name != "help" and not getattr(p, "is_flag", False)]
            for place in takes:
                named = place.opts[0] if place.param_type_name == "option" else str(place.name)
                found.append((f"{name} {inner}".strip(), named))
    return found


def with_word(command: str, place: str, word: str, arguments: list[str]) -> list[str]:
    """The command line with a word in one place of it."""
    given = COMMANDS[command].split()
    if place.startswith("--"):
        return [*command.split(), *given, f"{place}={word}"]
    plain = next((i for i, each in enumerate(given) if each.startswith("--")), len(given))
    at = min(arguments.index(place), plain)
    return [
        *command.split(),
        *given[:at],
        *(["--"] if word.startswith("-") and not given[plain:] else []),
        word,
        *given[at + (at < plain) :],
    ]


@pytest.mark.parametrize(("command", "place"), places())
def test_no_word_in_any_place_is_more_than_one_line(
    command: str, place: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [name for of, name in places() if of == command and not name.startswith("--")]
    collections = place in ("collection", "--on", "--test", "--guard")
    for word in (word for word in WORDS if not (collections and word == "small")):
        before = set(os.listdir(folder))
        code = run(with_word(command, place, word, arguments))
        said = capsys.readouterr().err
        assert code == 2, (word[:90], code, said)
        lines = [
            line for line in said.split("\n") if line and not line.endswith(" …") and not line.startswith("warning")
        ]
        assert len(lines) == 1, (word[:90], said)
        assert lines[0].startswith("error: "), (word[:90], said)
        assert visible(lines[0]) == lines[0]
        assert len(lines[0]) < 900, (word[:90], said)
        assert LONG[: QUOTED + 1] not in said
        assert set(os.listdir(folder)) - {"home"} <= before, (word[:90], "leaves nothing behind")


@pytest.mark.parametrize("read", [excerpt, lambda value: str(InputError(f"it is {excerpt(value)}", remedy="No"))])
@pytest.mark.parametrize(
    "value",
    [LONG, int("9" * 4000), 10**5000, ["x"] * 100, {"a": LONG}, "\x1b[2J" * 50, b"\0" * 99],
    ids=lambda value: type(value).__name__,
)
def test_a_value_is_quoted_to_eighty_characters_whatever_it_is(read: Callable[[object], str], value: object) -> None:
    assert len(read(value)) <= QUOTED + len("it is . No")
    assert visible(read(value)) == read(value)


def test_a_short_value_and_a_long_path_are_shown_whole() -> None:
    assert excerpt("a'b") == '"a\'b"'
    assert excerpt("x" * 78) == repr("x" * 78)
    assert excerpt("x" * 79) == "'" + "x" * 77 + "…'"
    path = "/".join(["folder"] * 60)
    assert str(InputError("no", where=path, remedy="Do")) == f"{path}: no. Do"


def test_controls_are_written_as_escapes_and_other_scripts_as_they_are() -> None:
    assert visible("a\x1b[1m\r\n\u202e\u2028\x9b\ud800") == r"a\x1b[1m\r\n\u202e\u2028\x9b\ud800"
    assert visible("naïve 雪 ‏".strip("\u200f") + "👩\u200d🔬 می\u200cخواهم") == "naïve 雪 👩\u200d🔬 می\u200cخواهم"
    assert one_line("a " + "b" * 300) == "a " + "b" * 79 + "…"


@pytest.mark.parametrize(
    "value", ["", "nan", "1e38", "1e300", str(2**63), str(10**30), LONG, "[" * 5000, "²", "\x1b[2J"]
)
@pytest.mark.parametrize(
    "field",
    [
        "optimizer.learning_rate",
        "tuning.r",
        "loss.temperature",
        "max_length",
        "penalty",
        "selection",
        "a.b",
        "tuning.x",
    ],
)
def test_a_setting_is_taken_or_refused_before_anything_is_read(field: str, value: str) -> None:
    numbers = {str(2**63), str(10**30)}
    taken = {"loss.temperature": {"1e38", "1e300", *numbers}, "max_length": numbers, "optimizer.learning_rate": numbers}
    if value in taken.get(field, ()):
        return  # a training would show what becomes of it
    with pytest.raises(InputError) as refused:
        recipe("in-batch-lora", {field: value})
    assert len(str(refused.value)) < 600
    assert visible(str(refused.value)) == str(refused.value)


def test_dropout_can_be_set_where_the_recipe_leaves_it_to_the_model() -> None:
    assert recipe("in-batch-full", {"dropout": "0.2"}).dropout == 0.2


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_table_loses_no_word_in_a_narrow_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(terminal, "console", Console(width=width, highlight=False, emoji=False))
    rows = [
        ["name", "first value", "second", "difference [95 %]"],
        ["[red]a:smile:\x1b[31m", "0.1", "0.2", "+0.1 [0.0, 0.2]"],
    ]
    terminal.table(rows, "small\n[bold]of [/]", "and more")
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[bold]of" in printed
    joined = "".join(printed.split())
    for cell in (*rows[0], "[red]a:smile:" if width == 80 else "smile", "0.1", "0.2", "+0.1 [0.0, 0.2]"):
        assert cell.replace(" ", "") in joined
    assert max(map(len, printed.splitlines()[3:])) <= width


@pytest.mark.skipif(os.name == "nt", reason="no named pipes of this kind")
@pytest.mark.parametrize(
    "line",
    [
        "evaluate PIPE --qrels small", "evaluate run --qrels PIPE", "evaluate run PIPE --qrels small",
        "fuse out PIPE run",
        "evaluate run --qrels small --candidates PIPE", "mine small out --from PIPE --split test --window 1-2",
        "fuse out run run --tune-on PIPE --dev-run run --dev-run run",
    ],
)  # fmt: skip
def test_a_pipe_is_read_as_the_file_behind_it(
    line: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if "--split test" in line:
        content = "".join(f"q{q} Q0 d{q + 1} 1 1.0 x\n" for q in range(24, 32))
    else:
        content = (folder / ("small/qrels/test.tsv" if "qrels PIPE" in line else "run")).read_text(encoding="utf-8")
    if "--tune-on" in line:
        content = "q1 0 d24 1\n"
    said = {}
    for kind in ("file", "pipe"):
        source = tmp_path / kind
        if kind == "file":
            source.write_text(content, encoding="utf-8")
        else:
            os.mkfifo(source)
            Thread(target=source.write_text, args=(content,), daemon=True).start()
        code = run([str(source) if word == "PIPE" else word for word in line.split()])
        out, err = capsys.readouterr()
        said[kind] = code, out.replace(str(source), "SOURCE"), err.replace(str(source), "SOURCE")
        (folder / "out").unlink(missing_ok=True)
    assert said["pipe"] == said["file"]
    assert said["file"][0] == (2 if "--tune-on" in line else 0), said


def test_a_dash_is_told_how_standard_input_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "-", "--qrels", "small"]) == 2
    assert "For standard input write /dev/stdin" in capsys.readouterr().err
    assert run(["search", "small", "-"]) == 2
    assert "not to standard output" in capsys.readouterr().err
