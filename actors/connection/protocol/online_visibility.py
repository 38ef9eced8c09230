"""Decides whether an engine shows the account as online on a socket, by the connection's settings and the last request."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Visibility:
    """Whether an account is shown as online on one socket.

    `always`: by the settings of its connection. `requested`: by the last request, None before one.
    """

    always: bool = False
    requested: bool | None = None

    @property
    def available(self) -> bool:
        """Whether the account is shown as online: by the last request, else by the connection's setting."""
        return self.always if self.requested is None else self.requested

    @property
    def active(self) -> bool:
        """Whether a delivery receipt shows the second tick (whatsmeow, receipt.go)."""
        return self.always or self.available

    def configure(self, *, always: bool) -> None:
        """Follow other settings; they undo that the account was asked to seem away."""
        self.always, self.requested = always, self.requested or None
