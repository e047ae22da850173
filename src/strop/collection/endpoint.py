"""A language model behind an OpenAI-compatible address: one prompt in, one answer out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPMessage
from ipaddress import ip_address
from typing import IO, Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, ProxyHandler, Request, build_opener

from strop.records.errors import InputError, excerpt

#: Seconds that an answer may take.
PATIENCE = 120.0
#: Seconds between tries, where a server is busy or a connection breaks off; a server may ask for up to LONGEST_WAIT.
WAITS = (1.0, 2.0, 4.0, 8.0)
LONGEST_WAIT = 60.0
BUSY = frozenset({408, 429, 500, 502, 503, 504})

_REMEDY = "Give the address of an OpenAI-compatible server, such as http://localhost:8000/v1"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`url` is what comes before /chat/completions; `key` goes into the Authorization header and nowhere else.

    Each call raises InputError, naming the address and what came back, when there is no server, when it refuses, stays
    busy, or answers in another form.
    """

    url: str
    key: str | None = field(default=None, repr=False)

    def first_model(self) -> str:
        """The first model that the server lists."""
        came = self._sent("models")
        try:
            return str(came["data"][0]["id"])
        except (LookupError, TypeError):
            raise self._unusable("models", f"lists no model: {_short(came)}", "Name the model") from None

    def answer(self, model: str, prompt: str) -> str:
        """The model's answer, empty where it gives none.

        Neither a temperature nor a limit of tokens is sent: some servers refuse the one or the other.
        """
        came = self._sent("chat/completions", {"model": model, "messages": [{"role": "user", "content": prompt}]})
        try:
            content = came["choices"][0]["message"]["content"]
        except (LookupError, TypeError):
            raise self._unusable("chat/completions", f"gave no choices[0].message.content: {_short(came)}") from None
        return content if isinstance(content, str) else ""

    def _sent(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """What came back, as JSON."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        data = None if body is None else json.dumps(body).encode()
        opener = self._opener()
        for wait in (*WAITS, None):
            try:
                with opener.open(Request(self._address(path), data, headers), timeout=PATIENCE) as response:
                    came = response.read().decode(errors="replace")
            except HTTPError as error:
                with error:
                    said = error.read().decode(errors="replace")
                if wait is None or error.code not in BUSY:
                    remedy = "Set OPENAI_API_KEY to a valid key" if error.code in (401, 403) else _REMEDY
                    raise self._unusable(path, f"answered {error.code}: {_short(said)}", remedy) from None
                asked = error.headers.get("Retry-After") or ""
                time.sleep(max(wait, min(LONGEST_WAIT, float(asked))) if asked.isdigit() else wait)
            except (OSError, HTTPException) as error:
                reason = getattr(error, "reason", error)
                if wait is None or not isinstance(reason, (TimeoutError, ConnectionResetError, HTTPException)):
                    raise self._unusable(path, f"cannot be reached: {reason}") from None
                time.sleep(wait)
            else:
                break
        try:
            return json.loads(came)
        except ValueError:
            raise self._unusable(path, f"gave no JSON: {_short(came)}") from None

    def _opener(self) -> OpenerDirector:
        """A server on this machine is asked without the proxy that others may need."""
        host = check_address(self.url)
        return build_opener(_NoRedirect, ProxyHandler({} if _is_here(host) else None))

    def _address(self, path: str) -> str:
        return f"{self.url.rstrip('/')}/{path}"

    def _unusable(self, path: str, problem: str, remedy: str = _REMEDY) -> InputError:
        return InputError(f"the server {problem}", where=self._address(path), remedy=remedy)


def check_address(url: str) -> str:
    """The host that an http address names. Raises InputError for any other address."""
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.scheme in ("http", "https") and parts.port != 0 else None
    except ValueError:  # brackets without an end, a port of letters
        host = None
    if not host or not url.isascii() or not url.isprintable() or " " in url:
        raise InputError(f"{excerpt(url)} is no http address", remedy=_REMEDY)
    return host


class _NoRedirect(HTTPRedirectHandler):
    """A redirect would turn the question into a GET, and hand the key to whoever it names."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        return None


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _short(came: object) -> str:
    """What came back on one line, cut to 200 characters."""
    text = " ".join((came if isinstance(came, str) else json.dumps(came)).split())
    return f"{text[:200]}…" if len(text) > 200 else text or "nothing"
