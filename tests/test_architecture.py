"""The rules of the house, read from the source. What a rule is for stands in docs/architecture.md."""

import ast
import re
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import strop

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "strop"

#: From the top of the house down. A file imports only from rooms above its own; rooms on one line know each other.
ROOMS = """
nouns
memory progress
runs
results logbook
alarms choice
artifacts
scoring
losses
geometry
significance
transfer
prediction rule_scores
measures
claims
tokens
collection
negatives
batches
models
lexical
optimizers
ranks chunks
forwards
selection
checkpoint train
held_out
encode index search late_search rescoring passages rerank fuse
fuse_tuning
routing
probe
monitor trackers
evaluate ceiling
latency
causes
ratchet
recipes
points
systems
study
stages
similarity
diagnose
tuning bench_memory bench_lengths
model_card
exhibits
mining starts material rankings cross_fit
training_data
calibrations
workbench
cells
study_transfer study_reranking
study_record study_exhibits
conduct checkpoints
planning
tune
report
watch
contrasts
efficiency
studies
doctor
commands
data_commands two_stages fuse_commands teach_commands
explain study_commands
callback
bench
bench_training
terminal
study_cli ranking_cli teach_cli
cli
__main__
"""
LEVEL = {room: level for level, line in enumerate(ROOMS.split("\n")) for room in line.split()}

#: The one door to each outside library.
DOORS = {
    "bm25s": {"lexical"},
    "Stemmer": {"lexical"},
    "sentence_transformers": {"models", "callback", "bench"},
    "transformers": {"models", "callback", "bench"},
    "peft": {"models"},
    "huggingface_hub": {"models", "doctor"},
    "ir_measures": {"measures"},
    "pytrec_eval": {"measures"},
    "ir_datasets": {"collection"},
    "altair": {"report"},
    "vl_convert": {"report"},
    "jinja2": {"report"},
    "lion_pytorch": {"optimizers"},
    "typer": {"cli", "study_cli", "ranking_cli", "teach_cli"},
    "umap": {"geometry"},
    "accelerate": {"trackers"},
}
PURE = {"losses", "geometry", "scoring", "significance"}
DATA = {"collection", "negatives", "batches", "tokens", "runs", "results", "artifacts"}
FILES = {"pathlib", "os", "io", "csv", "json", "shutil", "tempfile", "pickle", "sqlite3", "glob"}
VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc", "core"}


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, `strop` itself included."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(module: str) -> frozenset[str]:
    """The modules a module imports anywhere in its text, in functions and under TYPE_CHECKING too."""
    found = set()
    for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                package = module.split(".") if modules()[module].name == "__init__.py" else module.split(".")[:-1]
                source = ".".join([*package[: len(package) - node.level + 1], *([source] if source else [])])
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in modules() else source)
    return frozenset(found)


def room(module: str) -> str:
    """`strop.losses.triplet` is in the room losses; what is not ours, and the package's face, is in none."""
    parts = module.split(".")
    return parts[1] if parts[0] == "strop" and len(parts) > 1 else ""


def reached(module: str) -> set[str]:
    """Everything a module's import can load, at once or later."""
    seen, waiting = set(), [module]
    while waiting:
        for name in imports(waiting.pop()):
            if name not in seen:
                seen.add(name)
                if name in modules():
                    waiting.append(name)
    return seen


def edges() -> list[tuple[str, str]]:
    return [(module, name) for module in modules() for name in sorted(imports(module))]


def run(code: str) -> str:
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    return said.stdout.strip().split("\n")[-1]


def test_the_reader_of_imports_sees_those_inside_functions() -> None:
    assert {"strop.nouns", "huggingface_hub", "safetensors"} <= imports("strop.models.pretrained")


def test_every_room_is_on_the_list() -> None:
    assert {room(module) for module in modules()} - {""} <= set(LEVEL), "give the new room its place in ROOMS"


def test_a_file_imports_only_from_rooms_above_it() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, name in edges()
        if room(module) and room(name) and LEVEL.get(room(name), 0) > LEVEL.get(room(module), 99)
    ]
    sideways = [
        f"{module} imports {name}"
        for module, name in edges()
        if name.startswith("strop") and not room(name) and name != module
    ]
    assert not wrong, wrong
    assert not sideways, f"the package's face is for users: {sideways}"


def test_there_are_no_import_cycles() -> None:
    cycles = [module for module in modules() if module in reached(module)]
    assert not cycles, cycles


def test_the_package_never_imports_its_tests() -> None:
    wrong = [edge for edge in edges() if edge[1].split(".")[0] in {"tests", "pytest", "conftest", "hypothesis"}]
    assert not wrong, wrong


def test_losses_geometry_scoring_and_significance_know_no_models_data_or_files() -> None:
    wrong = [
        f"{module} reaches {name}"
        for module in modules()
        if room(module) in PURE
        for name in reached(module)
        if room(name) in DATA | {"models", "train"} or name.split(".")[0] in FILES
    ]
    opened = [
        module
        for module, path in modules().items()
        if room(module) in PURE
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert not wrong + opened, wrong + opened


def test_models_know_neither_losses_nor_the_loop() -> None:
    wrong = [
        (module, name)
        for module in modules()
        if room(module) == "models"
        for name in reached(module)
        if room(name) in {"losses", "train", "checkpoint"}
    ]
    assert not wrong, wrong


def test_each_outside_library_has_one_door() -> None:
    wrong = [
        f"{module} imports {name}, which is for {sorted(DOORS[name.split('.')[0]])}"
        for module, name in edges()
        if room(module) not in DOORS.get(name.split(".")[0], {room(module)})
    ]
    assert not wrong, wrong


def test_only_the_command_line_imports_studies() -> None:
    wrong = [(a, b) for a, b in edges() if room(b) == "studies" and room(a) not in {"cli", "study_cli", "studies"}]
    assert not wrong, wrong


def test_the_report_can_never_load_torch() -> None:
    pages = [module for module in modules() if room(module) == "report"]
    if not pages:
        pytest.skip("there is no report yet")
    heavy = {"torch", "transformers", "sentence_transformers", "peft", "accelerate"}
    for page in pages:
        assert not heavy & {name.split(".")[0] for name in reached(page)}, page
    loaded = run(f"import sys, {', '.join(pages)}; print(sorted({heavy} & set(sys.modules)))")
    assert loaded == "[]"


def test_the_command_s_help_is_instant() -> None:
    if "strop.cli" not in modules():
        pytest.skip("there is no command yet")
    heavy = "{'torch', 'transformers', 'sklearn', 'scipy', 'altair', 'ir_measures', 'numpy'}"
    code = f"""
import sys
sys.argv = ["strop", "--help"]
from strop.cli import app
try:
    app()
except SystemExit as end:
    assert not end.code
print(sorted({heavy} & set(sys.modules)))"""
    assert run(code) == "[]"


def test_importing_the_package_loads_nothing() -> None:
    assert (
        run("import sys, strop; print(sorted(n for n in sys.modules if n.startswith('strop.') or n == 'torch'))")
        == "[]"
    )


def test_every_name_on_the_package_s_face_resolves_and_is_no_file_s_name() -> None:
    files = {room(module) for module in modules()}
    code = "import strop; print([n for n in strop.__all__ if not hasattr(strop, n)], bool(strop.__version__))"
    assert run(code) == "[] True"
    typed = imports("strop") - {"typing", "importlib", "importlib.metadata"}
    assert typed == set(strop._FACE.values()), "the two lists of src/strop/__init__.py differ"
    assert not files & set(strop.__all__)


def test_inner_packages_have_empty_faces() -> None:
    for module, path in modules().items():
        if path.name == "__init__.py" and module != "strop":
            body = ast.parse(path.read_text(encoding="utf-8")).body
            assert all(isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) for node in body), module


def test_files_are_small() -> None:
    lengths = {
        module: len(path.read_text(encoding="utf-8").splitlines())
        for module, path in modules().items()
        if path.name != "__init__.py"
    }
    assert not {module: length for module, length in lengths.items() if length > 300}
    assert statistics.median(lengths.values()) <= 150


def test_names_say_something_and_shadow_nothing() -> None:
    names = {part for module in modules() for part in module.split(".")}
    wrong = names & (VAGUE | sys.stdlib_module_names)
    assert not wrong, wrong


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_machine_it_was_made_on() -> None:
    private = re.compile(
        rb"(?<![\w.-])/(work|root|home/\w+)/(main|shared|\.\w+)|/opt/(wheels|pypi)|"
        rb"\b(pypi|pythonhosted|npmjs|debian)\.org\b"
    )
    found = [
        f"{path.relative_to(ROOT)}: {match.group().decode()}"
        for path in tracked()
        if path != Path(__file__)
        for match in private.finditer(path.read_bytes())
    ]
    assert not found, found
