"""What goes wrong with a user's input, and with a training, each said in one line."""

from __future__ import annotations


class InputError(ValueError):
    """What the user gave cannot be used. The message names place, value and remedy; no traceback is owed."""

    def __init__(self, problem: str, *, remedy: str, where: str = "") -> None:
        self.problem, self.remedy, self.where = problem, remedy, where
        super().__init__(f"{where + ': ' if where else ''}{problem}. {remedy}")


class InputWarning(UserWarning):
    """What the user gave can be used, but has an oddity that may not be meant."""


class NonFiniteLossError(RuntimeError):
    """A training loss or its gradient stopped being a number; the message names the update and its queries."""
