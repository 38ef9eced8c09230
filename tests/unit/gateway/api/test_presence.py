"""The answer about a chat's presence, by the records of the chat and of the connection."""

from __future__ import annotations

from typing import Any

import pytest

from actors.redis.leases.leases import Lease
from actors.redis.presence import ChatPresence
from gateway.api.presence import shown

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
GROUP = "120363000000000001@g.us"
OPEN = Lease(
    connection="shop",
    epoch=1,
    owner=None,
    state="open",
    cause=None,
    since=1000.0,
    beat=1000.0,
    restarts=0,
    account=None,
)
ONLINE = ChatPresence("available", 1000.0, 500)


def answered(chat: str, seen: ChatPresence, lease: Lease | None = OPEN) -> dict[str, Any]:
    return shown(chat, seen, lease).model_dump()


def test_a_person_who_is_online_and_types() -> None:
    seen = ChatPresence("available", 1000.0, 500, {ANA: ("recording", 1002.0)})
    assert answered(ANA, seen) == {
        "chat": ANA,
        "presence": "available",
        "last_seen": "1970-01-01T00:08:20.000Z",
        "typing": "recording",
        "at": "1970-01-01T00:16:42.000Z",
        "participants": [],
    }


def test_nothing_is_known() -> None:
    assert answered(ANA, ChatPresence()) == {
        "chat": ANA,
        "presence": "unknown",
        "last_seen": None,
        "typing": None,
        "at": None,
        "participants": [],
    }


@pytest.mark.parametrize(
    "lease",
    [
        None,
        Lease("shop", 1, None, "reconnecting", None, 900.0, 1000.0, 0, None),
        Lease("shop", 2, None, "open", None, 1000.5, 1000.0, 0, None),
    ],
)
def test_presence_from_an_earlier_socket_is_unknown(lease: Lease | None) -> None:
    answer = answered(ANA, ONLINE, lease)
    assert (answer["presence"], answer["at"]) == ("unknown", None)
    assert answer["last_seen"] is not None


def test_who_types_in_a_group() -> None:
    seen = ChatPresence(typing={ANA: ("composing", 1001.0), BEN: ("recording", 1003.0)})
    answer = answered(GROUP, seen)
    assert (answer["presence"], answer["typing"]) == ("unknown", "recording")
    assert answer["at"] == "1970-01-01T00:16:43.000Z"
    assert [(one["participant"], one["typing"]) for one in answer["participants"]] == [
        (BEN, "recording"),
        (ANA, "composing"),
    ]
