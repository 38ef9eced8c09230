"""History: what a phone tells its companions of the time before, as a file or inline."""

from __future__ import annotations

import zlib
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest

from simulator.media.encryption import decrypted
from simulator.wire.proto_schema import HistorySync
from simulator.wire.protocol_library import JID, Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND, OTHER = "15550100001", "15550100002", "15550100003"
PATH = f"/phones/{NUMBER}/history"


async def history_of(device: Device) -> tuple[Any, Any]:
    """The next notification of a history, and the history itself."""
    stanza = await device.next("message")
    assert stanza.attrs["from"] == JID(NUMBER)
    assert stanza.attrs["category"] == "peer"
    assert "recipient" not in stanza.attrs
    part = device.message_in(stanza).protocol_message
    assert part.type == part.HISTORY_SYNC_NOTIFICATION
    notification = part.history_sync_notification
    data = notification.initial_hist_bootstrap_inline_payload
    if not data:
        world = device.world
        held = world.media.at(notification.direct_path)
        assert held is not None
        body = world.media.file(held.token).read_bytes()
        source = BytesIO(body)
        data = b"".join(decrypted(source, len(body), "md-msg-hist", notification.media_key))
        assert notification.file_length == len(data)
    attrs = {"id": stanza.attrs["id"], "to": JID(NUMBER), "type": "hist_sync"}
    await device.send(Node("receipt", attrs))
    return notification, HistorySync.FromString(zlib.decompress(data))


@pytest.mark.parametrize("inline", [False, True])
@pytest.mark.parametrize("addressing", ["pn", "lid"])
async def test_what_was_missed(
    paired: Callable[[str], Awaitable[Device]],
    http: httpx.AsyncClient,
    inline: bool,
    addressing: str,
) -> None:
    device = await paired(NUMBER)
    messages: list[dict[str, Any]] = [
        {"text": "one", "at": 1_790_000_000},
        {"text": "two", "at": 1_790_000_005, "from_me": True, "id": "M2"},
        {"type": "location", "latitude": 1, "longitude": 2, "at": 1_790_000_003},
    ]
    body = {
        "conversations": [{"chat": FRIEND, "unread": 2, "messages": messages}],
        "inline": inline,
        "addressing": addressing,
        "chunk_order": 4,
        "progress": 70,
    }
    answer = (await http.post(PATH, json=body)).json()
    notification, sync = await history_of(device)
    assert (notification.sync_type, notification.chunk_order) == (3, 4)
    assert (sync.sync_type, sync.chunk_order, sync.progress) == (3, 4, 70)
    (conversation,) = sync.conversations
    person = device.world.people.named(FRIEND)
    chat = person.addresses()[addressing == "lid"]
    assert (conversation.id, conversation.unread_count) == (chat, 2)
    assert (conversation.pn_jid, conversation.lid_jid) == person.addresses()
    assert conversation.conversation_timestamp == 1_790_000_005
    (pair,) = sync.phone_number_to_lid_mappings
    assert (pair.pn_jid, pair.lid_jid) == person.addresses()
    infos = [one.message for one in conversation.messages]
    assert [info.key.id for info in infos] == answer["ids"]
    assert answer["ids"][1] == "M2"
    assert [info.key.from_me for info in infos] == [False, True, False]
    assert {info.key.remote_jid for info in infos} == {chat}
    assert [info.message.conversation for info in infos] == ["one", "two", ""]
    assert infos[2].message.location_message.degrees_longitude == 2
    assert [info.message_timestamp for info in infos] == [one["at"] for one in messages]
    await device.query("w:p", "get")
    assert device.world.queue.counts((NUMBER, device.device)) == {}


async def test_a_groups_history(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device = await paired(NUMBER)
    with device.world.store.transaction():
        group = device.world.groups.make("Us", FRIEND, [NUMBER, OTHER], "lid")
    messages = [{"from": OTHER, "text": "hello"}, {"from_me": True, "text": "hi"}]
    body = {"type": "full", "conversations": [{"chat": group.chat, "messages": messages}]}
    assert (await http.post(PATH, json=body)).is_success
    _, sync = await history_of(device)
    (conversation,) = sync.conversations
    assert (conversation.id, conversation.name) == (group.chat, "Us")
    first, second = (one.message for one in conversation.messages)
    other = device.world.people.named(OTHER).addresses()[1]
    assert (first.key.participant, first.participant) == (other, other)
    assert (second.key.from_me, second.key.participant) == (True, "")


async def test_at_pairing(
    new_device: Callable[[], Device], http: httpx.AsyncClient, world: ServerState
) -> None:
    for body in (
        {"type": "initial_bootstrap", "conversations": [{"chat": FRIEND}]},
        {"type": "push_name", "pushnames": {FRIEND: "Ana"}},
    ):
        answer = await http.post(PATH, json={"when": "pairing", **body})
        assert (answer.status_code, answer.json()["told"]) == (201, [])
    device = new_device()
    await device.pair(NUMBER)
    assert world.queue.counts((NUMBER, device.device))["message"] == 2
    await device.login()
    _, first = await history_of(device)
    _, second = await history_of(device)
    assert (first.sync_type, second.sync_type) == (0, 4)
    (name,) = second.pushnames
    assert (name.id, name.pushname) == (f"{FRIEND}@s.whatsapp.net", "Ana")
    # once: more prekeys are no new pairing
    await device.upload(1)
    assert "message" not in world.queue.counts((NUMBER, device.device))


async def test_a_notification_that_was_not_read_comes_again(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient
) -> None:
    device = await paired(NUMBER)
    await http.post(PATH, json={"pushnames": {FRIEND: "Ana"}})
    lost = await device.next("message")
    retry = Node("retry", {"count": "1", "id": lost.attrs["id"], "t": "1", "v": "1"})
    attrs = {"to": lost.attrs["from"], "id": lost.attrs["id"], "type": "retry"}
    await device.send(Node("receipt", attrs, [retry]))
    again = await device.next("message")
    assert again.attrs["category"] == "peer"
    part = device.message_in(again).protocol_message
    assert part.history_sync_notification.direct_path


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 409, "no_companion"),
        ({"type": "past"}, 400, "bad_type"),
        ({"when": "later"}, 400, "bad_when"),
        ({"addressing": "fax"}, 400, "bad_addressing"),
        ({"conversations": [1]}, 400, "wrong_type"),
        ({"conversations": [{}]}, 400, "missing_field"),
        ({"conversations": [{"chat": "1@g.us"}]}, 404, "no_such_group"),
        ({"conversations": [{"chat": FRIEND, "messages": [{"smell": 1}]}]}, 400, "unknown_field"),
        ({"conversations": [{"chat": FRIEND, "messages": [{}]}]}, 400, "missing_field"),
        ({"conversations": [{"chat": FRIEND, "unread": -1}]}, 400, "bad_number"),
        ({"pushnames": {FRIEND: 1}}, 400, "wrong_type"),
    ],
)
async def test_no_such_history(
    http: httpx.AsyncClient, world: ServerState, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert world.store.number("SELECT count(*) FROM histories") == 0


async def test_no_more_at_once_than_a_file_holds(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.phones.history_sync.MAX_MESSAGES", 2)
    messages = [{"text": "x"}] * 3
    answer = await http.post(PATH, json={"conversations": [{"chat": FRIEND, "messages": messages}]})
    assert (answer.status_code, answer.json()["code"]) == (400, "too_many")
