"""Queries asked of a language model: a stub in a thread answers, or fails in every way that servers fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from strop.artifacts.store import Store
from strop.collection import endpoint, questions
from strop.collection.questions import QUESTIONS, ask, query_in
from strop.records.documents import Document
from strop.records.errors import InputError

#: What the stub says to a prompt: a status, headers, and the body as text.
Reply = tuple[int, dict[str, str], str]


def documents(count: int) -> dict[str, Document]:
    return {f"d{i}": Document(f"d{i}", " ".join(f"subject{i}word{j}" for j in range(30))) for i in range(count)}


def content(text: str | None) -> Reply:
    return 200, {}, json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def about_its_subject(prompt: str, call: int) -> Reply:
    """A query about the passage of the prompt: "what is subject3word0"."""
    return content(f'Query: "what is {prompt.split()[-30]}"')


class Stub:
    """An address, and what was asked there."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.prompts: list[str] = []
        self.models: list[str] = []
        self.keys: list[str | None] = []


@contextmanager
def serving(reply: Callable[[str, int], Reply], models: str = '{"data": [{"id": "m1"}, {}]}') -> Iterator[Stub]:
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send((200, {}, models) if self.path == "/v1/models" else (404, {}, "not here"))

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            prompt = asked["messages"][0]["content"]
            with lock:
                stub.prompts.append(prompt)
                stub.models.append(asked["model"])
                stub.keys.append(self.headers["Authorization"])
                call = len(stub.prompts)
            self.send(reply(prompt, call) if self.path == "/v1/chat/completions" else (404, {}, "not here"))

        def send(self, said: Reply) -> None:
            status, headers, body = said
            if not status:  # the connection breaks off without an answer
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body.encode())), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    stub = Stub(f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield stub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "WAITS", (0.0, 0.0))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # nothing listens there: this machine needs no proxy


def test_each_document_is_asked_about_once_and_again_only_when_something_changed(tmp_path: Path) -> None:
    store = Store(tmp_path)
    with serving(about_its_subject) as stub:
        first = ask(f"{stub.url}/", documents(6), store, 0, 4)
        assert len(first) == len(stub.prompts) == 4
        assert ask(stub.url, documents(6), store, 0, 4) == first
        assert len(stub.prompts) == 4
        ask(stub.url, documents(6), store, 0, 4, model="m2")
        assert stub.models == ["m1"] * 4 + ["m2"] * 4
        assert stub.keys == [None] * 8
    for found in first:
        assert found.query == f"what is subject{found.doc_id[1:]}word0"
        assert (found.source, found.text) == ("question", documents(6)[found.doc_id].contents)
        assert found.relevant == {found.doc_id}


def test_the_key_is_sent_and_stands_in_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with serving(about_its_subject) as stub:
        ask(stub.url, documents(2), Store(tmp_path), 0, 2)
        assert set(stub.keys) == {"Bearer sk-secret"}
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"secret" in path.read_bytes()]


def test_a_killed_call_asks_only_what_is_left(tmp_path: Path) -> None:
    def dies_at_the_fifth(prompt: str, call: int) -> Reply:
        return about_its_subject(prompt, call) if call < 5 else (401, {}, "key withdrawn")

    store = Store(tmp_path)
    with serving(dies_at_the_fifth) as stub, pytest.raises(InputError, match="answered 401: key withdrawn"):
        ask(stub.url, documents(9), store, 0, 9)
    (partial,) = (tmp_path / QUESTIONS.name).glob("*.partial")
    answers = partial / "answers.jsonl"
    kept = answers.read_text().count("\n")
    assert 1 <= kept <= 4
    with answers.open("a") as file:
        file.write('{"doc_id": "d')  # killed amid a line
    with serving(about_its_subject) as other:
        renamed = other.url
        partial.rename(partial.with_name(_key(store, renamed, 9) + ".partial"))
        assert len(ask(renamed, documents(9), store, 0, 9)) == 9
        assert len(other.prompts) == 9 - kept


def _key(store: Store, url: str, count: int) -> str:
    """The key under which another stub's answers are looked for: its port differs."""
    found: list[str] = []

    class Asked(Store):
        def build(self, stage: Any, values: Any, inputs: Any, make: Any, resumable: bool = False) -> Any:
            found.append(self.key(stage, values, inputs))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(url, documents(count), Asked(store.root), 0, count)
    return found[0]


@pytest.mark.parametrize("status", [429, 503, 0])
def test_a_busy_server_and_a_broken_connection_are_asked_again(status: int, tmp_path: Path) -> None:
    def busy_twice(prompt: str, call: int) -> Reply:
        return (status, {"Retry-After": "0"}, "busy") if call <= 2 else about_its_subject(prompt, call)

    with serving(busy_twice) as stub:
        assert len(ask(stub.url, documents(1), Store(tmp_path), 0, 1)) == 1
        assert len(stub.prompts) == 3


ALWAYS: dict[str, tuple[Reply, str]] = {
    "busy for ever": ((429, {}, "rate limit"), "answered 429: rate limit"),
    "an unknown model": ((404, {}, '{"error": "no model m1"}'), "answered 404.*no model m1"),
    "a wrong key": ((401, {}, "who?"), "answered 401: who.*OPENAI_API_KEY"),
    "a redirect": ((302, {"Location": "http://127.0.0.1:9/"}, "gone"), "answered 302"),
    "no JSON": ((200, {}, "<html>hello"), "gave no JSON: <html>hello"),
    "another form": ((200, {}, '{"text": "hi"}'), r"gave no choices.*\"text\": \"hi\""),
    "no choice": ((200, {}, '{"choices": []}'), "gave no choices"),
    "an empty answer": (content("  "), "3 of 3 answers are empty"),
    "no answer": (content(None), "3 of 3 answers are empty"),
    "an essay": (content("word " * 200), "3 of 3 answers are empty"),
}


@pytest.mark.parametrize("case", ALWAYS)
def test_what_cannot_be_used_is_one_error_with_the_address_and_what_came_back(case: str, tmp_path: Path) -> None:
    reply, said = ALWAYS[case]
    with serving(lambda prompt, call: reply) as stub:
        with pytest.raises(InputError, match=said) as caught:
            ask(stub.url, documents(3), Store(tmp_path), 0, 3)
        assert stub.url in caught.value.where


def test_a_server_without_models_asks_for_a_name(tmp_path: Path) -> None:
    with serving(about_its_subject, models='{"data": []}') as stub:
        with pytest.raises(InputError, match=r"v1/models: the server lists no model.*Name the model"):
            ask(stub.url, documents(1), Store(tmp_path), 0, 1)
        assert len(ask(stub.url, documents(1), Store(tmp_path), 0, 1, model="m")) == 1


def test_a_refused_connection_and_a_wrong_address_name_the_address(tmp_path: Path) -> None:
    with serving(about_its_subject) as stub:
        pass
    with pytest.raises(InputError, match=rf"{stub.url}/models: the server cannot be reached.*refused"):
        ask(stub.url, documents(1), Store(tmp_path), 0, 1)
    with pytest.raises(InputError, match="'file:///etc/v1' is no http address"):
        ask("file:///etc/v1", documents(1), Store(tmp_path), 0, 1)


def test_a_few_documents_without_an_answer_are_left_out_and_too_many_stop_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "FEW", 2)

    def empty(count: int) -> Callable[[str, int], Reply]:
        return lambda prompt, call: content("") if call <= count else about_its_subject(prompt, call)

    with serving(empty(2)) as stub:
        assert len(ask(stub.url, documents(8), Store(tmp_path), 0, 8)) == 6
    with serving(empty(99)) as stub:
        with pytest.raises(InputError, match="3 of 3 answers"):
            ask(stub.url, documents(60), Store(tmp_path), 0, 60)
        assert len(stub.prompts) < 30


def test_a_question_that_two_documents_got_is_left_out(tmp_path: Path) -> None:
    def same_for_two(prompt: str, call: int) -> Reply:
        return content("what is this") if "subject2word" not in prompt else content("what is that")

    with serving(same_for_two) as stub:
        assert [g.doc_id for g in ask(stub.url, documents(3), Store(tmp_path), 0, 3)] == ["d2"]


@pytest.mark.parametrize(
    "answer",
    [
        "how bats fly",
        "\n\n  Query:  how bats fly  \n\nThis asks for …",
        "**Search query:** how bats fly",
        "1. Query: how bats fly\n2. other",
        "- “how bats fly”",
        '"how bats fly"',
        '```json\n{"query": "how bats fly"}\n```',
        '["how bats fly", "other"]',
        '{"queries": [{"question": "how bats fly"}]}',
        "<think>Bats?\nQuery: no</think>\nhow bats fly",
        "thoughts without a beginning</think>how bats fly",
    ],
)
def test_the_query_is_read_whatever_a_model_wraps_it_in(answer: str) -> None:
    assert query_in(answer) == "how bats fly"


def test_an_answer_without_a_query_is_empty() -> None:
    answers = ("", " \n", "{}", "[]", "null", '{"query": null}', "<think>a</think>", "word " * 61)
    assert {query_in(answer) for answer in answers} == {""}
    assert query_in("1984") == "1984"
