"""What can go wrong with a user's input and with a training; each message is one line, fit for any terminal."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

#: The longest quotation of a value in a message.
QUOTED = 80
#: What moves a cursor, turns a line's direction, or ends it; and halves of surrogate pairs, which no stream takes.
_CONTROLS = re.compile(
    "[\0-\x1f\x7f-\x9f\xad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
#: A stretch that is no word and no name of a file: file systems end at 255.
_ENDLESS = re.compile(r"[^\s/\\]{256,}")


class InputError(ValueError):
    """An input that cannot be used. The message names place, value and remedy, and is printed without a traceback."""

    def __init__(self, problem: str, *, remedy: str, where: str = "") -> None:
        self.problem, self.remedy, self.where = problem, remedy, where
        super().__init__(one_line(f"{where + ': ' if where else ''}{problem}. {remedy}"))

    def __reduce__(self) -> tuple[partial[InputError], tuple[()], dict[str, Any]]:
        """So that another process can raise it here, as what it is and with its notes."""
        return partial(type(self), self.problem, remedy=self.remedy, where=self.where), (), self.__dict__


class InputWarning(UserWarning):
    """An input that can be used, but has an oddity that may be a mistake."""


class NonFiniteLossError(RuntimeError):
    """A training's loss, gradient, weights or outputs stopped being numbers that can be used; the message names the
    folder, and the update and its queries where it knows them."""


class WorkerError(RuntimeError):
    """A process that works for this one failed or was ended; the message says how, in one line."""


def excerpt(value: object) -> str:
    """A faulty value as a message shows it: quoted, and cut to `QUOTED` characters."""
    try:
        text = repr(value[: QUOTED + 1] if isinstance(value, str) else value)
    except (ValueError, RecursionError):  # of thousands of digits, or as many brackets
        text = f"a {type(value).__name__} too long to show"
    end = f"…{text[-1]}" if isinstance(value, str) else "…"
    return text if len(text) <= QUOTED else text[: QUOTED - len(end)] + end


def visible(text: str) -> str:
    r"""A text in which every control character is written as Python escapes it, such as \x1b."""
    return _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """A message as it may be printed: `visible`, and every stretch that is too long for a name cut as by `excerpt`."""
    return visible(_ENDLESS.sub(lambda found: found[0][: QUOTED - 1] + "…", text))
