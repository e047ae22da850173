"""Training queries from documents alone: a document's own title, heading or first sentence asks for the rest of it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from strop.collection.audit import EXAMINED, NEAR
from strop.collection.docstrings.text import MIN_CONTENT_WORDS, content_words, first_sentence
from strop.collection.headings import headings, plain
from strop.collection.near_duplicates import components, similar
from strop.collection.panel import first_shuffled
from strop.collection.shingles import shingles
from strop.records.documents import Document, normal

Source = Literal["title", "heading", "sentence", "question"]

#: Words that must remain of a document without its query.
REST_WORDS = 20
#: Words of a first sentence that may be a query, and the fewest of a title or heading: one word names too much.
SENTENCE_WORDS = (4, 40)
LEAST_WORDS = 2

_WORD = re.compile(r"\w+")
_LETTERS = re.compile(r"[^\W\d_]{2}")
#: A paragraph of prose: no list, table, quotation, directive, fence or indented code.
_PARAGRAPH = re.compile(r"(?:\A|\n[ \t\r]*\n)[\r\n]*(?!```)[\"'(\[`*_]{0,3}\w(?![.)] )(?:.|\n(?!\s*\n))*")
_END = re.compile(r"[.!?][)\"'`*_\]]*$")


@dataclass(frozen=True, slots=True)
class Generated:
    """A query that asks for a document. `text` is the document as it is trained on, without what became the query.

    `relevant` are the document and its near-duplicates: none of them is a negative of this query.
    """

    query: str
    doc_id: str
    text: str
    source: Source
    relevant: frozenset[str]


class Candidate(NamedTuple):
    """What a document may ask; `text` makes the document without it."""

    query: str
    source: Source
    text: Callable[[], str]


def generated(documents: Mapping[str, Document], seed: int, most: int) -> list[Generated]:
    """At most `most` queries, one for each document that gives any, in an order drawn from `seed`.

    A document asks by its title; else by its first heading; else by its first sentence. What a query takes from the
    document is taken out of it, or the words would match themselves: inverse cloze (Lee et al. 2019, arXiv 1906.00300,
    which leaves the sentence in for one example in ten; here it never stays). Of more than EXAMINED documents so many
    are drawn by chance. Words are what white space and marks separate: text in Chinese or Japanese gives no query.
    """
    chosen = first_shuffled(documents, EXAMINED, f"{seed} generated")
    return told_apart({doc_id: documents[doc_id] for doc_id in chosen}, _candidates, most)


def told_apart(
    documents: Mapping[str, Document], candidates: Callable[[Document], Sequence[Candidate]], most: int
) -> list[Generated]:
    """Each document's first candidate that no other document has and that leaves it `REST_WORDS`, at most `most`.

    A query of several documents would have no one answer, unless they are near-duplicates: then the first asks it.
    """
    alike = near_duplicates(documents)
    askers: defaultdict[str, set[frozenset[str]]] = defaultdict(set)
    for doc_id, document in documents.items():
        for candidate in candidates(document):
            askers[normal(candidate.query)].add(alike[doc_id])
    queries: list[Generated] = []
    asked: set[str] = set()
    for doc_id, document in documents.items():
        if len(queries) == most:
            break
        for query, source, text_of in candidates(document):
            free = len(askers[normal(query)]) == 1 and normal(query) not in asked
            if free and len(_WORD.findall(text := text_of())) >= REST_WORDS:
                asked.add(normal(query))
                queries.append(Generated(query, doc_id, text, source, alike[doc_id]))
                break
    return queries


def near_duplicates(documents: Mapping[str, Document]) -> dict[str, frozenset[str]]:
    """Document id -> the ids of the document and all its near-duplicates: `NEAR` of their runs of four words."""
    ids = list(documents)
    links = similar(shingles((document.contents for document in documents.values()), 4), NEAR)
    members: defaultdict[int, list[str]] = defaultdict(list)
    for doc_id, first in zip(ids, components(len(ids), links), strict=True):
        members[first].append(doc_id)
    return {doc_id: group for group in map(frozenset, members.values()) for doc_id in group}


def _candidates(document: Document) -> list[Candidate]:
    return [c for c in (*_titles(document), *_headings(document), *_sentences(document)) if _LETTERS.search(c.query)]


def _titles(document: Document) -> Iterator[Candidate]:
    title = plain(document.title).rstrip(" .")
    if len(title.split()) >= LEAST_WORDS and len(_WORD.findall(title)) <= SENTENCE_WORDS[1]:
        yield Candidate(title, "title", partial(_without, "", document.text, document.title.rstrip(" .")))


def _headings(document: Document) -> Iterator[Candidate]:
    """The first heading alone: those further down ask for a part that the model may not even read."""
    first = next(headings(document.text), None)
    if first and len(first.text.split()) >= LEAST_WORDS:
        rest = f"{document.text[: first.start]}{document.text[first.end :]}"
        yield Candidate(first.text, "heading", partial(_without, document.title, rest, first.text))


def _sentences(document: Document) -> Iterator[Candidate]:
    prose = document.text
    for heading in reversed(list(headings(document.text))):
        prose = f"{prose[: heading.start]}\n\n{prose[heading.end :]}"
    if paragraph := _PARAGRAPH.search(prose):
        sentence, _ = first_sentence(" ".join(paragraph[0].split()))
        least, longest = SENTENCE_WORDS
        whole = _END.search(sentence) and sentence.count("(") == sentence.count(")")  # no "(Proc." cut short
        says_enough = len(content_words(sentence)) >= MIN_CONTENT_WORDS
        if whole and says_enough and least <= len(_WORD.findall(sentence)) <= longest:
            yield Candidate(plain(sentence), "sentence", partial(_without, document.title, document.text, sentence))


def _without(title: str, text: str, query: str) -> str:
    """A title, and a text without a query. One of less than four words goes only where it is a line of its own."""
    if normal(query) in normal(text):
        words = r"\s+".join(map(re.escape, query.split()))
        long = len(query.split()) >= SENTENCE_WORDS[0]
        pattern = rf"[\"'“]?{words}[\"'”]?" if long else rf"^[ \t]*{words}[ \t.]*$"
        text = re.sub(pattern, "", text, flags=re.I | re.M)
    return f"{title} {text.strip()}".strip()
