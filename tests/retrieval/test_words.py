"""BM25's words: English as it was, and pairs of letters where no spaces divide words."""

from __future__ import annotations

import pytest

from strop.retrieval.lexical import BM25
from strop.retrieval.words import needs_any_script, words, words_of_any_script


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Cats chase 7 mice", ["cats", "chase", "7", "mice"]),
        ("東京タワー", ["東京", "京タ", "タワ", "ワー"]),
        ("東", ["東"]),
        ("BM25で検索", ["bm25", "で検", "検索"]),
        ("한국어 검색", ["한국", "국어", "검색"]),
        ("Ｆｕｌｌ", ["full"]),
        ("naïve café", ["naïve", "café"]),
    ],
)
def test_words_of_any_script(text: str, expected: list[str]) -> None:
    assert words_of_any_script(text) == expected


@pytest.mark.parametrize("text", ["plain English, 7 x 7", "naïve café", "Прямая речь", "Ελληνικά"])
def test_where_spaces_divide_words_nothing_changes(text: str) -> None:
    assert not needs_any_script(text)
    assert BM25().suited([text]) == BM25()
    assert words(text) == words_of_any_script(text)


def test_chinese_queries_find_their_documents() -> None:
    documents = {"tea": "绿茶的冲泡方法", "iron": "铁为什么会生锈", "mixed": "how to brew tea"}
    run = BM25().search(documents, {"q": "怎样冲泡绿茶", "r": "生锈"}, 3)
    assert run["q"].doc_ids[0] == "tea"
    assert run["r"].doc_ids[0] == "iron"
