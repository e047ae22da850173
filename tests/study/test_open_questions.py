"""Open questions and their evidence as values."""

from __future__ import annotations

import pytest

from strop.study.open_questions import Evidence, Grid, OpenQuestion


def demonstration(bench: object) -> Evidence:
    """Two figures that
    do not add up.

    Shown where they differ.
    """
    return Evidence.shown_if(bench is None, "They differ by 1.")


def test_a_question_is_the_first_paragraph_of_what_demonstrates_it() -> None:
    question = OpenQuestion.of("X1", "arithmetic", demonstration, slow=True)
    assert question == OpenQuestion("X1", "arithmetic", "Two figures that do not add up.", demonstration, slow=True)
    with pytest.raises(ValueError, match="X2 has neither a demonstration nor a test"):
        OpenQuestion("X2", "arithmetic", "A doubt.")


def test_a_table_prints_whole_numbers_others_and_what_is_missing() -> None:
    table = Grid.of("Steps", ["run", "steps", "share", "rate"], [("a", 23_438, -0.04267, None), ["b", 0, 1.0, "2e-05"]])
    assert table.columns == ("run", "steps", "share", "rate")
    assert table.rows == (("a", "23,438", "−0.043", "–"), ("b", "0", "1.000", "2e-05"))
    assert Grid.of("Steps", ("share",), [(0.5,)], decimals=1).rows == (("0.5",),)
    with pytest.raises(ValueError, match="'Steps': a row has not 2 columns"):
        Grid.of("Steps", ("run", "steps"), [("a",)])


def test_evidence_takes_a_further_sentence_and_its_tables_and_keeps_the_verdict() -> None:
    table = Grid.of("Steps", ("share",), [(0.5,)])
    evidence = demonstration(1).also("So they do not.", table)
    assert evidence == Evidence("not shown", "They differ by 1. So they do not.", (table,))
