"""A teacher's scores from a run, and the command that trains on them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import tiny_models

import strop
from strop.negatives.taught import teach
from strop.records.documents import Group
from strop.records.errors import InputError, InputWarning
from strop.records.runs import Run

GROUPS = [
    Group("q1", ("a",), ("x", "y"), ("rank 1", "rank 2"), frozenset({"a", "b"})),
    Group("q1", ("b",), ("x",), ("rank 1",), frozenset({"a", "b"})),
    Group("q2", ("x",), ("a",)),
]
RUN = Run({"q1": (["a", "b", "x", "y", "z"], [9.0, 8.5, 3.0, -1.0, -4.0]), "q2": (["a", "x"], [0.5, 0.25])})
SETTINGS = {"updates": "2", "batching.size": "4", "token_budget": "256"}


def test_each_group_gets_the_scores_of_its_own_candidates_for_its_own_query() -> None:
    first, second, third = teach(GROUPS, RUN)
    assert first.teacher == {"a": 9.0, "x": 3.0, "y": -1.0}
    assert second.teacher == {"b": 8.5, "x": 3.0}
    assert third.teacher == {"x": 0.25, "a": 0.5}
    assert [(g.query_id, g.positives, g.negatives, g.sources, g.relevant) for g in (first, second, third)] == [
        (g.query_id, g.positives, g.negatives, g.sources, g.relevant) for g in GROUPS
    ]


def test_beyond_its_own_candidates_a_group_gets_all_that_is_ranked_for_its_query() -> None:
    first, _, third = teach(GROUPS, RUN, beyond=True)
    assert first.teacher == {"a": 9.0, "b": 8.5, "x": 3.0, "y": -1.0, "z": -4.0}
    assert third.teacher == {"a": 0.5, "x": 0.25}


def test_what_the_teacher_lacks_is_counted_and_stays_without_a_score() -> None:
    partial = Run({"q1": (["a", "x"], [9.0, 3.0])})
    with pytest.warns(InputWarning, match="^the teacher lacks 4 of 7 candidates, in 3 of 3 groups$"):
        taught = teach(GROUPS, partial)
    assert [g.teacher for g in taught] == [{"a": 9.0, "x": 3.0}, {"x": 3.0}, {}]


@pytest.mark.parametrize("run", [Run({}), Run({"q9": (["a"], [1.0])}), Run({"q1": (["z"], [1.0])})])
def test_a_teacher_of_something_else_is_refused_even_where_it_ranks_what_no_group_holds(run: Run) -> None:
    for beyond in (False, True):
        with pytest.raises(InputError, match="the teacher scores none of the 7 candidates of 3 groups"):
            teach(GROUPS, run, beyond=beyond)


def test_new_scores_replace_old_ones() -> None:
    again = teach(teach(GROUPS, RUN, beyond=True), Run({"q1": RUN["q1"], "q2": (["a", "x"], [7.0, 6.0])}))
    assert again[2].teacher == {"a": 7.0, "x": 6.0}
    assert set(again[0].teacher) == {"a", "x", "y"}


def lines(scores: Sequence[float | None] | None, count: int = 12) -> str:
    taught = {} if scores is None else {"scores": scores}
    words = tiny_models.WORDS
    items = [
        {"query": f"ban {words[i]}", "positive": f"{words[i]} ban dit", "negatives": [f"{words[i + 20]} fon"], **taught}
        for i in range(count)
    ]
    return "".join(json.dumps(item) + "\n" for item in items)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STROP_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.mark.parametrize("recipe", ["distill-kl", "distill-margin-mse"])
@pytest.mark.parametrize("scores", [None, [1.0, None]])
def test_examples_without_a_teacher_are_refused_before_any_model_is_read(
    folder: Path, recipe: str, scores: list[float | None] | None
) -> None:
    Path("mixed.jsonl").write_text(lines([5.0, -5.0], 3) + lines(scores, 9), encoding="utf-8")
    with pytest.raises(
        InputError, match=f"recipe {recipe} learns from a teacher, and 9 of 12 examples have not two scores"
    ):
        strop.train("mixed.jsonl", "out", recipe, SETTINGS, model="no-such-model")
    assert not Path("home").exists()


def test_a_score_of_what_answers_the_same_query_in_another_row_does_not_count(folder: Path) -> None:
    rows: list[tuple[str, list[str], list[float | None]]] = [
        ("a", ["b", "c"], [2.0, 1.0, None]),  # whose b is the next row's positive
        ("b", ["c"], [2.0, 1.0]),
    ]
    texts = [{"query": "q", "positive": p, "negatives": n, "scores": scores} for p, n, scores in rows]
    Path("mixed.jsonl").write_text("\n".join(map(json.dumps, texts)), encoding="utf-8")
    with (
        pytest.warns(InputWarning, match="1 negatives do not count"),
        pytest.raises(InputError, match="1 of 2 examples have not two scores that count"),
    ):
        strop.train("mixed.jsonl", "out", "distill-kl", SETTINGS, model="no-such-model")


@pytest.mark.parametrize("recipe", ["distill-kl", "distill-margin-mse"])
def test_a_recipe_of_a_teacher_trains_and_logs_how_far_it_agrees(folder: Path, recipe: str) -> None:
    tiny_models.build(folder / "built").rename(folder / "model")
    Path("taught.jsonl").write_text(lines([5.0, -5.0]), encoding="utf-8")
    made = strop.train("taught.jsonl", "out", recipe, SETTINGS, model="model")
    logged = json.loads((made.path / "log.json").read_text(encoding="utf-8"))
    seen = {measure: value for _, measure, value in logged}
    assert seen["taught_candidates"] == 2.0
    assert 0 <= seen["pair_agreement"] <= 1
    assert seen["teacher_spread"] == 5.0
    assert (Path("out") / "model.safetensors").is_file()
