"""The command: its options, its exit codes, what it writes to which stream."""

import json
import sys
import warnings
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from small_collection import TEST, small_collection

from strop.commands import app, terminal, tree
from strop.commands.evaluate import comparison_rows
from strop.models.cross_encoder import FreshHead
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run, read_run, write_run
from strop.training.recipes import RECIPES, Recipe, recipe

pytestmark = pytest.mark.usefixtures("one_thread")

#: Everything a user can type. A change here is a change of the interface: say it in CHANGELOG.md.
OPTIONS = {
    "tune": (
        "collection",
        "--base",
        "--guard",
        "--budget",
        "--out",
        "--margin",
        "--fail-under",
        "--allow-trade",
        "--keep-index",
        "--truncate-dims",
        "--queries-from",
        "--beside",
        "--seed",
        "--recipe",
        "--json",
    ),
    "data inspect": ("collection", "--model", "--json"),
    "data export": ("collection", "out"),
    "mine": ("collection", "out", "--from", "--window", "--count", "--split", "--seed", "--precision"),
    "train": ("examples", "out", "--recipe", "--set", "--model", "--epochs", "--seed", "--stop", "--track", "--as"),
    "teach": ("examples", "out", "--model", "--recipe", "--set", "--epochs", "--folds", "--seed", "--drop-above"),
    "search": ("collection", "out", "--model", "--split", "--depth", "--prefilter", "--candidates"),
    "fuse": ("out", "runs", "--method", "--weights", "--tune-on", "--dev-run", "--split", "--measure"),
    "rerank": ("run", "out", "--model", "--on", "--split", "--depth", "--windows", "--max-length"),
    "evaluate": (
        "run",
        "against",
        "--qrels",
        "--split",
        "--measure",
        "--level",
        "--candidates",
        "--depth",
        "--json",
    ),
    "study run": ("name", "--scale", "--preset", "--on", "--test", "--candidates", "--budget", "--part"),
    "study plan": ("name", "--scale", "--preset", "--on", "--test", "--candidates"),
    "study show": ("point", "--study", "--scale", "--on", "--test", "--candidates"),
    "study checkpoints": ("name", "--scale", "--on"),
    "study report": ("results", "out", "--live", "--port"),
    "explain": ("model", "base", "--on", "--split", "--queries", "--documents"),
    "export": ("source", "out"),
    "doctor": (),
    "bench": ("name", "--repeats", "--model", "--on", "--recipe", "--as", "--set", "--json"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli")
    small_collection(folder / "small")
    tiny_models.build(folder)
    FreshHead(1).convert(folder / "model", folder / "untrained")
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test works in the folder that holds `small` and `model`; artifacts are shared between the tests."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


class Strop:
    """`strop("search", "small", "out.trec")` -> exit code; then what it said on each stream."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        self.out = self.err = ""

    def __call__(self, *words: object) -> int:
        self.monkeypatch.setattr(sys, "argv", ["strop", *map(str, words)])
        code = app.main()
        self.out, self.err = self.capsys.readouterr()
        assert "Traceback" not in self.err
        assert "strop failed" not in self.err
        return code


@pytest.fixture
def strop(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Strop:
    return Strop(monkeypatch, capsys)


def commands() -> dict[str, tuple[str, ...]]:
    """Command -> its arguments and options, as typer made them."""
    parameters = {}
    for name in tree.COMMANDS:
        command = tree.loaded(name)
        for inner, leaf in getattr(command, "commands", {"": command}).items():
            declared = [p for p in leaf.params if p.name != "help"]
            parameters[f"{name} {inner}".strip()] = tuple(
                p.opts[0] if p.param_type_name == "option" else str(p.name) for p in declared
            )
    return parameters


def test_the_commands_and_their_options_are_these() -> None:
    assert commands() == OPTIONS


def test_the_help_lists_the_commands_in_the_order_of_the_work(strop: Strop) -> None:
    assert strop("--help") == 0
    rows = [line.strip("│ ").split(" ")[0] for line in strop.out.splitlines() if line.startswith("│ ")]
    assert [word for word in rows if word in tree.COMMANDS] == list(tree.COMMANDS)


def test_the_line_of_a_command_is_the_first_of_its_own_help() -> None:
    assert {name: tree.loaded(name).help.partition("\n")[0] for name in tree.COMMANDS} == tree.COMMANDS


def test_the_recipes_that_the_help_names_are_those_there_are(strop: Strop) -> None:
    assert strop("train", "--help") == 0
    text = "".join(strop.out.replace("│", " ").split())  # a narrow column cuts names at their hyphens
    assert set(RECIPES) == {name for name in RECIPES if name in text}


@pytest.mark.parametrize("command", ["", "data", "study", *OPTIONS])
def test_every_command_explains_itself_within_80_columns(strop: Strop, command: str) -> None:
    assert strop(*command.split(), "--help") == 0
    assert "Usage: strop" in strop.out
    assert max(map(len, strop.out.splitlines())) <= 80
    for option in OPTIONS.get(command, ()):
        assert option in strop.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("data inspect nowhere", "error: there is no collection 'nowhere'"),
        ("data inspect small --model nowhere", "error: nowhere: no such folder, not in the hub's cache"),
        ("data export nowhere out", "error: there is no collection 'nowhere'"),
        ("data export small small", "error: small: this exists already, and is not empty"),
        ("mine nowhere out", "error: there is no collection 'nowhere'"),
        ("mine small out --split dev", "error: small: no split 'dev'. Splits there: test, train"),
        ("mine small out --window 9", "error: window '9' is no range of ranks. Write it as LOW-HIGH, like 51-200"),
        ("mine small out --window 9-2", "error: window '9-2' is no range of ranks"),
        ("mine small out --window 100-200 --model-free", "No such option: --model-free"),
        ("mine small out --window 100-200 --from bm25", "error: no query has a candidate at ranks 100 to 200"),
        ("mine small out --count 0", "Invalid value for '--count'"),
        ("train nowhere.jsonl out", "error: nowhere.jsonl: cannot be read (No such file or directory)"),
        ("train pairs.jsonl out --recipe best", "error: there is no recipe 'best'. Choose one of"),
        ("train pairs.jsonl out --recipe triplet-full", "error: pairs.jsonl: recipe triplet-full needs negatives"),
        ("train pairs.jsonl out --set updates", "error: --set 'updates' has no value. Write --set field=value"),
        ("train pairs.jsonl out --set update=1", "error: 'update' names no field of Recipe. It has"),
        ("train pairs.jsonl out --set loss.margin=1", "error: 'loss.margin' names no field of InfoNCE"),
        ("train pairs.jsonl out --set updates=many", "error: 'updates=many' does not fit. A value like 100 does"),
        ("train pairs.jsonl out --set updates=0", "error: updates is 0. Give 1 to 2,147,483,647"),
        ("train pairs.jsonl out --set batching.size=0", "error: the batch size is 0"),
        ("train pairs.jsonl out --set clip=0", "error: clip is 0.0"),
        ("train pairs.jsonl out --set max_length=2", "error: max_length is 2. Give 3 to 2,147,483,647"),
        ("train pairs.jsonl out --set optimizer.learning_rate=nan", "error: the learning rate is nan"),
        ("train pairs.jsonl out --set optimizer.betas=0.9", "error: betas are (0.9,)"),
        ("train pairs.jsonl out --set schedule.warmup=7", "error: warmup is 7.0"),
        ("train pairs.jsonl out --set loss.temperature=0", "error: the temperature is 0.0"),
        ("train pairs.jsonl out --recipe in-batch-lora --set tuning.r=0", "error: r is 0"),
        ("train pairs.jsonl out --epochs 0", "Invalid value for '--epochs'"),
        ("train pairs.jsonl out --model pickled", "weights in pickle form only"),
        ("train pairs.jsonl pairs.jsonl", "error: pairs.jsonl: this exists already"),
        ("teach nowhere.jsonl out", "error: nowhere.jsonl: cannot be read (No such file or directory)"),
        ("teach pairs.jsonl out", "error: pairs.jsonl: 24 of 24 examples have no negatives for a teacher"),
        ("teach hard.jsonl hard.jsonl", "error: hard.jsonl: this exists already"),
        ("teach hard.jsonl out --model model --recipe triplet-full", "recipe triplet-full is not a reranker's. Choose"),
        ("teach hard.jsonl out --model model --folds 25", "error: 24 queries cannot make 25 folds"),
        ("teach hard.jsonl out --folds 1", "Invalid value for '--folds'"),
        ("teach hard.jsonl out --drop-above 1", "error: the probability is 1. Give one above 0 and below 1"),
        (
            "teach hard.jsonl out --model model --recipe rerank-softmax --drop-above 0.1",
            "with recipe rerank-softmax scores are no logits of a probability",
        ),
        ("teach hard.jsonl out --model nowhere", "error: nowhere: no such folder, not in the hub's cache"),
        ("search nowhere out", "error: there is no collection 'nowhere'"),
        ("search small out --split dev", "error: small: no split 'dev'. Splits there: test, train"),
        ("search small out --model ./nowhere", "error: ./nowhere: no such folder"),
        ("search small out --depth 0", "Invalid value for '--depth'"),
        ("search small small", "error: small: this exists already"),
        ("search small pairs.jsonl/out", "error: pairs.jsonl/out: this cannot be written"),
        ("evaluate nowhere.trec --qrels small", "error: nowhere.trec: cannot be read (No such file or directory)"),
        ("evaluate test.trec --qrels nowhere", "error: there are no qrels 'nowhere'"),
        ("evaluate test.trec --qrels docstrings:pandas", "error: docstrings:pandas: no package 'pandas' is among"),
        ("data export docstrings:pandas out", "error: docstrings:pandas: no package 'pandas' is among"),
        ("evaluate test.trec --qrels small/queries.jsonl", "error: small/queries.jsonl:1: "),
        ("mine small out --window ²-9", "error: window '²-9' is no range of ranks"),
        ("evaluate test.trec --qrels small --split train", "error: test.trec: none of its 8 queries (first: 'q24') is"),
        ("evaluate test.trec --qrels small --measure MRR@10", "error: measure 'MRR@10' is not known"),
        ("evaluate test.trec --qrels small --level 0", "Invalid value for '--level'"),
        ("evaluate pairs.jsonl --qrels small", "error: pairs.jsonl:1: "),
        ("evaluate test.trec --qrels small --depth 10", "error: --depth needs --candidates. Add --candidates RUN"),
        (
            "evaluate test.trec test.trec --qrels small --candidates test.trec",
            "error: --candidates works with a single",
        ),
        ("evaluate test.trec --qrels small --candidates nowhere.trec", "error: nowhere.trec: cannot be read"),
        ("evaluate test.trec --qrels small --candidates test.trec --depth 0", "Invalid value for '--depth'"),
        ("fuse out test.trec", "error: fusion needs at least two runs. Give two or more"),
        ("fuse out test.trec nowhere.trec", "error: nowhere.trec: cannot be read"),
        ("fuse test.trec test.trec test.trec", "error: test.trec: this exists already"),
        ("fuse out test.trec test.trec --method borda", "no method 'borda'. Choose one of rrf, minmax"),
        ("fuse out test.trec test.trec --weights 1,x", "error: --weights '1,x' are not numbers. Write"),
        ("fuse out test.trec test.trec --weights 9_5,1", "error: --weights '9_5,1' are not numbers. Write"),
        ("fuse out test.trec test.trec --weights 1,2,3", "error: 3 weights for 2 runs"),
        ("fuse out test.trec test.trec --weights=-1,2", "error: the weights are -1, 2"),
        ("fuse out test.trec test.trec --method combmnz --weights 1,2", "error: combmnz takes no weights"),
        ("fuse out test.trec test.trec --tune-on small", "error: 0 dev runs for 2 runs"),
        ("fuse out test.trec test.trec --weights 1,2 --tune-on small", "error: weights are both given and to be tuned"),
        (
            "fuse out test.trec test.trec --tune-on small --split test --dev-run test.trec --dev-run test.trec",
            "error: 8 queries to tune on are also among those to fuse (first: 'q24')",
        ),
        ("rerank test.trec out --model nowhere --on small", "error: nowhere: no such folder, not in the hub's cache"),
        ("rerank test.trec out --model model --on small --windows max", "only a cross-encoder reads pairs in windows"),
        ("rerank test.trec out --model model --on small --windows sum", "error: windows are not pooled by 'sum'"),
        ("rerank test.trec out --model model --on small --max-length 9", "error: --max-length needs --windows"),
        ("rerank test.trec out --model untrained --on small", "classifier is random and was never trained"),
        ("rerank nowhere.trec out --model model", "error: nowhere.trec: cannot be read"),
        ("rerank test.trec out --on small", "Missing option '--model'"),
        ("train hard.jsonl tuned --recipe rerank-bce --stop dev", "error: a cross-encoder has no embedding space"),
        ("train hard.jsonl tuned --model model --recipe rerank-bce", "the model makes vectors, the recipe scores by"),
        ("train pairs.jsonl tuned --model model --recipe rerank-bce", "recipe rerank-bce needs negatives"),
        ("search small late.trec --model model --prefilter bm25", "needs no second stage. Leave --prefilter out"),
        (
            "train pairs.jsonl tuned --as colbert",
            "there is no architecture 'colbert'. Choose one of untied, late, reranker",
        ),
        ("train pairs.jsonl tuned --model model --as late", "the vocabulary lacks the marker"),
        ("train pairs.jsonl tuned --model model --recipe late-full", "the recipe scores by MaxSim"),
        ("study run never_worse", "error: study never_worse runs by parts only: gate"),
        ("study run never_worse --part door", "error: study never_worse has no part 'door'. Choose gate"),
        ("study run lion_vs_adamw --part gate", "error: study lion_vs_adamw has no parts"),
        ("study run never_worse --part gate --on nowhere", "error: nowhere: no finished results"),
        ("study run lora_out_of_domain --on small --test nowhere", "there is no collection 'nowhere'"),
        ("study run lora_out_of_domain --on small --candidates no.trec", "error: no.trec: cannot be read"),
        ("study run nowhere", "error: there is no study 'nowhere'. Choose lion_vs_adamw or lora"),
        ("study run nowhere.py", "error: nowhere.py: there is no such study file"),
        ("study run --scale huge", "error: study when_finetuning_fails has no scale 'huge'. Choose quick"),
        ("study plan --preset mine", "error: study when_finetuning_fails has no preset 'mine'. Choose corrected"),
        ("study plan --on nowhere", "error: there is no collection 'nowhere'"),
        (
            "study checkpoints --scale huge",
            "error: study when_finetuning_fails has no scale 'huge'. Choose quick",
        ),
        ("explain model --on small", "error: a probe of 256 needs more than the 8 queries with a relevant document"),
        ("study show T99", "error: no study has an open question 'T99'. 'strop study show all' lists them"),
        ("study show L1 --study when_finetuning_fails", "has no open question 'L1'. Choose one of T1, T2, "),
        ("study show T1 --study nowhere", "error: there is no study 'nowhere'"),
        ("study run --budget -1", "Invalid value for '--budget'"),
        ("study report small out.html", "error: small: no finished results (record.json is missing)"),
        ("study report small pairs.jsonl", "error: pairs.jsonl: this exists already"),
        ("export zzz out", "error: 0 trainings have a key that starts with 'zzz'"),
        ("export small out", "error: small: no training artifact"),
        ("bench best", "error: there is no benchmark 'best'"),
        ("bench rerank --model nowhere", "error: nowhere: no such folder, not in the hub's cache"),
        ("bench encode --on nowhere", "error: there is no collection 'nowhere'"),
        (
            "bench train --model model --on small",
            "of their own. Give a collection with 96",
        ),
        ("bench latency --recipe in-batch-full", "error: --recipe and --set belong to bench train"),
        ("bench train --set updates=3", "error: --recipe and --set belong to bench train"),
        ("bench train --recipe best", "error: there is no recipe 'best'. Choose one of"),
        ("bench train --recipe distill-kl --model model", "error: the recipe learns from a teacher's scores"),
        (
            "bench train --recipe late-full --model model",
            "error: the model is scored by Dot(), the recipe scores by MaxSim",
        ),
        ("bench train --recipe triplet-full --model model --on small", "error: small has 24 training queries"),
        ("bench lengths --model nowhere", "error: nowhere: no such folder, not in the hub's cache"),
        ("bench train --as gte", "error: --as 'gte' is nothing to measure. Give --recipe and one of bert, gte, modern"),
        ("bench train --recipe rerank-bce --as t5", "error: --as 't5' is nothing to measure"),
        ("bench memory --model nowhere", "error: nowhere: no such folder, not in the hub's cache"),
        ("tune", "error: there is no collection to tune on"),
        ("tune nowhere", "error: there is no collection 'nowhere'"),
        ("tune small --budget soon", "error: the budget is 'soon'"),
        ("tune small --margin 2", "error: margin is 2"),
        ("tune small --truncate-dims many", "error: --truncate-dims is 'many'"),
        ("tune small --base model --guard small", "error: small cannot guard itself"),
        ("tune small --base model --guard gone", "error: there is no collection 'gone'"),
        ("tune small --base gone/model", "error: gone/model: no such folder, not in the hub's cache"),
        ("tune --recipe small/corpus.jsonl", "error: small/corpus.jsonl: no recipe"),
        ("tune small --beside magic", "error: there is no recipe 'magic'"),
        ("doctor now", "Got unexpected extra argument"),
        ("mien small out", "No such command 'mien'"),
    ],
)
def test_bad_input_ends_with_code_2_and_one_line(strop: Strop, words: str, message: str, folder: Path) -> None:
    if not (folder / "pickled").exists():
        (folder / "pickled").mkdir()
        (folder / "pickled" / "pytorch_model.bin").write_bytes(b"x")
        (folder / "pickled" / "config.json").write_text("{}", encoding="utf-8")
        assert strop("mine", "small", "pairs.jsonl", "--from", "none") == 0
        assert strop("search", "small", "test.trec", "--model", "bm25") == 0
        assert strop("mine", "small", "hard.jsonl", "--from", "bm25", "--window", "2-12") == 0
    before = {p.name for p in folder.iterdir()}
    assert strop(*words.split()) == 2
    assert message in " ".join(strop.err.split())
    if message.startswith("error: "):
        assert strop.err.splitlines()[-1].startswith("error: ")
    assert strop.out == ""
    assert {p.name for p in folder.iterdir()} == before, "and leaves nothing behind"


def test_every_command_that_can_be_refused_is_refused_in_the_test_above() -> None:
    cases = next(m for m in test_bad_input_ends_with_code_2_and_one_line.pytestmark).args[1]  # type: ignore[attr-defined]
    assert {command for command in OPTIONS if any(words.startswith(command) for words, _ in cases)} == set(OPTIONS)


def test_the_steps_from_collection_to_comparison_end_with_code_0(strop: Strop, folder: Path) -> None:
    assert strop("mine", "small", "runs/examples.jsonl", "--from", "bm25", "--window", "2-12", "--count", 2) == 0
    lines = (folder / "runs/examples.jsonl").read_text(encoding="utf-8").splitlines()
    assert strop.out == f"{len(lines)} examples in runs/examples.jsonl\n"
    settings = ("--set", "updates=3", "--set", "batching.size=4", "--set", "max_length=32")
    assert strop("train", "runs/examples.jsonl", "runs/tuned", "--model", "model", *settings) == 0
    assert strop.out.startswith("runs/tuned (artifact ")
    assert strop("search", "small", "runs/tuned.trec", "--model", "runs/tuned", "--depth", 20) == 0
    assert strop("search", "small", "runs/base.trec", "--model", "model", "--depth", 20) == 0
    assert (strop.out, "encode 60 documents" in strop.err) == ("runs/base.trec\n", True), "only the name is on stdout"
    assert strop("evaluate", "runs/tuned.trec", "runs/base.trec", "--qrels", "small") == 0
    assert f"runs/tuned.trec against runs/base.trec, {TEST} judged queries" in strop.out
    assert max(map(len, strop.out.splitlines())) <= 80


def test_a_reranker_is_made_trained_and_put_to_work(strop: Strop, folder: Path) -> None:
    assert strop("mine", "small", "pairs/hard.jsonl", "--from", "bm25", "--window", "2-12", "--count", 2) == 0
    settings = ("--set", "updates=3", "--set", "batching.size=4", "--recipe", "rerank-bce")
    assert strop("train", "pairs/hard.jsonl", "pairs/made", "--model", "model", *settings, "--as", "reranker") == 0
    assert strop("train", "pairs/hard.jsonl", "pairs/again", "--model", "untrained", *settings) == 0
    assert strop("search", "small", "pairs/bm25.trec", "--model", "bm25", "--depth", 20) == 0
    options = ("--model", "pairs/made", "--on", "small", "--depth", 5)
    assert strop("rerank", "pairs/bm25.trec", "pairs/out.trec", *options) == 0
    assert strop.out.startswith("pairs/out.trec: 40 pairs of ")
    assert strop("rerank", "pairs/bm25.trec", "pairs/cut.trec", *options, "--windows", "max", "--max-length", 999) == 2
    assert "a length of 999 exceeds the model's 64 positions" in " ".join(strop.err.split())
    assert strop("rerank", "pairs/bm25.trec", "pairs/cut.trec", *options, "--windows", "max", "--max-length", 12) == 0
    first, second = read_run(folder / "pairs/bm25.trec"), read_run(folder / "pairs/out.trec")
    for query_id, ranking in first.items():
        assert set(second[query_id].doc_ids[:5]) == set(ranking.doc_ids[:5])
        assert second[query_id].doc_ids[5:] == ranking.doc_ids[5:]
    assert strop("search", "small", "pairs/none.trec", "--model", "pairs/made") == 2
    assert "a cross-encoder has no vectors to search with" in " ".join(strop.err.split())
    (folder / "pairs/other.trec").write_text("q24 Q0 d999 1 1.0 x\n", encoding="utf-8")
    assert strop("rerank", "pairs/other.trec", "pairs/none.trec", *options) == 2
    assert "document 'd999', ranked for query 'q24', is not there" in " ".join(strop.err.split())


def test_a_comparison_of_thousands_of_queries_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    from strop.evaluation.comparison import Comparison
    from strop.evaluation.judged_runs import MeasureComparison

    compared = Comparison(7405, 1, 1, 0.8, 0.7, -0.1, None, -0.2, -0.1, 0.5, 1.0, None, None, None, 3405, 2000, 2000)
    terminal.table(comparison_rows([MeasureComparison("nDCG@1000", compared)] * 2))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 80
    assert printed.count("-0.1000 [-0.2000, -0.1000]") == 2, "no cell is folded"


def test_inspect_counts_the_texts_that_a_model_cuts(strop: Strop, folder: Path) -> None:
    long = small_collection(folder / "long")
    with (long / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"_id": "long", "text": " ".join(tiny_models.WORDS[:80])}) + "\n")
    assert strop("data", "inspect", "long", "--model", "model") == 0
    assert "documents: 11 tokens in the median, 11 at the 90th percentile; 1.6% are cut at 48" in " ".join(
        strop.out.split()
    )
    assert strop.err == ""


def test_evaluate_gives_the_values_of_every_query_as_json(strop: Strop) -> None:
    assert strop("search", "small", "json.trec", "--model", "bm25") == 0
    assert strop("evaluate", "json.trec", "--qrels", "small", "--measure", "RR@10", "--json") == 0
    values = json.loads(strop.out)
    assert list(values) == ["RR@10"]
    assert list(values["RR@10"]) == [f"q{i}" for i in range(24, 24 + TEST)]
    assert strop("evaluate", "json.trec", "json.trec", "--qrels", "small", "--measure", "RR@10", "--json") == 0
    compared = json.loads(strop.out)
    assert [(c["measure"], c["comparison"]["tied"]) for c in compared] == [("RR@10", TEST)]
    assert compared[0]["holm_p"] == compared[0]["comparison"]["p_corrected"] == 1.0


def test_evaluate_shows_what_any_order_of_the_candidates_reaches(strop: Strop, folder: Path) -> None:
    assert strop("search", "small", "first.trec", "--model", "bm25", "--depth", 20) == 0
    turned = {
        q: (r.doc_ids[4::-1] + r.doc_ids[5:], -np.arange(len(r.doc_ids))) for q, r in read_run("first.trec").items()
    }
    write_run(Run(turned), "turned.trec", "x")
    words = ("evaluate", "turned.trec", "--qrels", "small", "--candidates", "first.trec")
    assert strop(*words, "--depth", 5) == 0
    assert max(map(len, strop.out.splitlines())) <= 80
    assert f"{TEST} judged queries, depth 5\n" in strop.out
    assert "Judged@10 is " in strop.out
    assert strop(*words, "--measure", "RR@10", "--json") == 0
    reordering = json.loads(strop.out)
    assert reordering["depth"].startswith("depth 100, 8 of 8 queries have fewer")
    assert [m["measure"] for m in reordering["measures"]] == ["RR@10"]
    assert all(v <= reordering["measures"][0]["ceiling"][q] for q, v in reordering["measures"][0]["values"].items())
    assert strop(*words, "--depth", 3) == 2
    assert "there is no ceiling of it. Give the run that was reordered" in " ".join(strop.err.split())


def test_queries_that_a_run_lacks_are_warned_of_in_one_line(strop: Strop, folder: Path) -> None:
    (folder / "part.trec").write_text("q24 Q0 d24 1 1.0 x\nq99 Q0 d24 1 1.0 x\n", encoding="utf-8")
    assert strop("evaluate", "part.trec", "--qrels", "small") == 0
    assert strop.err == "warning: part.trec: 7 of 8 judged queries are not in the run and score 0\n"
    assert "0.1250" in strop.out, "one of eight queries is answered"


def test_a_run_of_unjudged_documents_is_warned_of(strop: Strop, folder: Path) -> None:
    (folder / "other.trec").write_text("".join(f"q{q} Q0 D{q} 1 1.0 x\n" for q in range(24, 32)), encoding="utf-8")
    assert strop("evaluate", "other.trec", "--qrels", "small") == 0
    assert strop.err == "warning: other.trec: not one retrieved document is judged; are the ids the same?\n"


def test_the_oddities_of_a_collection_are_warned_of(strop: Strop, folder: Path) -> None:
    odd = small_collection(folder / "odd")
    with (odd / "qrels" / "test.tsv").open("a", encoding="utf-8") as file:
        file.write("q24\td24\t1\n")
    assert strop("search", "odd", "odd.trec", "--model", "bm25") == 0
    assert strop.err.startswith("warning: odd: 1 judgments are repeated (first: 'd24', test.tsv:10)\n")


def test_other_warnings_stay_python_s_own(strop: Strop, monkeypatch: pytest.MonkeyPatch) -> None:
    def odd(words: object) -> int:
        with pytest.raises(FutureWarning, match="deprecated"):
            warnings.warn("deprecated", FutureWarning, stacklevel=1)
        warnings.warn("odd", InputWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(tree, "invoke", odd)
    assert strop() == 0
    assert strop.err == "warning: odd\n"


def test_a_disk_that_fails_ends_with_code_1_and_one_line(strop: Strop, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(words: object) -> int:
        raise OSError(28, "No space left on device", "out.trec")

    monkeypatch.setattr(tree, "invoke", full)
    assert strop() == 1
    assert strop.err == "stopped: [Errno 28] No space left on device: 'out.trec'\n"


def test_doctor_s_exit_code_says_whether_all_is_there(strop: Strop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert strop("doctor") == 0
    assert "ok  Python" in strop.out
    monkeypatch.setitem(sys.modules, "torch", None)
    assert strop("doctor") == 1
    assert "missing  torch" in strop.out


def test_every_field_of_a_recipe_can_be_reached_by_set() -> None:
    with pytest.raises(InputError, match=f"It has {', '.join(f.name for f in fields(Recipe))}"):
        recipe("triplet-full", {"unknown": "1"})
    chosen = recipe(
        "triplet-lora",
        {
            "tuning.r": "8",
            "tuning.targets": "query,key",
            "scoring.squared": "true",
            "loss.margin": "1",
            "optimizer.betas": "0.9,0.98",
            "updates": "7",
            "max_length": "128",
        },
    )
    assert (chosen.tuning.r, chosen.tuning.targets) == (8, ("query", "key"))  # type: ignore[attr-defined]
    assert chosen.scoring.squared is True  # type: ignore[attr-defined]
    assert (chosen.loss.margin, chosen.optimizer.betas) == (1.0, (0.9, 0.98))  # type: ignore[attr-defined]
    assert (chosen.updates, chosen.max_length) == (7, 128)
    assert recipe("triplet-full", {"max_length": "64"}).max_length == 64


def test_progress_without_a_terminal_is_a_line_now_and_then_with_an_estimate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [0.0]
    monkeypatch.setattr(terminal.time, "perf_counter", lambda: now[0])
    with terminal.progress("train 100 updates", 100) as advance:
        advance(20)  # a resumed run's, which took no time here
        for _ in range(70):
            now[0] += 1
            advance(1)
    assert capsys.readouterr().err.splitlines() == [
        "train 100 updates …",
        "train 100 updates: 50 of 100, about 50 s left",
        "train 100 updates: 80 of 100, about 20 s left",
    ]


def test_tune_on_eight_test_queries_holds_and_hands_the_base_back(strop: Strop, folder: Path) -> None:
    assert strop("tune", "small", "--base", "model", "--guard", "none", "--out", "held") == 3
    assert "HOLD" in strop.out
    assert "8 test queries cannot certify any gain" in strop.out
    weights = "model.safetensors"
    assert (folder / "held" / weights).read_bytes() == (folder / "model" / weights).read_bytes()
    assert (folder / "held/strop/report.html").is_file()
    assert strop("tune", "small", "--base", "model", "--guard", "none", "--out", "held") == 3, "again, at once"
    assert strop("tune", "small", "--base", "model", "--guard", "none", "--out", "small") == 2
    assert "exists already" in strop.err


def test_tune_that_is_interrupted_says_hold(strop: Strop, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("strop.tuning.tune.Tuning.of", interrupt)
    assert strop("tune", "small", "--base", "model", "--guard", "none", "--out", "stopped") == 3
    assert "HOLD: stopped before anything was certified" in strop.err
    assert not Path("stopped").exists()
