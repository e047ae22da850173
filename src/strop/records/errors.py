"""What can go wrong with a user's input and with a training; each message is one line."""

from __future__ import annotations

from functools import partial


class InputError(ValueError):
    """An input that cannot be used. The message names place, value and remedy, and is printed without a traceback."""

    def __init__(self, problem: str, *, remedy: str, where: str = "") -> None:
        self.problem, self.remedy, self.where = problem, remedy, where
        super().__init__(f"{where + ': ' if where else ''}{problem}. {remedy}")

    def __reduce__(self) -> tuple[partial[InputError], tuple[()]]:
        """So that another process can raise it here."""
        return partial(InputError, self.problem, remedy=self.remedy, where=self.where), ()


class InputWarning(UserWarning):
    """An input that can be used, but has an oddity that may be a mistake."""


class NonFiniteLossError(RuntimeError):
    """A training loss or its gradient stopped being a number; the message names the update and its queries."""
