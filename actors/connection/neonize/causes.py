"""Causes of the end of a socket, from whatsmeow's words for them (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from actors.connection.causes import UNTIMED_BAN, Cause, Kind, from_failure, from_stream_error

if TYPE_CHECKING:
    from collections.abc import Callable

# neonize's numbers for the reasons of WhatsApp's <failure>.
_REASONS: Final = {
    1: 400,
    2: 401,
    3: 402,
    4: 403,
    5: 406,
    6: 405,
    7: 409,
    8: 500,
    9: 415,
    10: 503,
}


def _logged_out(event: Any, now: float) -> Cause:
    if not event.OnConnect:
        return Cause(Kind.LOGGED_OUT, "device_removed")
    return _refused(event, now)


def _refused(event: Any, now: float) -> Cause:
    return from_failure({"reason": str(_REASONS.get(event.Reason, ""))}, now)


def _banned(event: Any, now: float) -> Cause:
    seconds = event.Expire if event.HasField("Expire") else UNTIMED_BAN
    return Cause(Kind.TEMPORARILY_BANNED, "failure_402", now + max(seconds, 0))


def _stream_error(event: Any) -> Cause:
    parts = event.Raw.Nodes if event.HasField("Raw") else ()
    return from_stream_error({"code": event.Code}, {part.Tag: _texts(part) for part in parts})


def _texts(part: Any) -> dict[str, str]:
    return {attr.name: attr.text for attr in part.Attrs}


_EVENTS: Final[dict[str, Callable[[Any, float], Cause]]] = {
    "KeepAliveTimeout": lambda _, __: Cause(Kind.KEEPALIVE),
    "LoggedOut": _logged_out,
    "StreamReplaced": lambda _, __: Cause(Kind.REPLACED, "conflict"),
    "TemporaryBan": _banned,
    "ConnectFailure": _refused,
    "ClientOutdated": lambda _, __: Cause(Kind.OUTDATED, "failure_405"),
    "StreamError": lambda event, _: _stream_error(event),
    "Disconnected": lambda _, __: Cause(Kind.NETWORK, "reset"),
}


def from_event(event: Any, now: float) -> Cause | None:
    """Why the socket ends; None for an event that ends none. `now` is in seconds since the epoch."""
    found = _EVENTS.get(event.DESCRIPTOR.name)
    return None if found is None else found(event, now)


_PAIRING: Final = {
    "success": None,
    "timeout": Cause(Kind.NETWORK, "qr_expired"),
    "err-client-outdated": Cause(Kind.OUTDATED, "failure_405"),
}


def from_pairing(word: str) -> Cause | None:
    """Why a pairing ends, by whatsmeow's word for its outcome; None where it succeeded."""
    return _PAIRING.get(word, Cause(Kind.NETWORK, "pairing_refused"))


def from_over(error: str, now: float) -> Cause:
    """Why there is no socket. The text may name anything: it goes no further."""
    if "TemporaryBan" in error:  # for a reason that neonize has no number for, and so cannot tell
        return Cause(Kind.TEMPORARILY_BANNED, "failure_402", now + UNTIMED_BAN)
    if "not a database" in error or "malformed" in error:
        return Cause(Kind.BAD_SESSION, "whatsmeow")
    handshake = "handshake" in error or "certificate" in error
    return Cause(Kind.NETWORK, "handshake_failed" if handshake else "not_connected")
