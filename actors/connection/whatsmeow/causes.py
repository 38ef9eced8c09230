"""Maps the whatsmeow program's words for the end of a login to causes (pure)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from actors.connection.disconnects.causes import (
    Cause,
    Kind,
    from_close,
    from_failure,
    from_stream_error,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORDS: Final[Mapping[str, Kind]] = {
    "keepalive": Kind.KEEPALIVE,
    "fenced": Kind.REPLACED,
    "disk_full": Kind.DISK_FULL,
    "store_failed": Kind.BAD_SESSION,
    "logged_out": Kind.LOGGED_OUT,
    "closed": Kind.CLOSED,
}
"""Words of the program that mean another kind than the network's."""

_OWN_WORDS: Final = frozenset(
    {*_WORDS, "handshake_failed", "pairing_failed", "unreachable", "unreachable_in_time"}
)

_OF_PROXIES: Final = frozenset(
    {Kind.PROXY_UNREACHABLE, Kind.PROXY_AUTHENTICATION, Kind.PROXY_REFUSED, Kind.PROXY_PRIVATE}
)
_DETAIL: Final = re.compile(r"connect|timeout|broke_off|answer(_[0-9]{1,3})?", re.ASCII)


def from_word(word: str, detail: str = "") -> Cause:
    """The cause in a word of the program's own; one that is not known goes no further.

    `detail` is the step at which a proxy failed.
    """
    if word in _OF_PROXIES:
        return Cause(Kind(word), detail if _DETAIL.fullmatch(detail) else "answer")
    return Cause(_WORDS.get(word, Kind.NETWORK), word if word in _OWN_WORDS else "program")


def from_ended(report: Mapping[str, Any], now: float) -> Cause:
    """The cause in the event ``ended``. `now` is in seconds since the epoch."""
    by = report.get("by")
    attrs = _texts(report.get("attrs"))
    if by == "failure":
        return from_failure(attrs, now)
    if by == "stream_error":
        children = report.get("children")
        parts = children.items() if isinstance(children, dict) else ()
        return from_stream_error(attrs, {str(tag): _texts(part) for tag, part in parts})
    if by == "close":
        return from_close(None)
    return from_word(str(report.get("cause")), str(report.get("detail")))


def _texts(attrs: object) -> dict[str, str]:
    found = attrs.items() if isinstance(attrs, dict) else ()
    return {str(name): str(value) for name, value in found}
