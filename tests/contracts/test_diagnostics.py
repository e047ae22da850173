"""What every diagnostic keeps: its range, one rotation, any order of the texts, its value for no change."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from room_members import functions

from strop.geometry import catalogue
from strop.geometry.catalogue import ABSOLUTE, LIVE, RELATIVE, diagnose
from strop.geometry.pairs import Floats
from strop.geometry.sample import Diagnostic, Ints, Sample
from strop.records.errors import InputError

EVERY = (*ABSOLUTE, *RELATIVE)
QUERIES, DOCUMENTS, WIDTH = 24, 72, 12
every = pytest.mark.parametrize("diagnostic", EVERY, ids=lambda one: one.name)
relative = pytest.mark.parametrize("diagnostic", RELATIVE, ids=lambda one: one.name)
#: What a model that is its base reads, and what a rotation of it still reads (None: something else).
UNCHANGED = {
    "cka/document": (1.0, 1.0),
    "procrustes/document": (0.0, 0.0),
    "overlap@10/document": (1.0, 1.0),
    "shift/document": (0.0, None),
    "rank_displacement": (0.0, 0.0),
}
POSITIVES: Ints = np.random.default_rng(5).permutation(DOCUMENTS)[:QUERIES]


def sample(queries: Floats, documents: Floats) -> Sample:
    return Sample.of(queries, documents, POSITIVES)


def isotropic(seed: int = 0) -> Sample:
    rng = np.random.default_rng(seed)
    return sample(rng.normal(size=(QUERIES, WIDTH)), rng.normal(size=(DOCUMENTS, WIDTH)))


def like_a_model(seed: int = 0) -> Sample:
    """A common direction, a falling spectrum, and positives near their queries."""
    rng = np.random.default_rng(seed)
    scale = np.arange(1, WIDTH + 1) ** -0.5
    queries, documents = rng.normal(size=(QUERIES, WIDTH)) * scale, rng.normal(size=(DOCUMENTS, WIDTH)) * scale
    documents[POSITIVES] = queries + 0.5 * documents[POSITIVES]
    return sample(queries + 0.3, documents + 0.3)


def collapsed(noise: float = 1e-4) -> Sample:
    rng = np.random.default_rng(1)
    centre = rng.normal(size=WIDTH)
    return sample(
        centre + noise * rng.normal(size=(QUERIES, WIDTH)), centre + noise * rng.normal(size=(DOCUMENTS, WIDTH))
    )


def coincident() -> Sample:
    return collapsed(noise=0.0)


def rank_one() -> Sample:
    rng = np.random.default_rng(2)
    line = rng.normal(size=(1, WIDTH))
    return sample(rng.normal(size=(QUERIES, 1)) * line, rng.normal(size=(DOCUMENTS, 1)) * line)


def duplicated() -> Sample:
    rng = np.random.default_rng(3)
    return sample(
        rng.normal(size=(QUERIES // 4, WIDTH)).repeat(4, axis=0),
        rng.normal(size=(DOCUMENTS // 4, WIDTH)).repeat(4, axis=0),
    )


def tiny() -> Sample:
    rng = np.random.default_rng(4)
    return Sample.of(rng.normal(size=(2, 3)), rng.normal(size=(3, 3)), np.array([0, 2]))


def token_level() -> Sample:
    """Three vectors a query, five a document, scored by the sum of each query vector's best."""
    rng = np.random.default_rng(6)
    queries, documents = rng.normal(size=(3 * QUERIES, WIDTH)), rng.normal(size=(5 * DOCUMENTS, WIDTH))
    products = (queries @ documents.T).reshape(QUERIES, 3, DOCUMENTS, 5)
    whole = Sample.of(queries, documents, POSITIVES)
    owners = np.arange(QUERIES).repeat(3), np.arange(DOCUMENTS).repeat(5)
    return replace(whole, scores=products.max(axis=3).sum(axis=1), query_of=owners[0], document_of=owners[1])


SAMPLES: dict[str, Callable[[], Sample]] = {
    made.__name__: made for made in (isotropic, like_a_model, collapsed, coincident, rank_one, duplicated, token_level)
}
every_sample = pytest.mark.parametrize("made", SAMPLES.values(), ids=SAMPLES.keys())


def turned(one: Sample, seed: int = 9) -> Sample:
    turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(WIDTH, WIDTH)))[0]
    queries, documents = one.queries @ turn, one.documents @ turn
    # Scores are worked out anew where they are products, so that rounding falls otherwise.
    same = one.single and np.allclose(one.scores, one.queries @ one.documents.T)
    return replace(one, queries=queries, documents=documents, scores=queries @ documents.T if same else one.scores)


def shuffled(one: Sample) -> Sample:
    """The same texts in another order; a text's vectors stay together."""
    rng = np.random.default_rng(8)
    count, pool = one.scores.shape
    asked, found = rng.permutation(count), rng.permutation(pool)
    rows = np.argsort(np.argsort(asked)[one.query_of], kind="stable")
    columns = np.argsort(np.argsort(found)[one.document_of], kind="stable")
    return Sample(
        one.queries[rows],
        one.documents[columns],
        one.scores[np.ix_(asked, found)],
        np.argsort(found)[one.positives[asked]],
        np.argsort(asked)[one.query_of[rows]],
        np.argsort(found)[one.document_of[columns]],
    )


def test_names_differ_and_a_monitor_takes_some_of_each_kind() -> None:
    names = [one.name for one in EVERY]
    assert len(set(names)) == len(names)
    assert set(LIVE) < set(EVERY)
    assert set(LIVE) & set(ABSOLUTE)
    assert set(LIVE) & set(RELATIVE)
    assert {one.name for one in RELATIVE} == set(UNCHANGED)


def test_every_number_of_vectors_or_samples_in_the_room_is_a_diagnostic_of_the_catalogue() -> None:
    """Numbers of pictures, in `projection`, describe a drawing and not a model."""
    numbers = {
        name
        for name, function in functions("geometry").items()
        if function.__annotations__["return"] == "float" and not function.__module__.endswith(".projection")
        if next(iter(function.__annotations__.values())) in ("Vectors", "Sample")
    }
    assert len(numbers) > 15
    assert numbers <= set(vars(catalogue))


@every
def test_a_diagnostic_says_what_it_means_where_it_ends_and_where_it_is_from(diagnostic: Diagnostic) -> None:
    assert diagnostic.meaning
    assert diagnostic.source
    assert diagnostic.low < diagnostic.high
    assert (diagnostic.absolute is None) != (diagnostic.relative is None)
    assert (diagnostic in RELATIVE) == (diagnostic.relative is not None)


@every
@pytest.mark.parametrize("made", [*SAMPLES.values(), tiny], ids=[*SAMPLES, "tiny"])
def test_a_value_is_a_finite_float_within_its_range(diagnostic: Diagnostic, made: Callable[[], Sample]) -> None:
    one = made()
    others = [one] if made is tiny else [one, isotropic(7), coincident()]
    for base in others:
        if diagnostic.applies(one, base):
            value = diagnostic(one, base)
            assert type(value) is float
            assert math.isfinite(value)
            assert diagnostic.low <= value <= diagnostic.high


@every
@every_sample
def test_one_rotation_of_all_vectors_changes_nothing(diagnostic: Diagnostic, made: Callable[[], Sample]) -> None:
    one, base = made(), like_a_model(11)
    if diagnostic.applies(one, base):
        expected = diagnostic(one, base)
        assert diagnostic(turned(one), turned(base)) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@every
@every_sample
def test_the_order_of_the_texts_changes_nothing(diagnostic: Diagnostic, made: Callable[[], Sample]) -> None:
    one, base = made(), like_a_model(11)
    if diagnostic.applies(one, base):
        expected = diagnostic(one, base)
        assert diagnostic(shuffled(one), shuffled(base)) == pytest.approx(expected, rel=1e-6, abs=1e-7)


@relative
@every_sample
def test_a_model_that_is_its_base_has_not_moved(diagnostic: Diagnostic, made: Callable[[], Sample]) -> None:
    one = made()
    if diagnostic.applies(one, one):
        unmoved, after_a_turn = UNCHANGED[diagnostic.name]
        assert diagnostic(one, one) == pytest.approx(unmoved, abs=1e-9)
        if after_a_turn is not None:
            assert diagnostic(turned(one), one) == pytest.approx(after_a_turn, abs=1e-7)
        elif made is isotropic:
            assert diagnostic(turned(one), one) > 0.5


@relative
def test_another_model_has_moved(diagnostic: Diagnostic) -> None:
    assert abs(diagnostic(isotropic(1), like_a_model()) - UNCHANGED[diagnostic.name][0]) > 0.3


def test_documents_moved_towards_one_direction_read_worse_everywhere_that_should() -> None:
    """How far: 0 is the model as it was, 1 all documents in one place."""
    before = like_a_model()
    centre = before.documents.mean(axis=0)
    centre /= np.linalg.norm(centre)
    seen = [
        diagnose(sample(before.queries, (1 - far) * before.documents + far * centre), before, EVERY)
        for far in (0.0, 0.3, 0.6, 0.9)
    ]
    goods = {one.name: one.good for one in EVERY}
    hurt = ["uniformity/document", "mean_cosine/document", "effective_rank/document", "cosine_5%/document"]
    for name in [*hurt, "cosine_95%/document"]:
        course = [found[name] for found in seen]
        assert course == sorted(course, reverse=goods[name] == "higher"), name
        assert len(set(course)) == 4, name
        assert goods[name] != "neither"
    moved = [found["shift/document"] for found in seen]
    assert moved == sorted(set(moved))


def test_documents_squeezed_onto_one_line_are_less_isotropic() -> None:
    """A shift alone leaves the variance as it was: what centres its data must be shown another collapse."""
    before = isotropic()
    line = np.eye(WIDTH)[0]
    scores = [
        diagnose(sample(before.queries, before.documents * np.maximum(line, keep)), None, EVERY)
        for keep in (1.0, 0.5, 0.1)
    ]
    course = [found["isoscore/document"] for found in scores]
    assert course == sorted(set(course), reverse=True)


def test_what_does_not_apply_is_left_out_and_says_why_when_asked_for_all_the_same() -> None:
    many, one = token_level(), isotropic()
    assert "alignment" not in diagnose(many, many, EVERY)
    assert "uniformity/document" in diagnose(many, many, EVERY)
    assert "rank_displacement" in diagnose(many, one, EVERY)
    assert "cka/document" not in diagnose(many, one, EVERY)
    assert not {each.name for each in RELATIVE} & set(diagnose(one, None, EVERY))
    narrow = sample(one.queries[:, :5], one.documents[:, :5])
    assert set(diagnose(one, one, EVERY)) - set(diagnose(narrow, one, EVERY)) == {"shift/document"}
    by_name = {each.name: each for each in EVERY}
    with pytest.raises(InputError, match="alignment needs one vector per text"):
        by_name["alignment"](many)
    with pytest.raises(InputError, match="cka/document needs a base"):
        by_name["cka/document"](one)


@relative
def test_samples_of_different_texts_are_not_compared(diagnostic: Diagnostic) -> None:
    one = isotropic()
    other = replace(one, positives=np.roll(one.positives, 1))
    with pytest.raises(InputError, match="not of the same texts"):
        diagnostic(one, other)
