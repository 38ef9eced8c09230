"""Builds the list of what stops working once an API key is revoked, for the confirmation by a person (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_USES: Final[Mapping[str, str]] = {
    "send": "sending messages",
    "read": "reading messages and events",
    "metrics": "scrapes of the metrics",
    "admin": "changes of connections, API keys and webhooks",
}


def of_revocation(
    key: Mapping[str, Any], others: Sequence[Mapping[str, Any]], *, own: bool
) -> list[str]:
    """Phrases for a key and the `others`, as the API shows them; `own` for the key of who is logged in."""
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


def _is_admin_of_all(key: Mapping[str, Any]) -> bool:
    return key["connections"] is None and "admin" in key["scopes"] and key["ended_at"] is None
