"""Decides which actions the console offers for a message: those that the API accepts for it at that time (pure)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, get_args

from actors.messages.content import (
    DELETE_SECONDS,
    EDIT_SECONDS,
    Forwardable,
    Media,
    Poll,
    Text,
)
from gateway.acceptance.message_targets import NO_TARGETS, UNSENT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILES: Final = frozenset(kind.type for kind in get_args(Media))
_FORWARDABLE: Final = frozenset(kind.type for kind in get_args(Forwardable))


def offered(message: Mapping[str, Any], now: float) -> tuple[str, ...]:
    """The actions for a message as the API shows it, among reply, react, pin, star, vote, forward, edit and delete.

    The API judges again what is asked for, since a message may change meanwhile.
    """
    if message["type"] in NO_TARGETS or message["deleted_at"] or message["status"] in UNSENT:
        return ()
    sent_at = _seconds(message["sent_at"])
    send_at = _seconds(message["send_at"])
    if sent_at is None and send_at is not None and send_at > now:
        return ()
    age = 0.0 if sent_at is None else now - sent_at
    return "reply", "react", "pin", "star", *_of_kind(message), *_of_own(message, age)


def _of_kind(message: Mapping[str, Any]) -> Iterator[str]:
    kind = message["type"]
    if kind == Poll.type and message["content"] is not None:
        yield "vote"
    if kind not in _FORWARDABLE:
        return
    if kind in _FILES:
        there = message["media"] is not None and message["media"]["state"] == "stored"
    else:
        there = bool(message["text"]) if kind == Text.type else message["content"] is not None
    if there:
        yield "forward"


def _of_own(message: Mapping[str, Any], age: float) -> Iterator[str]:
    if message["direction"] != "out":
        return
    if message["type"] == Text.type and age <= EDIT_SECONDS:
        yield "edit"
    if age <= DELETE_SECONDS:
        yield "delete"


def _seconds(at: str | None) -> float | None:
    return None if at is None else datetime.fromisoformat(at).timestamp()
