"""Stores in SQLite which registered number a lookup of another one returns, as with the ninth digit in Brazil."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.server.rules.properties import Properties


class AnsweringNumberError(ValueError):
    """A number cannot answer for itself."""


class NumberRedirects:
    """The number that a lookup finds for another one; it survives a restart."""

    def __init__(self, properties: Properties) -> None:
        self._properties = properties

    def of(self, number: str) -> str | None:
        """Returns the number that answers for this one, None where it answers for itself."""
        return self._properties.get(number, "answered_by")

    def change(self, number: str, other: str | None) -> None:
        """Makes `other` answer for the number. Raises AnsweringNumberError."""
        if other == number:
            raise AnsweringNumberError("a number does not answer for itself")
        self._properties.put(number, "answered_by", other)
