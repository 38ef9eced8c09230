"""Timers of chats: who sets them, which messages bear them, and remarks on those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.contacts import message_content
from simulator.wire.proto_schema import HistorySync, Message
from simulator.wire.protocol_library import GROUP_SERVER, JID, PN_SERVER, SERVER, Node
from tests.unit.simulator.server.test_groups import Member

if TYPE_CHECKING:
    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
DAY = 86400


def text(said: str, seconds: int = 0) -> Any:
    message = Message()
    message.extended_text_message.text = said
    if seconds:
        message.extended_text_message.context_info.expiration = seconds
    return message


async def send(device: Device, message: Any, message_id: str, **more: Any) -> None:
    await device.send(await device.message(FRIEND, message, message_id, **more))
    while (await device.next("ack")).attrs["id"] != message_id:
        pass


@pytest.mark.parametrize("who", ["contacts", "phones"])
async def test_what_is_said_after_a_setting_bears_the_timer(
    device: Device, http: httpx.AsyncClient, who: str
) -> None:
    number, to = (FRIEND, NUMBER) if who == "contacts" else (NUMBER, FRIEND)
    body = {"to": to, "type": "timer", "seconds": DAY}
    assert (await http.post(f"/{who}/{number}/say", json=body)).is_success
    stanza = await device.next("message")
    assert stanza.attrs["type"] == "text"
    setting = device.message_in(stanza)
    if who == "phones":
        setting = setting.device_sent_message.message
    assert message_content.timer_in(setting) == DAY
    await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "gone tomorrow"})
    said = device.message_in(await device.next("message"))
    assert said.extended_text_message.text == "gone tomorrow"
    assert said.extended_text_message.context_info.expiration == DAY
    await http.post(f"/contacts/{FRIEND}/say", json=body | {"to": NUMBER, "seconds": 0})
    await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "stays"})
    assert message_content.timer_in(device.message_in(await device.next("message"))) == 0
    assert device.message_in(await device.next("message")).conversation == "stays"


@pytest.mark.parametrize(
    ("timer", "message", "remarks"),
    [
        (0, text("stays"), {}),
        (0, text("gone", DAY), {"expiration": 1}),
        (DAY, text("stays"), {"expiration": 1}),
        (DAY, Message(conversation="stays"), {"expiration": 1}),
        (DAY, text("gone", DAY), {}),
        (DAY, text("gone too soon", 60), {"expiration": 1}),
        (DAY, Message(), {}),
    ],
)
async def test_a_message_that_does_not_bear_the_timer_is_a_remark(
    device: Device, world: ServerState, timer: int, message: Any, remarks: dict[str, int]
) -> None:
    world.chat_timers.set(timer, FRIEND, NUMBER)
    with world.store.transaction():
        second = world.device_changes.link(FRIEND, notify=False)
    if not message.ListFields():
        message.reaction_message.text = "x"
    await send(device, message, "M1", devices=(0, second))
    assert world.remarks.of(NUMBER) == remarks
    (item,) = world.inbox.received(FRIEND)
    borne = message.extended_text_message.context_info.expiration
    assert item["content"].get("expiration", 0) == borne


async def test_a_client_sets_the_timer_of_a_chat(device: Device, world: ServerState) -> None:
    await send(device, message_content.timer(DAY), "M1")
    assert world.chat_timers.timer(NUMBER, FRIEND) == DAY
    (item,) = world.inbox.received(FRIEND)
    assert (item["type"], item["content"]) == ("timer", {"seconds": DAY})
    await send(device, text("gone", DAY), "M2")
    assert world.remarks.of(NUMBER) == {}


async def test_a_message_to_a_group_is_one_remark_however_many_members_got_it(
    device: Device, world: ServerState
) -> None:
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER, OTHER], PN_SERVER)
        world.group_management.notifications.made(group)
    await device.next("notification")
    world.chat_timers.set(DAY, group.chat)
    await Member(device, group).write("stays", "M1", to=(FRIEND, OTHER))
    while (await device.next("ack")).attrs["id"] != "M1":
        pass
    assert [len(world.inbox.received(one)) for one in (FRIEND, OTHER)] == [1, 1]
    assert world.remarks.of(NUMBER) == {"expiration": 1}


async def test_the_timer_of_a_group_is_in_its_node(
    device: Device, world: ServerState, http: httpx.AsyncClient
) -> None:
    body = {"subject": "Us", "creator": FRIEND, "participants": [NUMBER, OTHER]}
    made = (await http.post("/groups", json=body)).json()
    assert made["seconds"] == 0
    await device.next("notification")
    changed = (await http.post(f"/groups/{made['id']}", json={"seconds": DAY})).json()
    assert (changed["seconds"], changed["addressing"]) == (DAY, made["addressing"])
    told = await device.next("notification")
    assert told.attrs["type"] == "w:gp2"
    assert told.get_child("ephemeral").attrs == {"expiration": str(DAY)}
    asked = await query(device, made["id"], "get", Node("query", {"request": "interactive"}))
    assert asked.get_child("group").get_child("ephemeral").attrs == {"expiration": str(DAY)}
    for timer, seconds in (
        (Node("not_ephemeral"), 0),
        (Node("ephemeral", {"expiration": "60"}), 60),
    ):
        attrs = {"to": JID(made["id"].partition("@")[0], GROUP_SERVER), "xmlns": "w:g2"}
        await device.send(Node("iq", {**attrs, "type": "set", "id": timer.tag}, [timer]))
        answers = {one.tag: one for one in (await device.next(), await device.next())}
        assert answers["iq"].attrs["type"] == "result"
        assert answers["notification"].get_child(timer.tag) is not None
        assert (await http.get(f"/groups/{made['id']}")).json()["seconds"] == seconds
    wrong = await query(device, made["id"], "set", Node("ephemeral", {"expiration": "soon"}))
    assert wrong.get_child("error").attrs["code"] == "400"


async def query(device: Device, group: str, kind: str, content: Any) -> Any:
    """The answer to a query of the group; notifications wait."""
    to = JID(group.partition("@")[0], GROUP_SERVER)
    attrs = {"to": to, "xmlns": "w:g2", "type": kind, "id": f"{kind} {content.tag}"}
    await device.send(Node("iq", attrs, [content]))
    while (answer := await device.next("iq")).attrs["id"] != attrs["id"]:
        pass
    return answer


async def test_a_history_tells_the_timer(device: Device, world: ServerState) -> None:
    world.chat_timers.set(DAY, NUMBER, FRIEND)
    chunk, _ = world.history.chunk(NUMBER, {"conversations": [{"chat": FRIEND}]})
    (conversation,) = HistorySync.FromString(chunk.payload).conversations
    assert conversation.ephemeral_expiration == DAY


async def test_the_directory_tells_a_persons_own_timer(
    device: Device, http: httpx.AsyncClient
) -> None:
    assert (await http.post(f"/contacts/{FRIEND}", json={"default_timer": DAY})).is_success
    user = Node("user", {"jid": JID(FRIEND, PN_SERVER)})
    asked = Node(
        "usync",
        {"sid": "1", "mode": "query", "last": "true", "index": "0", "context": "interactive"},
        [Node("query", {}, [Node("disappearing_mode")]), Node("list", {}, [user])],
    )
    answer = await device.query("usync", "get", asked)
    found = answer.get_child("usync").get_child("list").get_child("user")
    assert found.get_child("disappearing_mode").attrs["duration"] == str(DAY)
    assert answer.attrs["from"] == SERVER
