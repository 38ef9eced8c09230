"""Changes of pictures that WhatsApp reports; a cached answer ends by them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.connection.abilities.app_state_changes import InboxAppState
from actors.connection.protocol.administration.group_news import GroupNewsWriter
from actors.connection.protocol.administration.picture_news import (
    PictureChange,
    PictureNewsWriter,
    read_delivery,
)
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.media.picture_cache import PictureCache

if TYPE_CHECKING:
    from actors.connection.session.session import Session

GROUP = Address.parse("120363000000000001@g.us")
OWN, ANA = Address.parse("15550100001@s.whatsapp.net"), Address.parse("15550100002@s.whatsapp.net")
ANA_LID = Address.parse("90000000000002@lid")
STATUS = Address.parse("status@broadcast")


def test_what_the_program_delivers() -> None:
    changes: list[dict[str, Any]] = [
        {"chat": str(GROUP), "picture": "12", "removed": False, "sender": str(ANA_LID)},
        {"chat": str(GROUP), "picture": "", "removed": False, "sender": ""},
        {"chat": str(ANA), "picture": "", "removed": True, "sender": ""},
    ]
    expected = [
        PictureChange(GROUP, "12", ANA_LID, "A", 7.0),
        PictureChange(GROUP, "A", None, "A", 7.0),
        PictureChange(ANA, "", None, "A", 7.0),
    ]
    assert read_delivery({"notification": "A", "at": 7, "changes": changes}, 9.0) == expected


def test_a_change_of_nobody_and_without_a_time() -> None:
    assert read_delivery({"changes": [{"chat": "?"}]}, 9.0) == []
    later = read_delivery({"changes": [{"chat": str(ANA), "removed": True}]}, 9.0)
    assert [one.at for one in later] == [9.0]


async def test_the_answer_of_a_chat_ends_and_the_change_is_news(session: Session) -> None:
    people, cache = LidMapping(session, OWN, None), PictureCache()
    writer = PictureNewsWriter(session, people, GroupNewsWriter(session, people), cache)
    for chat in (ANA, GROUP, OWN):
        cache.note(chat, None)
    async with session.transaction():
        session.learn_lid(str(ANA_LID), str(ANA))
        session.push_names.save(str(ANA), "Ana")
        assert writer.note([PictureChange(ANA_LID, "1", None, "A", 7.0)])
        assert cache.find(ANA) is None
        assert writer.note([PictureChange(GROUP, "2", ANA_LID, "B", 8.0)])
        assert not writer.note([PictureChange(STATUS, "3", None, "C", 9.0)])
    assert cache.find(GROUP) is None
    assert cache.find(OWN) is not None
    person, group = session.inbox.pending("app_state", 100)
    assert isinstance(person, InboxAppState)
    assert isinstance(group, InboxAppState)
    assert (person.subject, person.id, person.setting) == ("contact", str(ANA), "picture")
    assert person.value == {"id": "1", "sender_name": "Ana", "sender_lid": str(ANA_LID)}
    assert (person.at, person.news) == (7.0, True)
    assert (group.id, group.setting, group.value["value"]) == (str(GROUP), "group:picture", "2")
    assert group.value["by"]["address"] == str(ANA)
