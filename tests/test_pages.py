"""README and docs: what they name exists, what they type parses, what they claim was measured."""

import ast
import importlib
import inspect
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import strop
from strop.commands.tree import COMMANDS, loaded

ROOT = Path(__file__).parent.parent
STUDIES = sorted((ROOT / "src/strop/studies").glob("*/README.md"))
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "benchmarks/README.md",
    *(ROOT / "docs").glob("*.md"),
    *STUDIES,
]
NAMED = [path.relative_to(ROOT).as_posix() for path in PAGES]
NUMBER = r"[−+]?\d+\.\d{2,}(?: \[[^\]]*\])?"


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text_of(page), flags=re.MULTILINE | re.DOTALL)


def command_lines(page: str, in_text: bool = True) -> Iterator[list[str]]:
    """The words of each `strop …` line of a page, in blocks and, unless left out, in running text."""
    lines = [line for block in blocks(page, "") for line in block.replace("\\\n", " ").split("\n")]
    running = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    lines += re.findall(r"`(strop [^`]*)`", re.sub(r"\s+", " ", running)) if in_text else []
    for line in lines:
        for part in line.split(" && "):
            words = shlex.split(part, comments=True)
            if words[:1] == ["strop"]:
                yield words[1:]


def parsed(words: list[str]) -> None:
    """Read a command line as typer does, without running it; a command named without arguments is only looked up."""
    if words[0].startswith("-"):
        return
    assert words[0] in COMMANDS, f"there is no command {words[0]!r}"
    command, words = loaded(words[0]), words[1:]
    if words and hasattr(command, "commands"):
        assert words[0] in command.commands or words[0].startswith("-"), f"there is no command {words[0]!r}"
        if words[0].startswith("-"):
            return
        command, words = command.commands[words[0]], words[1:]
    if words:
        command.make_context(command.name, words)


@pytest.mark.parametrize("page", NAMED)
def test_every_command_line_of_a_page_parses(page: str) -> None:
    typed = list(command_lines(page, in_text=False))
    for words in command_lines(page):
        try:
            parsed(list(words))
        except Exception as error:
            if type(error).__name__ == "MissingParameter" and words not in typed:
                continue  # running text may name an option without the arguments
            pytest.fail(f"{page}: strop {shlex.join(words)}: {error!r}")


@pytest.mark.parametrize("page", NAMED)
def test_every_name_that_python_on_a_page_uses_exists(page: str) -> None:
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "strop":
                module = importlib.import_module(str(node.module))
                for alias in node.names:
                    assert hasattr(module, alias.name) or importlib.import_module(f"{node.module}.{alias.name}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called = node.func
                if isinstance(called.value, ast.Name) and called.value.id == "strop":
                    keywords = {str(keyword.arg): None for keyword in node.keywords}
                    inspect.signature(getattr(strop, called.attr)).bind(*node.args, **keywords)


@pytest.mark.parametrize("page", NAMED)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    folder = (ROOT / page).parent
    links = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)) if "://" not in target]
    named = re.findall(r"`((?:src|tests|tools|docs|benchmarks)/[\w./]+)`", text_of(page))
    missing = [link for link in links if link and not (folder / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_page_of_python_calls_has_every_name_of_the_face_and_no_other() -> None:
    assert set(re.findall(r"strop\.(\w+)", text_of("docs/api.md"))) - {"losses", "negatives", "records"} == set(
        strop.__all__
    )


def test_the_page_of_python_calls_gives_today_s_parameters_and_defaults() -> None:
    calls = re.findall(r"^- `strop\.(\w+)(\([^`]*\))`", text_of("docs/api.md"), flags=re.MULTILINE)
    assert len(calls) > 20
    for name, signature in calls:
        written = ast.parse(f"def call{signature}: ...").body[0]
        assert isinstance(written, ast.FunctionDef)
        given = [argument.arg for argument in written.args.args]
        parameters = inspect.signature(getattr(strop, name)).parameters
        assert set(given) == set(parameters) - {"progress"}, name
        defaults = {
            name: parameter.default.__name__ if isinstance(parameter.default, type) else repr(parameter.default)
            for name, parameter in parameters.items()
            if parameter.default is not parameter.empty
        }
        values = map(ast.unparse, written.args.defaults)
        assert dict(zip(given[-len(written.args.defaults) :], values, strict=False)) == {
            argument: defaults[argument] for argument in given if argument in defaults
        }, name


def test_every_figure_on_the_page_of_choices_stands_in_the_log_or_in_a_study() -> None:
    sources = [ROOT / "LOG.md", ROOT / "benchmarks/README.md", *STUDIES]
    known = re.sub(r"\s+", " ", " ".join(path.read_text(encoding="utf-8") for path in sources).replace("**", ""))
    figures = set(re.findall(NUMBER, re.sub(r"\s+", " ", text_of("docs/choosing.md").replace("**", ""))))
    assert len(figures) > 50
    assert not {figure for figure in figures if figure not in known}
