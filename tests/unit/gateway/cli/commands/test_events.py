"""`teimoso events` prints the gist of each event on one line."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.cli.commands import events

ANA, LID = "15550100002@s.whatsapp.net", "90000000000002@lid"
GROUP = "120363000000000001@g.us"
SETTINGS = {"archived": False, "pinned": True, "muted": True, "unread": False}


@pytest.mark.parametrize(
    ("kind", "data", "gist"),
    [
        ("contact.updated", {"address": ANA, "name": "Ana Pereira"}, f"{ANA} Ana Pereira"),
        ("contact.updated", {"address": ANA, "name": None}, f"{ANA} no more"),
        (
            "contact.picture",
            {"address": ANA, "name": "Ana", "picture_id": "7"},
            "Ana: another picture",
        ),
        (
            "contact.picture",
            {"address": LID, "name": None, "picture_id": None},
            f"{LID}: no picture any more",
        ),
        ("chat.updated", {"chat": ANA, **SETTINGS}, f"{ANA} pinned muted"),
        ("chat.updated", {"chat": ANA, **dict.fromkeys(SETTINGS, False)}, ANA),
        (
            "chat.renamed",
            {"chat": ANA, "former": "200000000000001@lid"},
            f"200000000000001@lid is {ANA}",
        ),
        ("group.updated", {"chat": GROUP, "setting": "subject", "value": "x"}, f"{GROUP} subject"),
        (
            "group.participants",
            {
                "chat": GROUP,
                "change": "added",
                "people": [{"address": ANA, "name": "Ana"}, {"address": LID, "name": None}],
            },
            f"{GROUP} added Ana, {LID}",
        ),
        ("call.received", {"id": "A", "state": "offered", "caller": ANA}, f"A  offered {ANA}"),
        (
            "call.received",
            {"id": "A", "state": "ended", "caller": ANA, "author": {"name": "Ana"}},
            "A ended Ana",
        ),
        (
            "message.received",
            {
                "id": "A",
                "type": "text",
                "text": "hi",
                "chat": ANA,
                "sender": ANA,
                "author": {"name": "Ana"},
            },
            "A Ana: hi",
        ),
        (
            "message.received",
            {
                "id": "A",
                "type": "image",
                "text": None,
                "chat": GROUP,
                "sender": LID,
                "author": {"name": None},
            },
            f"A {LID} in {GROUP}: image",
        ),
        (
            "message.received",
            {
                "id": "A",
                "type": "text",
                "text": "hi",
                "chat": GROUP,
                "chat_name": "Chess club",
                "sender": ANA,
                "author": {"name": "Ana"},
            },
            "A Ana in Chess club: hi",
        ),
        (
            "message.media",
            {
                "id": "A",
                "type": "image",
                "chat": ANA,
                "author": {"name": "Ana"},
                "media": {"state": "failed", "error": "media_gone"},
            },
            "A Ana: image failed media_gone",
        ),
        (
            "message.media",
            {
                "id": "A",
                "type": "image",
                "chat": ANA,
                "author": None,
                "media": {"state": "stored", "error": None},
            },
            f"A {ANA}: image stored",
        ),
        (
            "message.changed",
            {"id": "A", "change": "edit", "emoji": None, "text": "ho", "by": "me", "author": None},
            "A me: edit ho",
        ),
    ],
)
def test_the_gist_of_an_event(
    kind: str, data: dict[str, Any], gist: str, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"timestamp": "2030-01-01T09:00:00Z", "connection": "shop", "data": data}
    events._show(kind, json.dumps(told), as_json=False)
    shown = " ".join(capsys.readouterr().out.split())
    expected = f"2030-01-01T09:00:00Z {kind} shop {gist}"
    assert shown == " ".join(expected.split())
