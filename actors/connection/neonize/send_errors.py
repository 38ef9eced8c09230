"""Errors of whatsmeow for a send that failed, as the errors that all engines raise."""

from __future__ import annotations

import re
import time
from typing import Final

from actors.connection.engine import NotConnected, SendError
from actors.connection.limits.refusals import refused

_REFUSED: Final = re.compile(r"server returned error (\d{1,5})\b")
_NOTHING_LEFT: Final = (
    "websocket not connected",
    "the store doesn't contain a device JID",
    "failed to get device list",
    "failed to get user info",
    "failed to get LID",
    "failed to get group members",
    "no signal session established",
)


def error_of(said: str) -> SendError:
    """The error of a send. What it says may name the recipient: only a code comes out of it."""
    if (number := _REFUSED.search(said)) is not None:
        return refused(int(number[1]), time.time())
    if "no LID found" in said:
        return SendError("not_on_whatsapp", permanent=True)
    if "timed out waiting for message" in said:
        return SendError("ack_timeout", uncertain=True)
    if said.startswith(_NOTHING_LEFT[:2]):
        return NotConnected()
    if any(sign in said for sign in _NOTHING_LEFT):
        return SendError("whatsapp_timeout" if "timed out" in said else "request_failed")
    if "disconnected" in said:
        return SendError("connection_lost", uncertain=True)
    return SendError("whatsmeow_failed", uncertain=True)
