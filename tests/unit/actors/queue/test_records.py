from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest

from actors.messages.content import LinkPreview, Text
from actors.queue.records import (
    ClaimedMessage,
    Send,
    api_id,
    mint,
    record_of,
    split_id,
)

CHAT = "15550100002@s.whatsapp.net"
SEND = Send("shop", CHAT, "hello")
ID = re.compile(r"3EB0[0-9A-F]{18}")


def test_a_message_id_is_minted_as_whatsapp_web_does() -> None:
    ids = {mint() for _ in range(100)}
    assert len(ids) == 100
    assert all(ID.fullmatch(each) for each in ids)


def test_equal_sends_have_equal_fingerprints() -> None:
    assert Send("shop", CHAT, "hello").fingerprint == SEND.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        {"connection": "other"},
        {"chat": "15550100003@s.whatsapp.net"},
        {"text": "hello "},
        {"type": "image"},
        {"priority": 4},
        {"send_at": 5.0},
        {"content": "{}"},
    ],
)
def test_each_field_of_a_send_is_in_its_fingerprint(change: dict[str, object]) -> None:
    assert replace(SEND, **change).fingerprint != SEND.fingerprint  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class LaterSend(Send):
    """As a later release may have it."""

    mentions: tuple[str, ...] = ()


def test_the_fingerprint_of_what_a_send_had_before_outlives_a_new_field() -> None:
    """The retry of a send that an older release accepted is no other send."""
    assert LaterSend("shop", CHAT, "hello").fingerprint == SEND.fingerprint
    assert LaterSend("shop", CHAT, "hello", mentions=(CHAT,)).fingerprint != SEND.fingerprint


def test_releases_agree_about_fingerprints() -> None:
    assert SEND.fingerprint == "f15c985074b1baf699392e455f87f4d3"


@pytest.mark.parametrize("priority", [-1, 10])
def test_a_priority_is_0_to_9(priority: int) -> None:
    with pytest.raises(ValueError, match="0 to 9"):
        Send("shop", CHAT, "hello", priority=priority)


def test_g10_nothing_that_is_logged_by_its_repr_tells_chat_or_text() -> None:
    fields = {"chat": CHAT, "type": "text", "text": "hello", "priority": "5", "status": "sent"}
    fields |= {"attempts": "1", "accepted_at": "1", "revision": "1"}
    record = record_of("shop", mint(), fields)
    job = ClaimedMessage(id="", message_id="", chat=CHAT, type="text", text="hello", attempts=1)
    for each in (SEND, record, job):
        assert "hello" not in repr(each)
        assert "15550100002" not in repr(each)


@pytest.mark.parametrize(
    "id_",
    ["", "shop", "shop.", ".3EB0", "shop.3EB0", "shop.in.0123456789abcdef01234567",
     f"Shop.{'3EB0' + '0' * 18}", f"s{{h}}.{'3EB0' + '0' * 18}", f"shop.{'3EB0' + 'a' * 18}"],
)  # fmt: skip
def test_other_ids_are_not_ids_of_outgoing_messages(id_: str) -> None:
    assert split_id(id_) is None


def test_an_api_id_names_its_connection() -> None:
    message_id = mint()
    assert split_id(api_id("my-shop_2", message_id)) == ("my-shop_2", message_id)


def test_the_preview_of_a_link_is_in_no_fingerprint() -> None:
    """The page may say another thing when the same request comes again."""
    said = Text(SEND.text, link_preview=LinkPreview("https://a.example", "A"))
    with_preview = Send.of(SEND.connection, SEND.chat, said)
    assert with_preview.content
    assert with_preview.fingerprint == SEND.fingerprint
