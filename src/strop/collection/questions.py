"""Training queries from documents alone, asked of a language model: which search would each document answer?"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

from strop.artifacts.keys import content_key
from strop.artifacts.progress import Progress, silent
from strop.artifacts.store import Stage, Store
from strop.collection.audit import EXAMINED
from strop.collection.endpoint import Endpoint
from strop.collection.generated import Candidate, Generated, told_apart
from strop.collection.panel import first_shuffled
from strop.records.documents import Document
from strop.records.errors import InputError
from strop.records.writing import write_text

QUESTIONS = Stage("questions", 1)

#: Questions on their way at a time.
THREADS = 4
#: Of a document, the characters that the model reads.
READ_CHARS = 6_000
#: Words of the longest answer that can be a query.
MOST_WORDS = 60
#: So many documents may have no usable answer, and this share of those asked about.
FEW, TOLERATED_SHARE = 5, 0.1

PROMPT = """Below is a passage from a collection of documents. Write one search query that it answers, as a person \
would type it who does not know the passage.

Ask for what is particular to the passage. Use your own words rather than its phrases. Do not mention "the passage", \
"the document" or "the text". Answer with the query alone, on one line, in the language of the passage.

Passage:
{passage}"""

_ANSWERS = "answers.jsonl"
_THOUGHT = re.compile(r"<think>.*?</think>|\A.*?</think>", re.S)
_FENCE = re.compile(r"^\s*```.*$", re.M)
_LABEL = re.compile(r"^(?:(?:[-*•]\s|\d+[.)]\s|\W*(?:search )?(?:query|question)\W*:)\s*)+", re.I)


def ask(
    url: str,
    documents: Mapping[str, Document],
    store: Store,
    seed: int,
    most: int,
    progress: Progress = silent,
    model: str | None = None,
    key: str | None = None,
) -> list[Generated]:
    """Queries for at most `most` documents, drawn from `seed`, by the model at an OpenAI-compatible `url`.

    `model` is the server's first unless given, `key` $OPENAI_API_KEY. Each answer is kept as it comes, so that a killed
    call asks only what is left; equal url, model, prompt and documents are never asked again. A query that several
    documents got, or with less than REST_WORDS words in its document, is left out, as `told_apart` says. Raises
    InputError as `Endpoint` does, and when more than FEW documents and TOLERATED_SHARE of them get no usable answer.
    """
    endpoint = Endpoint(url.rstrip("/"), key or os.environ.get("OPENAI_API_KEY"))
    drawn = first_shuffled(documents, max(most, EXAMINED), f"{seed} question")
    examined = {doc_id: documents[doc_id] for doc_id in drawn}
    asked = [document for document in examined.values() if document.contents][:most]
    model = model or endpoint.first_model()

    def make(folder: Path) -> Mapping[str, Any]:
        return _asked(endpoint, model, asked, folder / _ANSWERS, progress)

    values = {"url": endpoint.url, "model": model, "prompt": PROMPT}
    inputs = {"documents": content_key([[d.id, d.contents] for d in asked])}
    answers = _whole_lines(store.build(QUESTIONS, values, inputs, make, resumable=True).path / _ANSWERS)

    def candidates(document: Document) -> list[Candidate]:
        query = answers.get(document.id)
        return [Candidate(query, "question", lambda: document.contents)] if query else []

    return told_apart(examined, candidates, most)


def query_in(answer: str) -> str:
    """The query in an answer: from JSON, or its first line without label and quotation marks; "" where it has none."""
    answer = _FENCE.sub("", _THOUGHT.sub("", answer)).strip()
    try:
        value = json.loads(answer)
    except ValueError:
        value = next((line for line in answer.splitlines() if line.strip()), "")
    while isinstance(value, (dict, list)) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    text = value if isinstance(value, str) else answer if isinstance(value, (int, float)) else ""
    text = " ".join(_LABEL.sub("", text.strip()).strip(" \t\"'“”‘’`*").split())
    return text if len(text.split()) <= MOST_WORDS else ""


def _asked(
    endpoint: Endpoint, model: str, documents: Sequence[Document], path: Path, progress: Progress
) -> Mapping[str, Any]:
    """Asks about every document that `path` has no answer for, and appends what comes. Returns how many have none."""
    answers = {doc_id: query for doc_id, query in _whole_lines(path).items() if query}  # the others get a second chance
    _rewrite(path, answers)
    empty = 0

    def question(document: Document) -> tuple[str, str]:
        return document.id, query_in(endpoint.answer(model, PROMPT.format(passage=document.contents[:READ_CHARS])))

    with (
        path.open("a", encoding="utf-8") as file,
        progress("ask for queries", len(documents)) as advance,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        advance(len(answers))
        try:
            for done in as_completed([pool.submit(question, d) for d in documents if d.id not in answers]):
                doc_id, query = done.result()
                file.write(_line(doc_id, query))
                file.flush()
                answers[doc_id] = query
                empty += not query
                _check(empty, len(answers), len(documents), endpoint)
                advance(1)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
    return {"documents": len(documents), "without_answer": empty}


def _check(empty: int, answers: int, total: int, endpoint: Endpoint) -> None:
    """Raises InputError early, before the rest is asked, and paid for."""
    if empty > max(FEW, TOLERATED_SHARE * answers) or empty == total:
        raise InputError(
            f"{empty} of {answers} answers are empty, or no query of at most {MOST_WORDS} words",
            where=endpoint.url,
            remedy="Name a model that follows instructions",
        )


def _whole_lines(path: Path) -> dict[str, str]:
    """Document id -> query. Half a line, of a killed process, and one that a power failure left without its content do
    not count: they are asked for again."""
    if not path.exists():
        return {}
    answers = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]:
        try:
            row = json.loads(line)
            answers[str(row["doc_id"])] = str(row["query"])
        except (ValueError, TypeError, KeyError, RecursionError):
            continue
    return answers


def _rewrite(path: Path, answers: Mapping[str, str]) -> None:
    """So that the next line does not go on where half a line ended."""
    write_text("".join(_line(doc_id, query) for doc_id, query in answers.items()), path, replace=True)


def _line(doc_id: str, query: str) -> str:
    return json.dumps({"doc_id": doc_id, "query": query}) + "\n"
