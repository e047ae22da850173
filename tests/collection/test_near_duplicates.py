from __future__ import annotations

import random
from itertools import combinations

import pytest

from strop.collection.near_duplicates import components, similar
from strop.collection.shingles import shingles


def test_shingles_are_the_runs_of_words_whatever_the_case_and_the_white_space() -> None:
    a, b, c, short, empty = shingles(["a b c d e", "A  b\nC d, e", "a b c e d", "a b", ""], 3)
    assert len(a) == 3
    assert (a == b).all()
    assert len(set(a.tolist()) & set(c.tolist())) == 1
    assert len(short) == 1
    assert len(empty) == 0


def test_hashes_are_the_same_everywhere() -> None:
    assert shingles(["compute the sine"], 2)[0].tolist() == [3162048621645178950, 4302096003856407781]


def test_proposed_pairs_agree_with_the_naive_loop() -> None:
    draw = random.Random(5)
    words = [f"w{i}" for i in range(400)]
    texts = []
    for _ in range(60):
        text = draw.choices(words, k=40)
        texts.append(" ".join(text))
        for position in draw.sample(range(40), draw.randint(0, 4)):
            text[position] = "other"
        texts.append(" ".join(text))
    sets = shingles(texts, 2)

    def jaccard(a: int, b: int) -> float:
        first, second = set(sets[a].tolist()), set(sets[b].tolist())
        return len(first & second) / len(first | second)

    naive = {(a, b) for a, b in combinations(range(len(texts)), 2) if jaccard(a, b) >= 0.7}
    assert 30 < len(naive) < 60
    assert set(similar(sets, 0.7)) == naive


def test_equal_texts_are_connected_and_empty_ones_are_not() -> None:
    links = list(similar(shingles(["", "a b c", "", "a b c", "A B C", "x y z"], 2), 0.9))
    assert components(6, links) == [0, 1, 2, 1, 1, 5]


@pytest.mark.parametrize("texts", [[], [""], ["", "..."]])
def test_texts_without_a_word_are_like_none(texts: list[str]) -> None:
    sets = shingles(texts, 4)
    assert len(sets) == len(texts)
    assert list(similar(sets, 0.5)) == []


def test_a_text_longer_than_a_block_and_texts_across_blocks_are_hashed_as_each_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [" ".join(f"w{(i * k) % 13}" for k in range(i)) for i in range(40)]
    each = [shingles([text], 3)[0].tolist() for text in texts]
    assert each == [sorted(set(members)) for members in each]
    monkeypatch.setattr("strop.collection.shingles._BLOCK", 17)
    monkeypatch.setattr("strop.collection.shingles._KNOWN", 5)
    assert [members.tolist() for members in shingles(texts, 3)] == each


def test_components_are_transitive_and_named_by_their_first_member() -> None:
    assert components(6, [(4, 5), (1, 4), (2, 3)]) == [0, 1, 2, 2, 1, 1]
