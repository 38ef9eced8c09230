"""Changes of groups that WhatsApp reports are items of the inbox."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.app_state_changes import InboxAppState
from actors.connection.protocol.administration.group_news import (
    MOST_PEOPLE,
    GroupNewsWriter,
    GroupNotification,
    read_delivery,
)
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.connection.session.session import Session

GROUP = Address.parse("120363000000000001@g.us")
OWN, ANA = Address.parse("15550100001@s.whatsapp.net"), Address.parse("15550100002@s.whatsapp.net")
ANA_LID, BEN = Address.parse("90000000000002@lid"), Address.parse("15550100003@s.whatsapp.net")


def delivered(**more: Any) -> dict[str, Any]:
    names = {"sender": str(ANA_LID), "sender_phone": str(ANA)}
    return {"change": "changed", "chat": str(GROUP), "notification": "A", "at": 7, **names, **more}


@pytest.mark.parametrize(
    ("delivery", "settings", "members"),
    [
        ({"subject": "Them"}, {"subject": "Them"}, {}),
        ({"announce": False}, {"announce": False}, {}),
        ({"timer": 0}, {"ephemeral": 0}, {}),
        ({"member_add_mode": "admins"}, {"member_add_mode": "admins"}, {}),
        ({"joined": [str(BEN)]}, {}, {"added": [BEN]}),
        ({"left": [str(BEN)]}, {}, {"removed": [BEN]}),
        ({"promoted": [str(BEN)]}, {}, {"promoted": [BEN]}),
        ({"demoted": [str(BEN)]}, {}, {"demoted": [BEN]}),
        (
            {"change": "joined", "subject": "Us", "announce": False},
            {"subject": "Us"},
            {"added": [OWN]},
        ),
        ({}, {}, {}),
    ],
)
def test_what_the_program_delivers(
    delivery: dict[str, Any], settings: dict[str, Any], members: dict[str, Sequence[Address]]
) -> None:
    expected = GroupNotification("A", 7.0, ANA, settings, members)  # type: ignore[arg-type]
    assert read_delivery(delivered(**delivery), OWN, 9.0) == expected


def test_without_a_time_it_happened_now() -> None:
    assert read_delivery({}, OWN, 9.0) == GroupNotification("", 9.0)


async def noted(session: Session, *news: GroupNotification) -> list[InboxAppState]:
    writer = GroupNewsWriter(session, LidMapping(session, OWN, None))
    async with session.transaction():
        for each in news:
            writer.note(GROUP, each)
    found = session.inbox.pending("app_state", 100)
    return [one for one in found if isinstance(one, InboxAppState)]


async def test_news_are_items_of_the_chat(session: Session) -> None:
    async with session.transaction():
        session.learn_lid(str(ANA_LID), str(ANA))
        session.push_names.save(str(ANA), "Ana")
    settings = {"subject": "Them", "locked": True}
    setting, locked, members = await noted(
        session,
        GroupNotification("A", 7.0, ANA_LID, settings),
        GroupNotification("B", 8.0, None, {}, {"added": [BEN]}),
    )
    by = {"address": str(ANA), "sender_name": "Ana", "sender_lid": str(ANA_LID)}
    assert (setting.subject, setting.id, setting.setting, setting.at) == (
        *("chat", str(GROUP), "group:subject"),
        7.0,
    )
    assert (setting.value, locked.value) == (
        {"value": "Them", "by": by},
        {"value": True, "by": by},
    )
    ben = {"address": str(BEN), "sender_name": None, "sender_lid": None}
    assert (members.setting, members.value) == (
        "group:members",
        {"id": "B", "change": "added", "by": None, "people": [ben]},
    )
    assert all(one.news for one in (setting, locked, members))


async def test_a_person_is_named_once_and_devices_and_groups_are_nobody(session: Session) -> None:
    people = [BEN, BEN.with_device(3), GROUP]
    (one,) = await noted(
        session, GroupNotification("A", 7.0, GROUP, {}, {"removed": people, "added": [GROUP]})
    )
    assert [each["address"] for each in one.value["people"]] == [str(BEN)]
    assert one.value["by"] is None


async def test_thousands_at_once_are_cut(session: Session) -> None:
    crowd = [Address.parse(f"{15550100000 + number}@s.whatsapp.net") for number in range(1000)]
    (one,) = await noted(session, GroupNotification("A", 7.0, None, {}, {"added": crowd}))
    assert len(one.value["people"]) == MOST_PEOPLE


async def test_nothing_new_is_nothing(session: Session) -> None:
    assert await noted(session, GroupNotification("A", 7.0, ANA)) == []
