from __future__ import annotations

import pytest

from strop.collection.docstrings.source import Docstring, dedented
from strop.collection.docstrings.text import first_sentence, pair

PROSE = "The weights are summed along every axis that was named, and the total divides what remains of the input."


def body(text: str, name: str = "average") -> str:
    found = pair(Docstring("pkg", f"pkg.mod.{name}", text))
    assert found is not None
    return found.body


def test_the_summary_sentence_is_the_query_and_the_rest_the_document() -> None:
    text = f"Compute the weighted average\nalong an axis. More of it.\n\n{PROSE}\n"
    found = pair(Docstring("pkg", "pkg.mod.average", text))
    assert found is not None
    assert found.id == "pkg.mod.average"
    assert found.summary == "Compute the weighted average along an axis."
    assert found.body == f"More of it.\n\n{PROSE}"


@pytest.mark.parametrize(
    ("paragraph", "sentence"),
    [
        ("Fit e.g. A. Turing's model. Then go.", "Fit e.g. A. Turing's model."),
        ("See p. 12 of [1]. Then go.", "See p. 12 of [1]."),
        ("Is it 1.5 or numpy.ndarray? Yes.", "Is it 1.5 or numpy.ndarray?"),
        ("No stop at all", "No stop at all"),
        ("Use `x.` `y` as is", "Use `x.`"),
    ],
)
def test_a_sentence_does_not_end_at_an_abbreviation_or_an_initial(paragraph: str, sentence: str) -> None:
    assert first_sentence(paragraph)[0] == sentence


def test_copied_signatures_go() -> None:
    text = (
        "average(a, axis=None, weights=(1, 2)) -> array\n\n"
        f"Compute the weighted mean along an axis.\n\n.. function:: average(a)\n\naverage(a, b)\n{PROSE}"
    )
    assert body(text) == PROSE


def test_a_leading_session_line_and_the_signature_of_an_alias_go() -> None:
    text = f">>> average(a)\nother_name(a: int,\n    b=3)\nCompute the weighted mean along an axis.\n\n{PROSE}"
    assert body(text) == PROSE


def test_a_name_that_is_no_ordinary_word_is_blanked_everywhere() -> None:
    text = f"Compute the mean of many things.\n\n>>> np.nan_mean(x)\nnan_mean2 and nan_mean. {PROSE}"
    assert body(text, "nan_mean") == f">>> _(x)\nnan_mean2 and _. {PROSE}"


def test_an_ordinary_word_is_blanked_only_where_it_names_the_object() -> None:
    text = f"Compute the mean of many things.\n\nThe average, `average`, np.average and average(x). {PROSE}"
    assert body(text) == f"The average, `_`, _ and _(x). {PROSE}"


def test_a_repeated_summary_is_taken_out_of_the_document() -> None:
    text = f"Compute the mean of many things.\n\nNotes\n-----\ncompute the mean\n  of many things. {PROSE}"
    assert body(text) == f"Notes\n {PROSE}"


def test_the_summaries_of_related_objects_go() -> None:
    related = "See Also\n--------\nmedian : Compute the median of many things.\n\nmode\n    Compute the mode.\n\n"
    text = f"Compute the mean of many things.\n\n{related}Notes\n-----\n{PROSE}"
    assert body(text) == f"Notes\n{PROSE}"
    assert body(f"Compute the mean of many things.\n\n{PROSE}\n\n{related}") == PROSE


def test_a_summary_ends_at_a_section_without_an_empty_line() -> None:
    found = pair(Docstring("pkg", "pkg.f", f"Compute the mean of many things\nArgs:\n    a: {PROSE}"))
    assert found is not None
    assert found.summary == "Compute the mean of many things"


@pytest.mark.parametrize(
    "text",
    [
        f"Mean of it.\n\n{PROSE}",
        f"Return the self of it.\n\n{PROSE}",
        f"labels (`torch.Tensor` of shape `(1,)`, *optional*): The labels.\n\n{PROSE}",
        f"Deprecated: use the other function instead.\n\n{PROSE}",
        f"Args:\n    many things that are said\n\n{PROSE}",
        "Compute the mean of many things.\n\nExamples\n\n>>> import numpy as np\n>>> print(np.ones(3))\n[1. 1. 1.]",
        "Compute the mean of many things.",
    ],
)
def test_docstrings_that_say_too_little_or_only_point_elsewhere_give_no_pair(text: str) -> None:
    assert pair(Docstring("pkg", "pkg.mod.average", text)) is None


def test_indentation_common_to_all_lines_but_the_first_goes() -> None:
    assert dedented("\n    One.\n\n      Two.\n    ") == "One.\n\n  Two."
    assert dedented("One.\n\tTwo.\n\t  Three.") == "One.\nTwo.\n  Three."
