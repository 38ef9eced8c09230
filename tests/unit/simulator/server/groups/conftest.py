"""Two accounts with a device each, and their queries about groups."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import GROUP_SERVER, JID, LID_SERVER, PN_SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from simulator.contacts.people import Person
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

OWNER, MEMBER, FRIEND, STRANGER = (f"1555010000{digit}" for digit in (1, 2, 3, 4))
ALL_GROUPS = JID("", GROUP_SERVER)


@dataclass
class Asker:
    """A device, its answers, and the notifications that came."""

    device: Device
    heard: list[Any] = field(default_factory=list)

    @property
    def person(self) -> Person:
        return self.device.world.people.named(self.device.number)

    async def ask(self, to: Any, kind: str, content: Any, space: str = "w:g2") -> Any:
        """Returns the only child of the answer, or of a refusal the code; None for an empty answer."""
        query_id = secrets.token_hex(4)
        attrs = {"to": to, "xmlns": space, "type": kind, "id": query_id}
        await self.device.send(Node("iq", attrs, [content]))
        while True:
            answer = await self.device.next()
            if answer.tag == "iq" and answer.attrs["id"] == query_id:
                break
            self.heard.append(answer)
        if answer.attrs["type"] == "error":
            return answer.get_child("error").attrs["code"]
        children = answer.get_children()
        return children[0] if children else None

    async def notification(self) -> Any:
        """The next notification about a group, acknowledged."""
        stanza = self.heard.pop(0) if self.heard else await self.device.next("notification")
        attrs = {"id": stanza.attrs["id"], "to": stanza.attrs["from"], "class": "notification"}
        attrs |= {"type": stanza.attrs["type"], "participant": stanza.attrs["participant"]}
        await self.device.send(Node("ack", attrs))
        return stanza


@pytest.fixture
async def owner(paired: Callable[[str], Awaitable[Device]]) -> Asker:
    return Asker(await paired(OWNER))


@pytest.fixture
async def member(paired: Callable[[str], Awaitable[Device]]) -> Asker:
    return Asker(await paired(MEMBER))


@pytest.fixture(params=[PN_SERVER, LID_SERVER])
def server(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def group(world: ServerState, server: str, owner: Asker, member: Asker) -> Any:
    """The address of a group of the owner's with the member and a friend, of which both were notified."""
    with world.store.transaction():
        made = world.groups.make("Us", OWNER, [MEMBER, FRIEND], server)
        world.group_management.notifications.made(made)
    for asker in (owner, member):
        assert (await asker.notification()).get_child("create") is not None
    return made.address


def participants(world: ServerState, server: str, *numbers: str) -> list[Any]:
    """The people's nodes in a query."""
    people = map(world.people.named, numbers)
    return [Node("participant", {"jid": person.address(server)}) for person in people]


def errors(world: ServerState, answer: Any) -> dict[str, Any]:
    """The errors in an answer by numbers, None for those without one."""
    return {
        world.people.at(one.attrs["jid"]).number: one.attrs.get("error")  # type: ignore[union-attr]
        for one in answer.get_children("participant")
    }
