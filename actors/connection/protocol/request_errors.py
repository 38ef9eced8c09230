"""Defines the exceptions of requests to WhatsApp: lost connection, error answer, timeout, unknown number."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.connection.disconnects.causes import Cause


class ConnectionLost(Exception):
    """The socket is gone. `written` says that the bytes in question may have left."""

    def __init__(self, cause: Cause, *, written: bool) -> None:
        super().__init__(str(cause))
        self.cause = cause
        self.written = written


class RequestFailed(Exception):
    """WhatsApp answered a request with an error; `code` is its number, 0 where it gave none."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code}")
        self.code = code


class RequestTimeout(Exception):
    """WhatsApp did not answer a request in time."""


class NotOnWhatsApp(Exception):
    """There is nobody under this address at WhatsApp."""


class OtherNumber(NotOnWhatsApp):
    """Nobody is under this number, and WhatsApp answers for it by another one, whose chat it is from now on."""
