"""The control API on contacts and accounts: what they are, what they said, and what becomes of their keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.contacts import message_content
from simulator.wire.protocol_library import PN_SERVER

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"


async def test_an_account_with_devices_cannot_change_its_identity(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    await paired(NUMBER)
    answer = await http.post(f"/contacts/{NUMBER}/reinstall", json={"identity": "new"})
    assert (answer.status_code, answer.json()["code"]) == (409, "has_companions")


async def test_what_grows_is_read_in_pages(
    http: httpx.AsyncClient, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    other = "15550100003"

    async def read(path: str, **query: int) -> tuple[list[str], int]:
        page = (await http.get(path, params=query)).json()
        assert all(item["index"] > query.get("after", 0) for item in page["items"])
        return [item["text"] for item in page["items"]], page["last"]

    inbox, said = f"/contacts/{FRIEND}/inbox", f"/contacts/{NUMBER}/said"
    body = {"to": FRIEND, "text": "text", "count": 5}
    ids = (await http.post(f"/phones/{NUMBER}/say", json=body)).json()["ids"]
    await http.post(f"/phones/{NUMBER}/say", json={"to": other, "text": "elsewhere"})
    texts, last = await read(inbox, limit=3)
    assert texts == ["text 1", "text 2", "text 3"]
    texts, last = await read(inbox, after=last, limit=3)
    assert texts == ["text 4", "text 5"]
    assert await read(inbox, after=last) == ([], last)
    assert (await read(inbox))[0] == [f"text {number}" for number in range(1, 6)]
    texts, last_said = await read(said, after=(await read(said, limit=4))[1])
    assert texts == ["text 5", "elsewhere"]
    # one that comes again keeps its index, and one that is new comes after it
    with world.store.transaction():
        friend = world.people.named(FRIEND)
        world.message_handler.hear(
            world.people.named(NUMBER), friend, ids[0], message_content.text("text 1"), PN_SERVER
        )
    assert await read(inbox, after=last) == ([], last)
    assert world.inbox.received(FRIEND)[0]["deliveries"] == 2
    await http.post(f"/phones/{NUMBER}/say", json={"to": FRIEND, "text": "news"})
    assert (await read(inbox, after=last))[0] == ["news"]
    assert (await read(said, after=last_said))[0] == ["news"]
    for number in range(3):
        stanza = await device.message(FRIEND, f"copy {number}", f"M{number}")
        copy = await device.part(NUMBER, 0, device.own_copy(f"copy {number}", FRIEND))
        stanza.get_child("participants").content.append(copy)
        await device.send(stanza)
        await device.next("ack")
    copies = f"/phones/{NUMBER}/inbox"
    texts, last = await read(copies, limit=2)
    assert texts == ["copy 0", "copy 1"]
    assert (await read(copies, after=last))[0] == ["copy 2"]


async def test_a_contact_and_an_account_are_described(
    http: httpx.AsyncClient, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    added = await http.post(f"/contacts/{FRIEND}/devices", json={"notify": False})
    assert (added.status_code, added.json()) == (201, {"device": 1})
    await http.post(f"/contacts/{FRIEND}/addressing", json={"mode": "lid"})
    contact = (await http.get(f"/contacts/{FRIEND}")).json()
    assert (contact["addressing"], contact["retries"]) == ("lid", 0)
    assert contact["devices"] == [
        {
            "device": one,
            "identity": endpoint.identity.public.hex(),
            "registration_id": endpoint.registration,
        }
        for one, endpoint in world.endpoints.of(FRIEND).items()
    ]
    removed = await http.delete(f"/contacts/{FRIEND}/devices/1", params={"notify": "false"})
    assert removed.json() == {"device": 1}
    assert len((await http.get(f"/contacts/{FRIEND}")).json()["devices"]) == 1
    account = (await http.get(f"/accounts/{NUMBER}")).json()
    assert (account["retries"], account["version"]) == (0, device.version)
    assert (await http.post(f"/accounts/{NUMBER}/prekeys", json={"keep": 2})).json() == {
        "prekeys": 2
    }
    assert (await device.next("notification")).get_child("count").attrs["value"] == "2"


async def test_many_texts_in_one_call(
    http: httpx.AsyncClient, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    body = {"to": NUMBER, "text": "text", "count": 50}
    ids = (await http.post(f"/contacts/{FRIEND}/say", json=body)).json()["ids"]
    assert [await device.read() for _ in ids] == [
        (message_id, f"text {index}") for index, message_id in enumerate(ids, 1)
    ]


async def test_a_contact_forgets_and_reinstalls(
    http: httpx.AsyncClient, world: ServerState, paired: Callable[[str], Awaitable[Device]]
) -> None:
    device = await paired(NUMBER)
    await http.post(f"/contacts/{FRIEND}/say", json={"to": NUMBER, "text": "hello"})
    before = (await http.get(f"/contacts/{FRIEND}")).json()["devices"]
    forgotten = await http.post(f"/contacts/{FRIEND}/forget", json={"account": f"+{NUMBER}"})
    assert forgotten.json() == {"sessions": 1}
    await http.post(f"/contacts/{FRIEND}/reinstall", json={"notify": False})
    assert "notification" not in world.queue.counts((NUMBER, device.device))
    await http.post(f"/contacts/{FRIEND}/reinstall")
    assert (await device.next("notification")).get_child("identity") is not None
    assert (await http.get(f"/contacts/{FRIEND}")).json()["devices"] != before
