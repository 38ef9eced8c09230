"""Builds GraphQL queries ("mex") for an account's limits, and parses answers and notifications (pure).

Sources: whatsmeow, notification.go (`handleMexNotification`); Baileys, messages-recv.ts
(`handleMexNotification`) and socket.ts (`fetchAccountReachoutTimelock`, `fetchNewChatMessageCap`);
whatsapp-rust, src/features/mex.rs. The numbers of the queries change with WhatsApp Web's releases.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from actors.connection.limits.account_limits import UNTOLD_CAP
from actors.connection.protocol.wire_format.nodes import Node, iq

if TYPE_CHECKING:
    from collections.abc import Mapping

LOCK_QUERY: Final = "23983697327930364"
CAP_QUERY: Final = "24503548349331633"

_LOCK: Final = ("xwa2_notify_account_reachout_timelock", "xwa2_fetch_account_reachout_timelock")
_CAP: Final = ("xwa2_notify_new_chat_messages_capping_info_update", "xwa2_message_capping_info")
_CAPPED: Final = "CAPPED"

MAX_LIMIT_ANSWER_BYTES: Final = 64 * 1024
"""Bytes of one answer; those of limits have some hundred."""

UNTOLD_LOCK: Final = 60.0
"""Seconds for which a lock counts that comes without its end, as in WhatsApp Web."""

FURTHEST: Final = 4_102_444_800
"""The year 2100: a later end is none."""


class UnreadableMex(ValueError):
    """The answer is no answer; the word that it has says why, and is none of WhatsApp's."""


@dataclass(frozen=True, slots=True)
class AccountLock:
    """The account may write to nobody new until then (seconds since the epoch); None: it may.

    `kind` is WhatsApp's word for why, for the log.
    """

    until: float | None
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Cap:
    """The account may begin no new chat until then; None: it may. `reported`: WhatsApp said when."""

    until: float | None
    reported: bool = True


def lock_query() -> Node:
    """Ask whether the account is time-locked."""
    return _query(LOCK_QUERY, {})


def cap_query() -> Node:
    """Ask whether new chats are capped."""
    return _query(CAP_QUERY, {"input": {"type": "INDIVIDUAL_NEW_CHAT_MSG"}})


def _query(number: str, variables: Mapping[str, Any]) -> Node:
    body = json.dumps({"variables": variables}, separators=(",", ":")).encode()
    return iq("get", "w:mex", (Node("query", {"query_id": number}, body),))


def answered(reply: Node, now: float) -> tuple[AccountLock | Cap, ...]:
    """The limits in the ``<result>`` of an answer. Raises `UnreadableMex`."""
    result = reply.child("result")
    if result is None:
        raise UnreadableMex("no_result")
    return _limits(_data(result.data), now)


def notified(notification: Node, now: float) -> tuple[AccountLock | Cap, ...]:
    """The limits in each ``<update>`` of a notification; other parts are left out."""
    found: list[AccountLock | Cap] = []
    for update in notification.children("update"):
        try:
            found += _limits(_data(update.data), now)
        except UnreadableMex:
            continue
    return tuple(found)


def _data(answer: bytes) -> Mapping[str, Any]:
    if len(answer) > MAX_LIMIT_ANSWER_BYTES:
        raise UnreadableMex("too_large")
    try:
        document = json.loads(answer)
    except (ValueError, RecursionError):
        raise UnreadableMex("no_json") from None
    if not isinstance(document, dict):
        raise UnreadableMex("no_object")
    if document.get("errors"):
        raise UnreadableMex("refused")
    data = document.get("data")
    if not isinstance(data, dict):
        raise UnreadableMex("no_data")
    return data


def _limits(data: Mapping[str, Any], now: float) -> tuple[AccountLock | Cap, ...]:
    locks = [value for name in _LOCK if isinstance(value := data.get(name), dict)]
    caps = [value for name in _CAP if isinstance(value := data.get(name), dict)]
    return (*(_lock(value, now) for value in locks), *(_cap(value, now) for value in caps))


def _lock(lock: Mapping[str, Any], now: float) -> AccountLock:
    kind = lock.get("enforcement_type")
    word = kind if isinstance(kind, str) and re.fullmatch(r"[A-Z_]{1,64}", kind) else None
    # The kind says nothing of whether there is a lock: "DEFAULT" comes with locks and without.
    if lock.get("is_active") is not True:
        return AccountLock(None, word)
    end = _time(lock.get("time_enforcement_ends"))
    return AccountLock(now + UNTOLD_LOCK if end is None else end, word)


def _cap(cap: Mapping[str, Any], now: float) -> Cap:
    if cap.get("capping_status") != _CAPPED:
        return Cap(None)
    end = _time(cap.get("cycle_end_timestamp"))
    return Cap(now + UNTOLD_CAP, reported=False) if end is None else Cap(end)


def _time(value: object) -> float | None:
    """A time, which comes as a number or as its digits; None for none, or 0."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,10}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 < value <= FURTHEST else None
