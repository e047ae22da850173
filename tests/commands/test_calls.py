"""The commands as Python calls, end to end on files, with the field's own tools reading what they wrote."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_models
from sentence_transformers import SentenceTransformer
from small_collection import TEST, TRAIN, small_collection

import strop
from strop.artifacts.store import Artifact, store
from strop.collection.door import load
from strop.evaluation.measures import mean
from strop.models.pretrained import BASE
from strop.negatives.examples import read_examples
from strop.negatives.from_run import RankWindow
from strop.records.errors import InputError, InputWarning
from strop.records.results import read_results
from strop.records.runs import Run, read_run, write_run
from strop.training.model_card import write_card

pytestmark = pytest.mark.usefixtures("one_thread")
SETTINGS = {"updates": "4", "batching.size": "6", "max_length": "32", "optimizer.learning_rate": "0.01"}
WINDOW = RankWindow(2, 15, count=2)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands")
    small_collection(folder / "small")
    tiny_models.build(folder)
    return folder


@pytest.fixture(autouse=True)
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("STROP_HOME", str(folder / "home"))


@pytest.fixture(scope="module")
def examples(folder: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROP_HOME", str(folder / "home"))
        assert strop.mine(str(folder / "small"), folder / "examples.jsonl", "bm25", WINDOW) == TRAIN
    return folder / "examples.jsonl"


@pytest.fixture(scope="module")
def tuned(folder: Path, examples: Path) -> Artifact:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STROP_HOME", str(folder / "home"))
        return strop.train(examples, folder / "tuned", "in-batch-lora", SETTINGS, str(folder / "model"))


def test_examples_are_json_lines_that_any_trainer_reads(examples: Path, folder: Path) -> None:
    train = load(folder / "small", "train")
    lines = [json.loads(line) for line in examples.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        assert line["query"] == train.queries[line["query_id"]].text
        assert train.qrels[line["query_id"]] == {line["positive_id"]: 1}
        assert line["positive"] == train.documents[line["positive_id"]].contents
        assert line["negatives"] == [train.documents[d].contents for d in line["negative_ids"]]
        assert len(set(line["negative_ids"]) - {line["positive_id"]} - train.reserved) == 2
    again = read_examples(examples)
    assert [g.query_id for g in again.groups] == [line["query_id"] for line in lines]


def test_negatives_come_from_the_window_of_the_run_given(folder: Path) -> None:
    train = load("small", "train")
    written = Run({q: ([f"d{i}" for i in range(59, -1, -1)], list(range(60, 0, -1))) for q in train.queries})
    write_run(written, "given.trec", "mine")
    strop.mine("small", "given.jsonl", "given.trec", RankWindow(3, 4))
    negatives = {d for g in read_examples("given.jsonl").groups for d in g.negatives}
    assert negatives == {"d57", "d56"}
    strop.mine("small", "deep.jsonl", "given.trec", RankWindow(28, 31, count=3))
    negatives = {d for g in read_examples("deep.jsonl").groups for d in g.negatives}
    assert negatives <= {"d32", "d23", "d22", "d21", "d20"}, "the 8 test documents d24…d31 are closed and take no rank"


def test_positives_that_get_no_negative_are_counted(folder: Path) -> None:
    deep = {q: ([f"d{i}" for i in range(60)], range(60, 0, -1)) for q in load("small", "train").queries}
    write_run(Run(deep | {"q0": (["d0", "d1"], [2.0, 1.0])}), "short.trec", "mine")
    with pytest.warns(InputWarning, match="^1 of 24 positives are left out: no candidate at ranks 3 to 4$"):
        assert strop.mine("small", "short.jsonl", "short.trec", RankWindow(3, 4)) == 23


def test_a_copy_of_the_positive_under_another_id_is_no_negative(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small_collection(tmp_path / "copied")
    corpus = tmp_path / "copied" / "corpus.jsonl"
    lines = [json.loads(line) for line in corpus.read_text(encoding="utf-8").splitlines()]
    data = load("copied", "train")
    query, positive = next((q, d) for q, judged in data.qrels.items() for d in judged if d not in data.reserved)
    text = next(line for line in lines if line["_id"] == positive)
    corpus.write_text("\n".join(map(json.dumps, [*lines, text | {"_id": "copy"}])) + "\n", encoding="utf-8")
    ranked = {q: (["copy", "d50", "d51"], [3.0, 2.0, 1.0]) for q in data.queries}
    write_run(Run(ranked), "given.trec", "mine")
    strop.mine("copied", "out.jsonl", "given.trec", RankWindow(1, 3, count=2))
    read = [g for g in read_examples("out.jsonl").groups if g.query_id == query and g.positives == (positive,)]
    assert read
    assert all("copy" not in g.negatives for g in read)


def test_what_is_mined_of_a_collection_with_empty_documents_can_be_trained_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    small_collection(tmp_path / "gaps")
    data = load("gaps", "train")
    empty = next(d for judged in data.qrels.values() for d in judged if d not in data.reserved)
    corpus = tmp_path / "gaps" / "corpus.jsonl"
    lines = map(json.loads, corpus.read_text(encoding="utf-8").splitlines())
    emptied = [line | ({"text": " ", "title": ""} if line["_id"] == empty else {}) for line in lines]
    filling = [{"_id": f"more{i}", "text": "ban dit"} for i in range(100)]
    corpus.write_text("\n".join(map(json.dumps, emptied + filling)) + "\n", encoding="utf-8")
    with pytest.warns(InputWarning) as caught:
        count = strop.mine("gaps", "out.jsonl", "none")
    assert f"1 of {count + 1} positives are left out: they, or their queries, have no text" in map(
        str, (w.message for w in caught)
    )
    groups = read_examples("out.jsonl").groups
    assert len(groups) == count
    assert (empty,) not in {g.positives for g in groups}


def rewritten(path: Path, **texts: str) -> None:
    """The lines of a JSONL file with other texts for some ids."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    changed = [line | {"text": texts.get(line["_id"], line["text"])} for line in lines]
    path.write_text("\n".join(map(json.dumps, changed)) + "\n", encoding="utf-8")


def test_queries_of_one_text_share_their_answers_and_what_a_window_lacks_is_said(folder: Path) -> None:
    small_collection(folder / "asked")
    query = load("asked", "train").queries["q0"].text
    rewritten(Path("asked/queries.jsonl"), q1=query.upper())
    rewritten(Path("asked/corpus.jsonl"), d50=f"{query} ")
    ranked = {q: (["d50", "d0", "d1", "d51"], [4.0, 3.0, 2.0, 1.0]) for q in load("asked", "train").queries}
    write_run(Run(ranked), "asked.trec", "mine")
    with pytest.warns(InputWarning, match="^2 of 24 positives have fewer than 3 candidates at ranks 1 to 4"):
        assert strop.mine("asked", "asked.jsonl", "asked.trec", RankWindow(1, 4, count=3)) == 24
    mined = {g.query_id: g.negatives for g in read_examples("asked.jsonl").groups}
    assert mined["q0"] == mined["q1"] == ("d51",)
    assert len(mined["q2"]) == 3
    strop.mine("asked", "any.jsonl", "uniform", RankWindow(count=40))
    assert all(not {"d50", "d0", "d1"} & set(group.negatives) for group in read_examples("any.jsonl").groups[:2])


def test_mining_that_finds_nothing_fails_and_writes_no_file(folder: Path) -> None:
    small_collection(folder / "alike")
    documents = load("alike", "train").documents
    rewritten(Path("alike/corpus.jsonl"), **dict.fromkeys(documents, documents["d0"].text))
    with pytest.raises(InputError, match="no query has a candidate at ranks 1 to 60"):
        strop.mine("alike", "alike.jsonl", "bm25", RankWindow(1, 60))
    assert not list(folder.glob("alike.jsonl*"))


def test_a_search_by_words_says_which_queries_have_none_in_common_with_the_documents(folder: Path) -> None:
    small_collection(folder / "foreign")
    rewritten(Path("foreign/queries.jsonl"), q24="что это")
    with pytest.warns(InputWarning, match=r"^1 of 8 queries \(first: 'q24'\) share no word with any document"):
        assert "q24" not in read_run(strop.search("foreign", "foreign.trec", "bm25"))
    rewritten(Path("foreign/queries.jsonl"), **{f"q{i}": "什么" for i in range(24, 32)})
    with (
        pytest.warns(InputWarning, match="8 of 8 queries .* are in Chinese, Japanese"),
        pytest.raises(InputError, match="BM25 finds nothing: no query shares a word with any document"),
    ):
        strop.search("foreign", "nothing.trec", "bm25")
    assert not Path("nothing.trec").exists()


def test_uniform_negatives_and_pairs_need_no_ranking(folder: Path) -> None:
    strop.mine("small", "uniform.jsonl", "uniform", RankWindow(count=3))
    groups = read_examples("uniform.jsonl").groups
    assert {len(g.negatives) for g in groups} == {3}
    assert not {d for g in groups for d in g.negatives} & load("small", "train").reserved
    strop.mine("small", "none.jsonl", "none")
    assert {g.negatives for g in read_examples("none.jsonl").groups} == {()}


def test_examples_of_another_tool_train_too(folder: Path) -> None:
    pairs = [{"query": f"ban {word}", "positive": f"{word} ban dit"} for word in tiny_models.WORDS[:12]]
    Path("theirs.jsonl").write_text("".join(json.dumps(p) + "\n" for p in pairs), encoding="utf-8")
    trained = strop.train("theirs.jsonl", "theirs", settings=SETTINGS, model="model")
    assert trained.record["groups"] == 11, "a tenth is held out to watch, with or without negatives"
    assert SentenceTransformer("theirs").encode("ban").shape == (32,)


def test_scores_that_a_recipe_does_not_use_are_said_not_to_be(folder: Path) -> None:
    rows = [
        {"query": f"ban {word}", "pos": [f"{word} ban dit"], "neg": ["fon"], "pos_scores": [2], "neg_scores": [1]}
        for word in tiny_models.WORDS[:12]
    ]
    Path("scored.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.warns(InputWarning, match="recipe in-batch-full does not use a teacher's scores, which 12 of 12"):
        strop.train("scored.json", "unscored", settings=SETTINGS, model="model")
    strop.train("scored.json", "scored", "distill-kl", SETTINGS, model="model")


def test_a_row_whose_negatives_are_all_positives_elsewhere_has_none(folder: Path) -> None:
    rows = [{"query": "ban", "positive": p, "negative": n} for p, n in (("fon", "dit"), ("dit", "fon"))]
    Path("against.json").write_text(json.dumps(rows), encoding="utf-8")
    with (
        pytest.warns(InputWarning, match="2 negatives do not count"),
        pytest.raises(InputError, match="recipe triplet-full needs negatives, and some examples have none"),
    ):
        strop.train("against.json", "none", "triplet-full", SETTINGS, model="model")


def test_updates_follow_from_epochs_unless_they_are_set(examples: Path, tuned: Artifact) -> None:
    assert tuned.record["values"]["recipe"]["updates"] == 4
    by_epoch = {k: v for k, v in SETTINGS.items() if k != "updates"}
    trained = strop.train(examples, "epochs", "in-batch-full", by_epoch, "model", epochs=2)
    assert trained.record["values"]["recipe"]["updates"] == 2 * 3, "22 of 24 queries train, 6 an update"


def test_a_tuned_model_loads_with_plain_sentence_transformers_and_is_the_one_searched(
    tuned: Artifact, folder: Path
) -> None:
    model = SentenceTransformer(str(folder / "tuned"))
    data = load("small", "test")
    documents, queries = list(data.documents.values()), list(data.queries.values())
    scores = model.encode([q.text for q in queries]) @ model.encode([d.contents for d in documents]).T
    strop.search("small", "tuned.trec", "tuned", depth=5)
    run = read_run("tuned.trec")
    assert {len(ranking.doc_ids) for ranking in run.values()} == {5}
    for query, row in zip(queries, scores, strict=True):
        best = np.argsort(-row)[:5]
        np.testing.assert_allclose(run[query.id].scores, row[best], atol=1e-5)
    base = SentenceTransformer(str(folder / "model"))
    assert np.abs(model.encode("ban dit") - base.encode("ban dit")).max() > 1e-3, "it was tuned"


def test_an_exported_model_is_the_trained_one_with_a_card(tuned: Artifact, folder: Path) -> None:
    for source, out in ((tuned.key, "by_key"), (tuned.key[:6], "by_start"), (str(tuned.path), "by_folder")):
        strop.export(source, out)
        weights = Path(out, "model.safetensors").read_bytes()
        assert weights == (folder / "tuned" / "model.safetensors").read_bytes()
    card = Path("by_key", "README.md").read_text(encoding="utf-8")
    assert "Trained on 22 examples; 4,096 of " in card
    assert "# model, tuned with strop" in card
    assert "base_model:" not in card, "the base is a folder here, and no hub id"
    assert tuned.key in card
    assert str(folder) not in card, "a card names no place on this machine"
    assert Path("by_key", "adapter", "adapter_model.safetensors").is_file()


def test_a_key_that_two_models_share_is_refused(tuned: Artifact) -> None:
    with pytest.raises(InputError, match="0 trainings have a key that starts with ''"):
        strop.export("", "unclear")
    twin = tuned.path.with_name(f"{tuned.key[:4]}z")
    twin.mkdir()
    (twin / "record.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match=f"2 trainings have a key that starts with '{tuned.key[:4]}'"):
        strop.export(tuned.key[:4], "unclear")


def test_a_trained_model_s_folder_is_said_to_be_no_artifact(tuned: Artifact) -> None:
    with pytest.raises(InputError, match=r"tuned: no training artifact\. Give the key or folder of one in .*train"):
        strop.export("tuned", "again")


def test_a_document_that_is_its_query_is_not_retrieved_for_it(folder: Path) -> None:
    small_collection(folder / "own")
    corpus = Path("own", "corpus.jsonl")
    twin = json.dumps({"_id": "q24", "text": load("own").queries["q24"].text})
    corpus.write_text(corpus.read_text(encoding="utf-8") + twin + "\n", encoding="utf-8")
    for model in ("bm25", "model"):
        run = read_run(strop.search("own", f"own-{model}.trec", model))
        assert "q24" not in run["q24"].doc_ids
    assert "q24" in {d for q in run if q != "q24" for d in run[q].doc_ids}


def test_evaluate_gives_a_value_for_every_judged_query_and_compares_two_runs(folder: Path) -> None:
    strop.search("small", "first.trec", "bm25")
    strop.search("small", "second.trec", "model")
    first, second = (strop.evaluate(f"{name}.trec", "small", measures=["RR@10"]) for name in ("first", "second"))
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert len(first["RR@10"]) == TEST
    compared = strop.evaluate("first.trec", "small", against="second.trec", measures=["RR@10", "P@10"])
    assert isinstance(compared, list)
    assert [c.measure for c in compared] == ["RR@10", "P@10"]
    difference = mean(first["RR@10"]) - mean(second["RR@10"])
    assert compared[0].comparison.difference == pytest.approx(difference)
    assert difference > 0.3, "words find what random weights do not"


def test_evaluate_reads_trec_qrels_as_well(folder: Path) -> None:
    Path("qrels.txt").write_text("q24 0 d24 1\nq25 0 d1 2\n", encoding="utf-8")
    Path("run.txt").write_text("q24 Q0 d24 1 2.0 x\nq25 Q0 d9 1 3.0 x\nq25 Q0 d1 2 2.0 x\n", encoding="utf-8")
    assert strop.evaluate("run.txt", "qrels.txt", measures=["RR@10"]) == {"RR@10": {"q24": 1.0, "q25": 0.5}}
    level = strop.evaluate("run.txt", "qrels.txt", measures=["RR@10"], relevance_level=2)
    assert level == {"RR@10": {"q24": 0.0, "q25": 0.5}}


def test_qrels_in_beir_s_form_are_known_by_their_header_whatever_the_file_is_called(folder: Path) -> None:
    Path("of_beir.txt").write_text("query-id\tcorpus-id\tscore\nq24\td24\t1\nq25\td1\t2.0\n", encoding="utf-8")
    Path("of_trec.tsv").write_bytes(gzip.compress(b"q24 0 d24 1\nq25 0 d1 2\n"))
    Path("same.txt").write_text("q24 Q0 d24 1 2.0 x\nq25 Q0 d9 1 3.0 x\nq25 Q0 d1 2 2.0 x\n", encoding="utf-8")
    for qrels in ("of_beir.txt", "of_trec.tsv"):
        assert strop.evaluate("same.txt", qrels, measures=["RR@10"]) == {"RR@10": {"q24": 1.0, "q25": 0.5}}


def test_a_run_that_shares_no_query_with_the_judgments_is_refused(folder: Path) -> None:
    Path("alien.trec").write_text("1 Q0 d24 1 2.0 x\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"alien.trec: none of its 1 queries \(first: '1'\) is among the 8 judged"):
        strop.evaluate("alien.trec", "small")
    strop.search("small", "home.trec", "bm25")
    with pytest.raises(InputError, match=r"alien\.trec: none"):
        strop.evaluate("home.trec", "small", against="alien.trec")


def test_a_run_that_lacks_judged_queries_is_measured_over_all_and_warned_of(folder: Path) -> None:
    Path("lacking.trec").write_text("q24 Q0 d24 1 2.0 x\n", encoding="utf-8")
    with pytest.warns(InputWarning, match="7 of 8 judged queries are not in the run and score 0"):
        values = strop.evaluate("lacking.trec", "small", measures=["RR@10"])
    assert isinstance(values, dict)
    assert mean(values["RR@10"]) == 1 / 8


def test_inspect_looks_at_every_split_with_the_model_s_tokenizer(folder: Path) -> None:
    audit = strop.data_inspect("small", "model")
    assert set(audit["splits"]) == {"train", "test"}
    assert audit["lengths"]["limit"] == 48
    assert audit["lengths"]["documents"]["max"] == 11, "nine words and two special tokens"
    assert audit["overlap"]["test"]["relevant_documents_known"] == 0
    assert audit["seen by the base"].startswith("not known")
    assert "MS MARCO" in strop.data_inspect("small")["seen by the base"]


def test_an_exported_collection_is_the_same_collection(folder: Path) -> None:
    strop.data_export("small", "copy")
    for split in ("train", "test"):
        ours, theirs = load("small", split), load("copy", split)
        assert (ours.documents, ours.queries, ours.qrels) == (theirs.documents, theirs.queries, theirs.qrels)
        assert ours.fingerprint == theirs.fingerprint


@pytest.mark.parametrize("out", ["small", "small/corpus.jsonl"])
def test_nothing_is_overwritten_and_the_refusal_comes_before_any_work(
    out: str, examples: Path, tuned: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    def worked(*args: object, **values: object) -> None:
        raise AssertionError("work was done before the refusal")

    before = {p: p.read_bytes() for p in Path("small").rglob("*") if p.is_file()}
    for work in (
        "collection.door.load",
        "negatives.examples.read_examples",
        "training.stage.Training",
        "report.page.render",
    ):
        monkeypatch.setattr(f"strop.{work}", worked)
    for refused in (
        lambda: strop.mine("small", out),
        lambda: strop.train(examples, out),
        lambda: strop.search("small", out),
        lambda: strop.study_report("results", out),
        lambda: strop.export(tuned.key, out),
    ):
        with pytest.raises(InputError, match="this exists already"):
            refused()
    assert {p: p.read_bytes() for p in Path("small").rglob("*") if p.is_file()} == before


def test_what_cannot_be_written_is_said_before_any_work(tuned: Artifact) -> None:
    with pytest.raises(InputError, match="this cannot be written"):
        strop.search("small", "small/corpus.jsonl/run.trec", "bm25")


def test_artifacts_live_in_strop_home_or_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store().root == Path.cwd() / "home"
    small = str(Path("small").resolve())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "chosen"))
    strop.search(small, "a.trec", "bm25")
    assert [p.name for p in (tmp_path / "chosen").iterdir()] == ["lexical"]
    monkeypatch.delenv("STROP_HOME")
    strop.search(small, "b.trec", "bm25")
    assert [p.name for p in (tmp_path / ".strop").iterdir()] == ["lexical"]
    assert store("elsewhere").root == Path("elsewhere")


def test_a_study_file_runs_by_its_path_and_answers_at_once_the_second_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from small_study import small_study

    study = small_study(folder / "study")
    scale = replace(study.scale("tiny"), systems=("bm25", "base", "full"))
    short = replace(study, scales=(scale,), claims=())
    monkeypatch.setattr("strop.study.definition.find", lambda name: short)
    results = strop.study_run("mine.py", "tiny", ["all"])
    assert read_results(results).record.command == "strop study run mine.py --scale tiny --preset all"
    page = (results / "report.html").read_bytes()
    assert b"A small study" in page
    assert strop.study_run("mine.py", "tiny", ["all"]) == results
    assert (results / "report.html").read_bytes() == page
    assert strop.study_report(results, "report.html").read_bytes() == page


def test_the_card_of_a_model_tuned_from_the_hub_s_names_its_base(tuned: Artifact, tmp_path: Path) -> None:
    of_hub = replace(tuned, record={**tuned.record, "base": BASE})
    write_card(of_hub, tmp_path / "README.md")
    assert f"\nbase_model: {BASE}\ntags:\n" in (tmp_path / "README.md").read_text(encoding="utf-8")
