"""Translates codes of states, errors and alerts into words for people on console pages (pure)."""

from __future__ import annotations

import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from actors.health import health_texts
from actors.messages import file_deferral
from gateway.schemas.texts import error_texts

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ACCOUNT_SENDER: Final = "me"
"""The account itself, in answers of the API."""

REACTIONS: Final[Mapping[str, str]] = {
    "\N{THUMBS UP SIGN}": "Thumbs up",
    "\N{HEAVY BLACK HEART}\N{VARIATION SELECTOR-16}": "Heart",
    "\N{FACE WITH TEARS OF JOY}": "Laughing",
    "\N{FACE WITH OPEN MOUTH}": "Surprised",
    "\N{CRYING FACE}": "Sad",
    "\N{PERSON WITH FOLDED HANDS}": "Thanks",
}
"""The reactions that WhatsApp's apps offer first."""

PINS: Final[Mapping[int, str]] = {86_400: "1 day", 604_800: "7 days", 2_592_000: "30 days"}
"""The seconds for which WhatsApp's apps pin a message."""

STATE_TEXTS: Final[Mapping[str, str]] = {
    "pairing": "Waiting for a phone",
    "connecting": "Connecting",
    "open": "Open",
    "reconnecting": "Reconnecting",
    "stopped": "Stopped",
    "failed": "Failed",
    "logged_out": "Logged out",
}

TONES: Final[Mapping[str, str]] = {
    "open": "good",
    "pairing": "busy",
    "connecting": "busy",
    "reconnecting": "warn",
    "failed": "bad",
    "stopped": "idle",
    "logged_out": "idle",
    "healthy": "good",
    "degraded": "warn",
    "unhealthy": "bad",
    "warning": "warn",
    "critical": "bad",
    "restarted": "good",
    "recovered": "good",
    "gave_up": "bad",
    "waiting": "busy",
    "delivered": "good",
    "dead": "bad",
    "gone": "bad",
}
"""The colour of a state, a health, a severity, an action or a delivery; its word always stands beside."""

LEVEL_TONES: Final[Mapping[str, str]] = {"warning": "warn", "error": "bad", "critical": "bad"}
"""The colour of a log line."""

CAUSES: Final[Mapping[str, str]] = {
    "network": "The network broke off. It tries again by itself.",
    "keepalive": "WhatsApp did not answer for a while. It tries again by itself.",
    "proxy_unreachable": "Its proxy does not answer. It tries again by itself; see that the proxy runs.",
    "proxy_authentication_failed": "Its proxy wants another user or password. Set them, and it connects.",
    "proxy_private_address": "Its proxy has a private address, which this instance does not allow.",
    "proxy_refused": "Its proxy lets no connection through to WhatsApp. It tries again by itself.",
    "disk_full": "The disk, or the connection's part of it, has no room for what arrives, which WhatsApp keeps. Make room, and it"
    " connects.",
    "lease_expired": "Redis is away; it opens again once that answers.",
    "restart_required": "WhatsApp asked to connect anew.",
    "temporarily_banned": "WhatsApp banned the account for a while. It waits until that is over.",
    "locked": "WhatsApp locked the account. See on its phone what to do, then start.",
    "outdated": "WhatsApp takes this version no more, and names no other. Set WHATSAPP_VERSION, or"
    " set it to nothing. Start looks again.",
    "replaced": "Another device took the account over. Start takes it back.",
    "logged_out": "The device was unlinked. Scan the QR with the same number.",
    "bad_session": "WhatsApp does not know the session, or its file is damaged.",
    "backup_damaged": "No copy of the session in the bucket can be read.",
    "wrong_key": "No configured key opens the session's copies. Add the key, then start.",
    "engine_not_installed": "The program `teimoso-whatsmeow` is not installed here: `make setup` builds it. Then start.",
    "engine_removed": "The engine native, which is gone, linked it. Add another connection and link the account anew; the data of"
    " this one stays.",
    "session_blocked": "Something else is where the session's file belongs. Move it away.",
    "other_account": "Another number scanned. Scan with the first number.",
    "crash_loop": "It fell too often, and is left alone for a while. Recover tries at once.",
    "crashed": "Its process ended.",
    "hung": "Its process hung, and was ended.",
    "zombie": "It was open, and nothing came of it any more.",
    "session_unavailable": "Its session cannot be read or written. See that the disk takes writes, then start.",
    "session_too_new": "A newer release wrote its session. Run that release.",
    "asked": "Somebody logged it out. Start shows a QR.",
}

ERRORS: Final = error_texts.ERROR_TEXTS

LIMITS: Final = health_texts.LIMITS

ALERT_TEXTS: Final[Mapping[str, str]] = {"cpu_high": "CPU high"}

STATUSES: Final[Mapping[str, str]] = {
    "queued": "Queued",
    "waiting": "Waiting",
    "sending": "Sending",
    "sent": "Sent",
    "delivered": "Delivered",
    "read": "Read",
    "dead": "Dead letter",
    "cancelled": "Cancelled",
    "received": "Received",
}

ROLE_TEXTS: Final[Mapping[str, str]] = {
    "connection": "Connection",
    "queue": "Queue actor",
    "state": "State actor",
    "health": "Health monitor",
    "vault": "Vault actor",
    "root": "Supervisor",
    "gateway": "Gateway",
    "valkey": "Valkey",
    "ray": "Ray head",
    "simulator": "Simulator",
}

ACTIONS: Final[Mapping[str, str]] = {
    "restarted": "got up again",
    "recovered": "recovered",
    "gave_up": "was left alone",
}

FELL: Final[Mapping[str, str]] = {
    "crashed": "Its process ended.",
    "hung": "It hung, and was ended.",
    "broke": "It broke.",
    "memory": "It had grown too large.",
    "zombie": "It was open, and nothing came of it any more.",
    "crash_loop": "It fell again and again.",
    "asked": "Somebody asked for it.",
}

SCOPES: Final[Mapping[str, str]] = {
    "admin": "Everything",
    "send": "Send",
    "read": "Read",
    "metrics": "Metrics",
}

SCOPE_HINTS: Final[Mapping[str, str]] = {
    "admin": "also add and remove connections, API keys and webhooks",
    "send": "messages, and take back those that wait",
    "read": "messages, chats and events; it may log in here",
    "metrics": "for Prometheus alone",
}

ATTEMPT_ERRORS: Final[Mapping[str, str]] = {
    "unknown_host": "No such host",
    "private_address": "Its address is a private one",
    "unreachable": "Unreachable",
    "tls_failed": "Its certificate cannot be trusted",
    "timeout": "No answer in time",
    "malformed_answer": "Its answer is not HTTP",
    "endpoint_was_gone": "Not sent: the endpoint was gone",
    "file_unreadable": "Its file could not be read to the end",
}

DEFERRAL_TEXTS: Final[Mapping[str, str]] = file_deferral.FILE_DEFERRAL_TEXTS
KIND_TEXTS: Final[Mapping[str, str]] = {
    "image": "Picture",
    "video": "Video",
    "audio": "Audio",
    "document": "File",
    "sticker": "Sticker",
    "location": "Place",
    "contact": "Contact",
    "poll": "Poll",
    "poll_vote": "Vote",
    "reaction": "Reaction",
    "read_mark": "Read mark",
    "pin": "Pin",
    "star": "Star",
    "chat_change": "Change of a chat",
    "edit": "Edit",
    "delete": "Deletion",
    "undecryptable": "Could not be read yet",
}


def meaning(meanings: Mapping[str, str], code: str | None) -> str:
    """The words for a code; of a code without any, the code as words."""
    return "" if code is None else meanings.get(code) or code.replace("_", " ").capitalize()


def attempt_error(code: str | None) -> str:
    """The words for the error of an attempt to deliver, or the status of HTTP that it is."""
    status = (code or "").removeprefix("status_")
    return f"HTTP {status}" if status.isdecimal() else meaning(ATTEMPT_ERRORS, code)


def number(address: str | None) -> str:
    """A WhatsApp address as a person knows it."""
    user, _, server = (address or "").partition("@")
    if server == "g.us":
        return f"Group {user[-6:]}"
    if server == "lid":
        return f"Hidden number {user[-4:]}"
    return f"+{user}" if user.isdigit() else user


def excerpt(message: Mapping[str, Any], longest: int = 80) -> str:
    """A message's content, on one line."""
    if message["deleted_at"]:
        return "Deleted"
    text = " ".join((message["text"] or "").split())
    if not text:
        return meaning(KIND_TEXTS, message["type"])
    return text if len(text) <= longest else text[: longest - 1] + "…"


def votes(cast: Sequence[Mapping[str, Any]], option: str) -> int:
    """The number of votes for an option of a poll."""
    return sum(option in vote["options"] for vote in cast)


def own_vote(cast: Sequence[Mapping[str, Any]]) -> list[str]:
    """The options that the account chose in a poll."""
    return next((vote["options"] for vote in cast if vote["by"] == ACCOUNT_SENDER), [])


def own_reaction(reactions: Sequence[Mapping[str, Any]]) -> str:
    """The account's reaction to a message; empty where it has none."""
    return next((each["emoji"] for each in reactions if each["by"] == ACCOUNT_SENDER), "")


def is_pinned(message: Mapping[str, Any]) -> bool:
    """Whether a message is pinned in its chat now."""
    until = message["pinned_until"]
    return until is not None and datetime.fromisoformat(until).timestamp() > time.time()


def size(count: int) -> str:
    """Bytes, as much as a person wants to know of them."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def took(seconds: float) -> str:
    """A duration."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min"
