"""Defines the causes of a socket's end, and derives each from WhatsApp's stanzas or the WebSocket's close (pure).

Sources of the numbers: the ``reason`` of WhatsApp's ``<failure>``
stanza at login and the ``code`` and ``<conflict>`` of its ``<stream:error>`` afterwards.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTIMED_BAN = 3600.0
"""Seconds to stay away when a temporary ban does not say for how long."""

LONGEST_BAN = 60 * 86_400.0
"""Seconds after which a login is tried, however long a temporary ban says it is."""

MAX_CODE_DIGITS = 10
"""No code is longer, and no ban: that would be three centuries."""


class Kind(StrEnum):
    """The ways in which a connection ends; each has one consequence."""

    NETWORK = "network"
    KEEPALIVE = "keepalive"
    PROXY_UNREACHABLE = "proxy_unreachable"
    PROXY_AUTHENTICATION = "proxy_authentication_failed"
    PROXY_REFUSED = "proxy_refused"
    PROXY_PRIVATE = "proxy_private_address"
    DISK_FULL = "disk_full"
    RESTART_REQUIRED = "restart_required"
    REPLACED = "replaced"
    LOGGED_OUT = "logged_out"
    LOCKED = "locked"
    TEMPORARILY_BANNED = "temporarily_banned"
    OUTDATED = "outdated"
    BAD_SESSION = "bad_session"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause for which `Engine.run` returned.

    `detail` is a stable word for logs, never text of a person. `until` is the end of a temporary
    ban in seconds since the epoch. `stanza` is class and type of what was not answered.
    """

    kind: Kind
    detail: str | None = None
    until: float | None = None
    stanza: str | None = None

    def __str__(self) -> str:
        parts = [self.kind, self.detail, self.stanza]
        return ": ".join(part for part in parts if part)


PROXY_CHANGED: Final = Cause(Kind.RESTART_REQUIRED, "proxy_changed")
"""A connection goes through another proxy from now on, or through none."""


TOO_MANY_LOGINS: Final = Cause(Kind.NETWORK, "failure_429")
"""WhatsApp refused the login as one too many: each that follows soon makes it last."""


# whatsmeow, types/events/events.go: 403 is LOCKED and 406 is BANNED to WhatsApp Web, and after
# either the account is out. A lock may be lifted on the phone, and the keys serve again then.
_FAILURES = {
    401: Kind.LOGGED_OUT,
    402: Kind.TEMPORARILY_BANNED,
    403: Kind.LOCKED,
    405: Kind.OUTDATED,
    406: Kind.LOGGED_OUT,
    409: Kind.OUTDATED,  # the user agent is refused
    411: Kind.BAD_SESSION,
    440: Kind.REPLACED,
}

# whatsapp-rust, client/node_io.rs: here 409 is the conflict with another login.
_STREAM_ERRORS = {
    401: Kind.LOGGED_OUT,
    403: Kind.LOCKED,
    409: Kind.REPLACED,
    411: Kind.BAD_SESSION,
    440: Kind.REPLACED,
    515: Kind.RESTART_REQUIRED,
    516: Kind.LOGGED_OUT,
}

UNANSWERED_STANZA = "unanswered_stanza"
"""The detail of a socket that WhatsApp closed because a stanza of its own was never answered."""


def from_failure(attrs: Mapping[str, str], now: float) -> Cause:
    """The cause in a ``<failure>`` stanza: a login that was refused.

    A reason that is not known (500, 503 and whatever comes) is the network's: a connection gives
    up for good only when WhatsApp says so. `now` is in seconds since the epoch; a ban's
    ``expire`` counts seconds from it.
    """
    reason = _number(attrs.get("reason"))
    kind = Kind.NETWORK if reason is None else _FAILURES.get(reason, Kind.NETWORK)
    detail = f"failure_{reason}" if reason is not None else "failure"
    if kind is Kind.TEMPORARILY_BANNED:
        seconds = _number(attrs.get("expire"))
        lasts = UNTIMED_BAN if seconds is None else min(max(seconds, 0), LONGEST_BAN)
        return Cause(kind, detail, now + lasts)
    return Cause(kind, detail)


def ban_left(until: float | None, now: float) -> float:
    """Return the seconds for which a ban holds; 0 also where its end was noted by a clock that was ahead (pure)."""
    left = (until or 0.0) - now
    return left if 0 < left <= LONGEST_BAN else 0.0


def from_stream_error(attrs: Mapping[str, str], children: Mapping[str, Mapping[str, str]]) -> Cause:
    """The cause in a ``<stream:error>`` stanza.

    `children` maps the tag of each child to its attributes. A ``<conflict>`` says more than the
    code beside it. A ban comes at login only: 402 here is the network's. An ``<ack>`` names the
    stanza of WhatsApp's that had no answer.
    """
    conflict = children.get("conflict")
    if conflict is not None:
        if conflict.get("type") == "device_removed":
            return Cause(Kind.LOGGED_OUT, "device_removed")
        return Cause(Kind.REPLACED, "conflict")
    if (left := children.get("ack")) is not None:
        stanza = f"{_word(left.get('class'))}/{_word(left.get('type'))}"
        return Cause(Kind.NETWORK, UNANSWERED_STANZA, stanza=stanza)
    code = _number(attrs.get("code"))
    if code is None:
        return Cause(Kind.NETWORK, "stream_error")
    return Cause(_STREAM_ERRORS.get(code, Kind.NETWORK), f"stream_error_{code}")


def from_close(code: int | None) -> Cause:
    """The cause when the WebSocket closed without a stanza that says why."""
    return Cause(Kind.NETWORK, "reset" if code is None else f"close_{code}")


def _word(text: str | None) -> str:
    # A word of the server, which names nobody; any other text goes no further.
    valid = text is not None and re.fullmatch(r"[a-z][a-z_-]{0,31}", text)
    return text if text is not None and valid else "other"


def _number(text: str | None) -> int | None:
    # Reading thousands of digits takes long, and Python refuses to.
    if text is None or len(text) > MAX_CODE_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    return int(text)
