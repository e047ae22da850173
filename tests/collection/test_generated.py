from __future__ import annotations

from strop.collection.generated import REST_WORDS, Generated, generated, near_duplicates
from strop.records.documents import Document


#: Twenty words without end, different for each name.
def body(name: str, words: int = REST_WORDS) -> str:
    return " ".join(f"{name}{i}" for i in range(words)).capitalize()


def of(*documents: Document, most: int = 99, seed: int = 0) -> dict[str, Generated]:
    return {g.doc_id: g for g in generated({d.id: d for d in documents}, seed, most)}


def test_a_title_asks_for_the_text_without_it() -> None:
    text = f"How to tune a retriever. {body('w')}, as said in “How  to tune\na retriever”."
    only = of(Document("d", text, "How to tune a retriever."))["d"]
    assert (only.query, only.source) == ("How to tune a retriever", "title")
    assert only.text == f". {body('w')}, as said in ."


def test_a_short_title_stays_in_sentences_and_goes_as_a_line_of_its_own() -> None:
    only = of(Document("d", f"My Way\n{body('w')} my way", "My Way"))["d"]
    assert only.text == f"{body('w')} my way"


def test_a_heading_asks_where_there_is_no_title() -> None:
    only = of(Document("d", f"Tuning retrievers\n=================\n\nA first sentence here. {body('w')}"))["d"]
    assert (only.query, only.source) == ("Tuning retrievers", "heading")
    assert only.text == f"A first sentence here. {body('w')}"


def test_a_first_sentence_asks_where_there_is_neither_and_its_title_of_one_word_stays() -> None:
    text = f"* a list\r\n \r\nThe `eye` sees e.g. colours and\nlight. {body('w')}"
    only = of(Document("d", text, "Eyes"))["d"]
    assert (only.query, only.source) == ("The eye sees e.g. colours and light.", "sentence")
    assert only.text == f"Eyes * a list\r\n \r\n {body('w')}"


def test_a_document_that_keeps_too_few_words_or_says_too_little_asks_nothing() -> None:
    assert not of(Document("short", body("w", REST_WORDS - 1), "A good title"))
    assert of(Document("long", body("w", REST_WORDS), "A good title"))
    assert not of(Document("d", f"This is of the type. {body('w')}"))  # stop words but one
    assert of(Document("d", f"This is of the type bird with four legs. {body('w')}"))
    assert not of(Document("d", f"According to several papers (Proc. Royal Society) eyes see. {body('w')}"))
    assert not of(Document("d", body("w", 60)))  # no sentence ends


def test_a_query_that_two_documents_share_is_nobody_s_and_the_next_best_asks() -> None:
    first = Document("a", f"Bats fly at night. {body('a')}", "Release  Notes")
    second = Document("b", body("b"), "release notes")
    assert {k: (g.query, g.source) for k, g in of(first, second).items()} == {"a": ("Bats fly at night.", "sentence")}


def test_a_short_document_with_the_same_title_counts_too() -> None:
    assert not of(Document("a", body("a"), "Release notes"), Document("b", "short", "Release notes"))


def test_near_duplicates_are_each_other_s_relevant_documents_and_ask_a_shared_query_once() -> None:
    copy = Document("b", body("w", 100) + " end", "Two copies")
    found = of(Document("a", body("w", 100), "Two copies"), copy, Document("c", body("c"), "Something else"))
    assert len(found) == 2
    (asker,) = set(found) & {"a", "b"}
    assert found[asker].relevant == {"a", "b"}
    assert found["c"].relevant == {"c"}


def test_near_duplicates_are_connected_over_any_number_of_steps() -> None:
    words = [f"w{i}" for i in range(100)]
    texts = {"a": words[:90], "b": words[5:95], "c": words[10:100], "d": words[:20]}
    groups = near_duplicates({k: Document(k, " ".join(v)) for k, v in texts.items()})
    assert groups == {"a": {"a", "b", "c"}, "b": {"a", "b", "c"}, "c": {"a", "b", "c"}, "d": {"d"}}


def test_the_order_is_the_seed_s_and_not_that_of_the_documents() -> None:
    documents = [Document(f"d{i}", body(f"x{i}-"), f"Title number {i}") for i in range(30)]
    first, again = list(of(*documents)), list(of(*reversed(documents)))
    assert first == again != sorted(first)
    assert list(of(*documents, most=7)) == first[:7]
    assert list(of(*documents, seed=1)) != first
