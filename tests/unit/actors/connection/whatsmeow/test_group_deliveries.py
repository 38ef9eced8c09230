"""Notifications of groups from the program: the subject is kept, the members are asked for anew."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from actors.connection.engine import EngineEvents
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.group_members import GroupMembers, MemberLists
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.whatsmeow.delivery_handler import DeliveryHandler
from actors.connection.whatsmeow.to_nodes import ProgramDelivery

if TYPE_CHECKING:
    from actors.connection.session.session import Session

GROUP = "120363000000000001@g.us"


async def test_a_group_keeps_its_newest_subject(session: Session) -> None:
    people = LidMapping(session, Address.parse("15550100001:4@s.whatsapp.net"), None)
    link = cast("Any", None)
    rosters = MemberLists(session, people, link, link, on_inbox=EngineEvents().on_inbox)
    handler = DeliveryHandler(session, people, rosters, clock=time.time)

    async def notified(**told: Any) -> str | None:
        async with session.transaction():
            session.groups.save_members(GROUP, GroupMembers("", "pn", ()).encode(), 1.0)
            header = {"change": "changed", "chat": GROUP, **told}
            outcome = await handler.take(ProgramDelivery("group", {}, (), 1, "group", header))
        assert outcome.counted == "notification.group"
        assert session.groups.members(GROUP) is None
        return session.groups.subject(GROUP)

    assert await notified(subject="") is None
    assert await notified(subject="Chess club") == "Chess club"
    assert await notified(left=["15550100002@s.whatsapp.net"]) == "Chess club"
    assert await notified(subject="Chess") == "Chess"
