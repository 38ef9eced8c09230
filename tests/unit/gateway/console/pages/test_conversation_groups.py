"""The name of a conversation, and what is shown of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.console.pages import conversation_groups

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"


def said(number: int, chat: str = ANA, kind: str = "text", **more: Any) -> dict[str, Any]:
    at = f"2030-01-0{1 + number // 10}T09:00:{number:02}.000Z"
    return {"id": str(number), "chat": chat, "type": kind, "at": at, "status": "sent", **more}


def test_a_conversation_has_the_name_of_who_wrote_in_it_last() -> None:
    group = "120363000000000001@g.us"

    def by(chat: str, of: str, name: str | None, chat_name: str | None = None) -> dict[str, Any]:
        return said(1, chat, chat_name=chat_name, author={"address": of, "name": name})

    through_the_api = said(1, ANA, chat_name=None, author=None)
    assert conversation_groups.name([through_the_api]) is None
    of_phone = by(ANA, BEN, "Me", "Ana Pereira")
    assert (
        conversation_groups.name([through_the_api, of_phone, by(ANA, ANA, "Ana")]) == "Ana Pereira"
    )
    assert conversation_groups.name([by(BEN, BEN, "Ben")]) == "Ben"
    before = by(group, ANA, "Ana")  # the subject was known
    newer = by(group, ANA, "Ana", "Chess club")
    assert conversation_groups.name([before, newer, by(group, ANA, "Ana", "Chess")]) == "Chess club"


def test_what_was_just_sent_is_there_once_and_as_the_queue_knows_it() -> None:
    listed = [said(3), said(2, kind="edit"), said(1)]
    assert [one["id"] for one in conversation_groups.shown_messages(listed)] == ["1", "3"]
    assert [one["id"] for one in conversation_groups.shown_messages(listed, said(4))] == [
        "1",
        "3",
        "4",
    ]
    [*_, last] = conversation_groups.shown_messages(listed, said(3, status="read"))
    assert last["status"] == "read"
    assert len(conversation_groups.shown_messages(listed, said(3))) == 2


def test_within_a_second_they_stand_as_they_are_listed() -> None:
    """WhatsApp tells whole seconds of what arrives."""
    listed = [{**said(4), "id": str(number)} for number in (9, 8, 7)]
    assert [one["id"] for one in conversation_groups.shown_messages([*listed, said(3)])] == [
        "3",
        "7",
        "8",
        "9",
    ]
    sent = {**said(4), "id": "10"}
    assert [one["id"] for one in conversation_groups.shown_messages(listed, sent)] == [
        "7",
        "8",
        "9",
        "10",
    ]


def test_each_day_has_its_messages() -> None:
    found = list(conversation_groups.days([said(1), said(2), said(11), said(21)]))
    assert [[one["id"] for one in of] for _, of in found] == [["1", "2"], ["11"], ["21"]]
    assert [at[:10] for at, _ in found] == ["2030-01-01", "2030-01-02", "2030-01-03"]
    assert list(conversation_groups.days([])) == []


@pytest.mark.parametrize(
    ("mime", "kind"),
    [
        ("image/png", "image"),
        ("IMAGE/JPEG; q=1", "image"),
        ("image/svg+xml", "document"),
        ("video/mp4", "video"),
        ("video/x-matroska", "document"),
        ("audio/ogg; codecs=opus", "audio"),
        ("application/pdf", "document"),
        ("", "document"),
    ],
)
def test_as_what_a_file_is_sent(mime: str, kind: str) -> None:
    assert conversation_groups.kind_of(mime) == kind
