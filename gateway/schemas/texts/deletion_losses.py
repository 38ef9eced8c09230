"""Lists what is lost by deleting a connection or a webhook, or by logging out, for a person's confirmation (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT = "Its messages stay until their retention ends."


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
