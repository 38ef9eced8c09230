"""Limits in WhatsApp's words, as whatsmeow, Baileys and whatsapp-rust read them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from actors.connection.protocol.limits import limit_queries
from actors.connection.protocol.limits.limit_queries import AccountLock, Cap, UnreadableMex
from actors.connection.protocol.wire_format.nodes import Node

NOW = 1_764_000_000.0
END = 1_764_086_400
LOCKED, CAPPED = "xwa2_notify_account_reachout_timelock", "xwa2_fetch_account_reachout_timelock"
NOTICE, ANSWER = "xwa2_notify_new_chat_messages_capping_info_update", "xwa2_message_capping_info"


def notification(*said: Any) -> Node:
    updates = [Node("update", {"op_name": "Any"}, json.dumps(one).encode()) for one in said]
    attrs = {"from": "s.whatsapp.net", "type": "mex", "id": "A", "t": "1764000000"}
    return Node("notification", attrs, updates)


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        ({"is_active": True, "time_enforcement_ends": f"{END}"}, AccountLock(END)),
        ({"is_active": True, "time_enforcement_ends": END}, AccountLock(END)),
        (
            {
                "is_active": True,
                "enforcement_type": "BIZ_QUALITY",
                "time_enforcement_ends": f"{END}",
            },
            AccountLock(END, "BIZ_QUALITY"),
        ),
        # what kind it is says nothing of whether it is
        ({"is_active": True, "enforcement_type": "DEFAULT"}, AccountLock(NOW + 60, "DEFAULT")),
        ({"is_active": True, "time_enforcement_ends": "0"}, AccountLock(NOW + 60)),
        ({"is_active": True, "time_enforcement_ends": "soon"}, AccountLock(NOW + 60)),
        ({"is_active": True, "time_enforcement_ends": "9" * 4000}, AccountLock(NOW + 60)),
        ({"is_active": True, "time_enforcement_ends": True}, AccountLock(NOW + 60)),
        ({"is_active": True, "time_enforcement_ends": float("nan")}, AccountLock(NOW + 60)),
        ({"is_active": True, "time_enforcement_ends": 1e30}, AccountLock(NOW + 60)),
        ({"is_active": False, "time_enforcement_ends": f"{END}"}, AccountLock(None)),
        ({"is_active": "yes"}, AccountLock(None)),
        ({"enforcement_type": "a person's words"}, AccountLock(None)),
        ({}, AccountLock(None)),
    ],
)
def test_a_time_lock(told: dict[str, Any], limit: AccountLock) -> None:
    assert limit_queries.notified(notification({"data": {LOCKED: told}}), NOW) == (limit,)
    reply = Node("iq", {}, (Node("result", {}, json.dumps({"data": {CAPPED: told}}).encode()),))
    assert limit_queries.answered(reply, NOW) == (limit,)


@pytest.mark.parametrize(
    ("told", "limit"),
    [
        ({"capping_status": "CAPPED", "cycle_end_timestamp": f"{END}"}, Cap(END)),
        ({"capping_status": "CAPPED", "cycle_end_timestamp": END, "total_quota": 5}, Cap(END)),
        ({"capping_status": "CAPPED"}, Cap(NOW + 3600, reported=False)),
        ({"capping_status": "NONE", "cycle_end_timestamp": f"{END}"}, Cap(None)),
        ({"capping_status": "SECOND_WARNING"}, Cap(None)),
        ({}, Cap(None)),
    ],
)
def test_a_cap_on_new_chats(told: dict[str, Any], limit: Cap) -> None:
    assert limit_queries.notified(notification({"data": {NOTICE: told}}), NOW) == (limit,)
    reply = Node("iq", {}, (Node("result", {}, json.dumps({"data": {ANSWER: told}}).encode()),))
    assert limit_queries.answered(reply, NOW) == (limit,)


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"data": null}',
        b'{"errors": [{"message": "no"}], "data": {"xwa2_message_capping_info": {}}}',
        b'{"a": ' * 20_000,
        b'{"data": {"x": "' + b"x" * limit_queries.MAX_LIMIT_ANSWER_BYTES + b'"}}',
    ],
)
def test_what_is_no_answer_changes_nothing(said: bytes) -> None:
    update = Node("notification", {}, (Node("update", {}, said),))
    assert limit_queries.notified(update, NOW) == ()
    with pytest.raises(UnreadableMex):
        limit_queries.answered(Node("iq", {}, (Node("result", {}, said),)), NOW)


def test_what_is_of_no_limit_is_left_out() -> None:
    channel = {"data": {"xwa2_notify_newsletter_on_join": {"id": "1@newsletter"}}}
    lock = {"data": {LOCKED: {"is_active": False}, "xwa2_notify_linked_profiles": None}}
    assert limit_queries.notified(notification(channel, lock), NOW) == (AccountLock(None),)
    assert limit_queries.notified(notification({"data": {LOCKED: None}}), NOW) == ()
    assert limit_queries.notified(Node("notification", {}, b"bytes"), NOW) == ()
    with pytest.raises(UnreadableMex):
        limit_queries.answered(Node("iq", {"type": "result"}), NOW)


def test_queries_are_as_whatsapp_web_asks() -> None:
    for query, number, variables in (
        (limit_queries.lock_query(), limit_queries.LOCK_QUERY, {}),
        (
            limit_queries.cap_query(),
            limit_queries.CAP_QUERY,
            {"input": {"type": "INDIVIDUAL_NEW_CHAT_MSG"}},
        ),
    ):
        assert query.attrs == {"to": "@s.whatsapp.net", "type": "get", "xmlns": "w:mex"}
        (asked,) = query.children()
        assert (asked.tag, asked.attrs) == ("query", {"query_id": number})
        assert json.loads(asked.data) == {"variables": variables}
