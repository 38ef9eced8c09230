"""Decides whether an engine shows the account as online on a socket, by the connection's settings and the last request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Visibility:
    """Whether an account is shown as online on one socket.

    `always`: by the settings of its connection. `asked`: by the last request, None before one.
    """

    always: bool = False
    asked: bool | None = None

    @property
    def available(self) -> bool:
        return self.always if self.asked is None else self.asked

    @property
    def active(self) -> bool:
        """Whether a delivery receipt shows the second tick (whatsmeow, receipt.go)."""
        return self.always or self.available

    def configure(self, *, always: bool) -> None:
        """Follow other settings; they undo that the account was asked to seem away."""
        self.always, self.asked = always, self.asked or None
