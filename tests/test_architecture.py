"""The rules of the house, read from the source. docs/architecture.md explains them."""

import ast
import re
import statistics
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import strop
from strop.commands import tree

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))
import draw_rooms

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "strop"

FLOOR_1 = ("records", "artifacts")
FLOOR_2 = (*FLOOR_1, "models", "collection", "losses", "geometry", "evaluation")
FLOOR_4 = (*FLOOR_2, "retrieval", "negatives", "monitoring")
FLOOR_6 = (*FLOOR_4, "training", "study", "bench", "tuning")

#: A room, and the rooms it may import. A file imports from its own room and from these, and from nothing else of strop.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "records": (),
    "artifacts": ("records",),
    "losses": FLOOR_1,
    "geometry": FLOOR_1,
    "evaluation": FLOOR_1,
    "collection": FLOOR_1,
    "models": FLOOR_1,
    "retrieval": (*FLOOR_1, "models", "collection", "evaluation"),
    "negatives": (*FLOOR_1, "models", "collection", "evaluation"),
    "monitoring": (*FLOOR_2, "retrieval", "negatives"),
    "training": FLOOR_4,
    "report": (*FLOOR_1, "evaluation", "geometry", "monitoring"),
    "study": (*FLOOR_4, "training"),
    "bench": (*FLOOR_4, "training"),
    "tuning": (*FLOOR_4, "training"),
    "studies": FLOOR_6,
    "commands": (*FLOOR_6, "report"),
}

#: The one door to each outside library: rooms, or files where one file of a room is it.
DOORS = {
    "bm25s": {"strop.retrieval.lexical"},
    "Stemmer": {"strop.retrieval.lexical"},
    "sentence_transformers": {"strop.models", "strop.monitoring.trainer_callback", "strop.bench"},
    "transformers": {"strop.models", "strop.monitoring.trainer_callback", "strop.bench"},
    "peft": {"strop.models", "strop.bench"},
    "huggingface_hub": {"strop.models", "strop.commands.doctor"},
    "ir_measures": {"strop.evaluation.measures"},
    "pytrec_eval": {"strop.evaluation.measures"},
    "ir_datasets": {"strop.collection"},
    "altair": {"strop.report"},
    "vl_convert": {"strop.report"},
    "jinja2": {"strop.report"},
    "lion_pytorch": {"strop.training.optimizers"},
    "pydantic": {"strop.records.plain"},
    "typer": {"strop.commands"},
    "rich": {"strop.commands"},
    "umap": {"strop.geometry"},
    "accelerate": {"strop.monitoring.trackers"},
}
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


HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "peft",
    "altair",
    "vl_convert",
    "umap",
    "sklearn",
    "scipy.stats",
}


def run_command(*words: str, folder: Path = ROOT, code: int = 0) -> set[str]:
    """The modules that a command has loaded by its end."""
    program = f"""
import sys
from strop.commands.app import main
sys.argv = ["strop", *{words!r}]
assert main() == {code}
print(*sys.modules)"""
    finished = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return set(finished.stdout.strip().split("\n")[-1].split())


def test_the_reader_of_imports_sees_those_inside_functions() -> None:
    assert {"strop.records.errors", "huggingface_hub", "safetensors"} <= imports("strop.models.pretrained")


def test_the_package_holds_rooms_and_its_face_and_nothing_else() -> None:
    assert {path.name for path in PACKAGE.iterdir() if path.is_file()} == {"__init__.py", "py.typed"}
    assert {room(module) for module in modules()} - {""} == set(MAY_IMPORT)


def test_a_file_imports_from_its_own_room_and_from_those_its_room_may_import() -> None:
    wrong = [
        f"{module} imports {name}"
        for module, name in edges()
        if name.split(".")[0] == "strop" and room(module)  # the face, in no room, may name anything
        if room(name) not in (room(module), *MAY_IMPORT[room(module)])
    ]
    assert not wrong, wrong


def test_a_room_may_import_only_from_the_floors_below_its_own() -> None:
    floors = {room: floor for floor, rooms in draw_rooms.FLOORS.items() for room in rooms}
    assert set(floors) == {*MAY_IMPORT, "strop"}, "the picture shows every room"
    wrong = [(room, name) for room, names in MAY_IMPORT.items() for name in names if floors[name] > floors[room]]
    same = [(room, name) for room, names in MAY_IMPORT.items() for name in names if floors[name] == floors[room]]
    assert not wrong
    assert same == [("artifacts", "records")], "both are on the ground"


def test_the_picture_of_the_rooms_shows_today_s_imports() -> None:
    drawn = draw_rooms.PICTURE.read_text(encoding="utf-8")
    assert drawn == draw_rooms.svg(), "run: python tools/draw_rooms.py"


def test_there_are_no_import_cycles() -> None:
    cycles = [module for module in modules() if module in reached(module)]
    assert not cycles, cycles


def test_the_package_never_imports_its_tests() -> None:
    wrong = [edge for edge in edges() if edge[1].split(".")[0] in {"tests", "pytest", "conftest", "hypothesis"}]
    assert not wrong, wrong


def test_losses_and_geometry_open_no_files() -> None:
    pure = [module for module in modules() if room(module) in {"losses", "geometry"}]
    wrong = [(module, name) for module in pure for name in imports(module) if name.split(".")[0] in FILES]
    opened = [
        module
        for module in pure
        for node in ast.walk(ast.parse(modules()[module].read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open"
    ]
    assert not wrong + opened, wrong + opened


def test_each_outside_library_has_one_door() -> None:
    wrong = [
        f"{module} imports {name}, whose door is {sorted(doors)}"
        for module, name in edges()
        if (doors := DOORS.get(name.split(".")[0])) and not any(f"{module}.".startswith(f"{door}.") for door in doors)
    ]
    assert not wrong, wrong


def test_only_models_and_retrieval_ask_which_kind_a_model_is() -> None:
    kinds = r"\b(PairScorer|MaxSim|Joint|Encoder|Dense|TwoTowers|LateInteraction|Reranker|VectorPer\w+|ReadsPairs)\b"
    asks = re.compile(rf"isinstance\([^)]*{kinds}|\bis_(cross_encoder|multi_vector)\b|\.reranks\b")
    wrong = [
        f"{module}: {match.group()}"
        for module, path in modules().items()
        if room(module) not in {"models", "retrieval"}
        for match in asks.finditer(path.read_text(encoding="utf-8"))
    ]
    assert not wrong, wrong


def test_the_report_can_never_load_torch() -> None:
    pages = [module for module in modules() if room(module) == "report"]
    heavy = {"torch", "transformers", "sentence_transformers", "peft", "accelerate"}
    for page in pages:
        assert not heavy & {name.split(".")[0] for name in reached(page)}, page
    loaded = run(f"import sys, {', '.join(pages)}; print(sorted({heavy} & set(sys.modules)))")
    assert loaded == "[]"


def test_measuring_a_run_loads_neither_torch_nor_charts_nor_scipy_s_tests(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("q1 Q0 d1 1 2.0 x\n", encoding="utf-8")
    (tmp_path / "qrels").write_text("q1 0 d1 1\n", encoding="utf-8")
    loaded = run_command("evaluate", str(tmp_path / "run"), "--qrels", str(tmp_path / "qrels"))
    assert loaded.isdisjoint(HEAVY)


@pytest.mark.parametrize(
    "command",
    [
        "tune nowhere",
        "tune docstrings:torch --guard nowhere",
        "search nowhere out",
        "search docstrings out --model nowhere/",
        "search nowhere out --model x --prefilter bm25",
        "search docstrings out --model nowhere/ --prefilter bm25",
        "rerank nowhere out --model all-MiniLM-L6-v2",
        "rerank nowhere out --model nowhere/",
        "mine nowhere out",
        "mine docstrings out --from nowhere/",
        "train nowhere out",
        "train nowhere out --model nowhere/",
        "teach nowhere out",
        "explain nowhere/",
        "explain all-MiniLM-L6-v2 --on nowhere",
        "export nowhere out",
        "fuse out nowhere nowhere",
        "evaluate nowhere",
        "data inspect nowhere",
        "study report nowhere out",
        "bench latency --on nowhere",
        "bench latency --model nowhere/",
    ],
)
def test_a_wrong_path_fails_before_anything_heavy_is_loaded(command: str, tmp_path: Path) -> None:
    assert run_command(*command.split(), folder=tmp_path, code=2).isdisjoint(HEAVY)


def test_the_command_s_help_is_instant() -> None:
    loaded = run_command("--help")
    assert loaded.isdisjoint({*HEAVY, "scipy", "ir_measures", "numpy", "importlib.metadata", "urllib.request"})
    # nor any command, nor what only commands need
    assert {name for name in loaded if name.startswith("strop.commands.")} == {
        f"strop.commands.{name}" for name in ("app", "endings", "interruption", "streams", "tree")
    }


def test_a_command_loads_no_other_command(tmp_path: Path) -> None:
    loaded = run_command("evaluate", "nowhere", folder=tmp_path, code=2)
    assert {name for name in tree.COMMANDS if f"strop.commands.{name}" in loaded} == {"evaluate"}
    assert loaded.isdisjoint({"strop.records.results", "rich.progress", "rich.markdown"})


def test_importing_the_package_loads_nothing() -> None:
    assert (
        run("import sys, strop; print(sorted(n for n in sys.modules if n.startswith('strop.') or n == 'torch'))")
        == "[]"
    )


def test_every_name_on_the_package_s_face_resolves_and_is_no_room_s_name() -> None:
    code = "import strop; print([n for n in strop.__all__ if not hasattr(strop, n)], bool(strop.__version__))"
    assert run(code) == "[] True"
    typed = imports("strop") - {"typing", "importlib", "importlib.metadata"}
    assert typed == set(strop._FACE.values()), "the two lists of src/strop/__init__.py differ"
    assert not set(MAY_IMPORT) & set(strop.__all__)


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
