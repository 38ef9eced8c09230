"""Lists the losses by deleting a connection or a webhook, logging out or revoking an API key, for a confirmation (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MESSAGES_STAY: Final = "Its messages stay until their retention ends."

_USES: Final[Mapping[str, str]] = {
    "send": "sending messages",
    "read": "reading messages and events",
    "metrics": "scrapes of the metrics",
    "admin": "changes of connections, API keys and webhooks",
}


def of_deletion(
    connection: Mapping[str, Any], lane: Mapping[str, Any] | None, *, bucket: bool
) -> list[str]:
    """Phrases for a connection and its lane, as the API shows them; None for a lane that cannot be read.

    `bucket` is whether sessions have copies in a bucket.
    """
    return [
        _session(connection),
        "its queue: messages that wait are not sent" if lane is None else _queue(lane),
        *(["the copies of its session in the bucket"] if bucket else []),
        "its contacts and chats",
        "webhooks and API keys that are for it alone",
    ]


def of_logout(connection: Mapping[str, Any]) -> list[str]:
    """Phrases for a connection as the API shows it."""
    return [_session(connection)]


def of_webhook(webhook: Mapping[str, Any]) -> list[str]:
    """Phrases for a webhook as the API shows it."""
    return [
        "its secret and its headers",
        f"its deliveries; {_count(webhook['waiting'], 'event')} {'waits' if webhook['waiting'] == 1 else 'wait'} for it",
    ]


def of_revocation(
    key: Mapping[str, Any], others: Sequence[Mapping[str, Any]], *, own: bool
) -> list[str]:
    """Phrases for a key and the `others`, as the API shows them; `own` for the key of the person who is logged in."""
    if key["ended_at"] is not None:
        return ["nothing: its connections are deleted, and it lets nobody in"]
    named = key["connections"]
    where = "all connections" if named is None else ", ".join(named)
    scopes = _USES if "admin" in key["scopes"] else key["scopes"]
    phrases = [f"{text}, for {where}" for scope, text in _USES.items() if scope in scopes]
    if own:
        phrases.append("your login here: this is the key that you logged in with")
    if _is_admin_of_all(key) and not any(map(_is_admin_of_all, others)):
        phrases.append(
            "the last key that may do everything: the command teimoso keys create makes another"
        )
    return phrases


def _session(connection: Mapping[str, Any]) -> str:
    account = connection["account"]
    if account is None:
        return "its session"
    return f"its session: +{account.partition('@')[0]} has to be linked anew"


def _queue(lane: Mapping[str, Any]) -> str:
    waiting, dead = lane["waiting"] + lane["active"] + lane["delayed"], lane["dead"]
    return f"its queue: {_count(waiting, 'message')} not sent, {_count(dead, 'dead letter')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _is_admin_of_all(key: Mapping[str, Any]) -> bool:
    return key["connections"] is None and "admin" in key["scopes"] and key["ended_at"] is None
