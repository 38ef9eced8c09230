"""Defines exceptions of decryption: a message cannot be read, or takes too much computation for a transaction."""

from __future__ import annotations

from typing import Literal

Reason = Literal[
    "no_session",
    "bad_mac",
    "bad_signature",
    "old_counter",
    "too_far",
    "too_large",
    "over_budget",
    "invalid_message",
    "invalid_prekey",
    "invalid_signed_prekey",
]


class Undecryptable(Exception):  # noqa: N818 - reads as what it is
    """A message that yields no plaintext. Nothing was changed by trying.

    ``no_session`` and ``bad_mac`` (also: another session's key), ``bad_signature`` (of a group's), ``invalid_prekey`` and
    ``invalid_signed_prekey`` (used up, or never ours), ``too_far`` (more messages missing than are
    bridged), ``too_large``, ``over_budget`` (its sender's other messages took too much processor time),
    ``invalid_message`` (malformed); ``old_counter`` was decrypted before.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Unprepared(Exception):  # noqa: N818
    """Reading the message takes more than is computed inside a transaction: it is to be prepared first."""
