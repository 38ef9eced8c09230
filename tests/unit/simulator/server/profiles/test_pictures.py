"""Pictures of people and groups, as clients set and read them."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from simulator.media.routes import media_application
from simulator.wire.protocol_library import JID, LID_SERVER, PN_SERVER, Node, text_of

if TYPE_CHECKING:
    from simulator.server_state import ServerState
    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
JPEG, OTHER = b"\xff\xd8\xff\xe0one\xff\xd9", b"\xff\xd8\xff\xe0other\xff\xd9"


async def ask(device: Device, kind: str, target: Any, *content: Any) -> Any:
    """The picture in the answer, None without one, or the code of a refusal."""
    attrs = {"to": JID("", PN_SERVER), "xmlns": "w:profile:picture", "type": kind, "id": "q"}
    attrs |= {} if target is None else {"target": target}
    await device.send(Node("iq", attrs, list(content) or None))
    answer = await device.next("iq")
    if answer.attrs["type"] == "error":
        return answer.get_child("error").attrs["code"]
    return answer.get_child("picture")


def url(size: str = "image", **more: str) -> Any:
    return Node("picture", {"type": size, "query": "url", **more})


async def file(world: ServerState, address: str) -> httpx.Response:
    app = media_application(world.store, world.faults, world.media)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        return await http.get(address)


@pytest.fixture
def friend(world: ServerState, device: Device) -> Any:
    """The address of a friend who wrote to the account."""
    with world.store.transaction():
        world.contact_behaviour.say(FRIEND, NUMBER, "hello")
    return world.people.named(FRIEND).address(PN_SERVER)


async def test_a_contacts_picture(
    world: ServerState, device: Device, friend: Any, http: httpx.AsyncClient
) -> None:
    assert await ask(device, "get", friend, url()) == "404"
    written = {"picture": base64.b64encode(JPEG).decode()}
    id_ = (await http.post(f"/contacts/{FRIEND}/profile", json=written)).json()["picture"]
    stanza = await device.next("notification")
    changed = stanza.get_child("set")
    assert (stanza.attrs["type"], stanza.attrs["from"]) == ("picture", friend)
    assert (changed.attrs["jid"], changed.attrs["id"]) == (friend, id_)
    for size in ("image", "preview"):
        picture = await ask(device, "get", friend, url(size))
        assert (picture.attrs["id"], picture.attrs["type"]) == (id_, size)
        assert (await file(world, picture.attrs["url"])).content == JPEG
        assert base64.b64decode(picture.attrs["hash"]) == hashlib.sha256(JPEG).digest()
        assert picture.attrs["url"].endswith(picture.attrs["direct_path"])
    assert await ask(device, "get", friend, url(id=id_)) is None
    inline = await ask(device, "get", friend, Node("picture", {"type": "preview"}))
    assert inline.content == JPEG
    world.properties.put(FRIEND, "picture_shown", "none")
    assert await ask(device, "get", friend, url()) == "401"
    await http.post(f"/contacts/{FRIEND}/profile", json={"picture": None})
    deleted = (await device.next("notification")).get_child("delete")
    assert deleted.attrs["jid"] == friend
    assert (await file(world, picture.attrs["url"])).status_code == 404


async def test_the_accounts_own_picture(world: ServerState, device: Device) -> None:
    image, preview = (
        Node("picture", {"type": "image"}, JPEG),
        Node("picture", {"type": "preview"}, OTHER),
    )
    for bad in (b"GIF89a", b"\xff\xd8\xff" + bytes(1 << 19)):
        assert await ask(device, "set", None, Node("picture", {"type": "image"}, bad)) == "406"
    id_ = text_of(await ask(device, "set", None, image, preview), "id")
    assert (await device.next("notification")).get_child("set").attrs["id"] == id_
    own = world.people.named(NUMBER).address(LID_SERVER)
    small = await ask(device, "get", own, url("preview"))
    assert (await file(world, small.attrs["url"])).content == OTHER
    again = text_of(await ask(device, "set", own, image), "id")
    assert int(again) > int(id_)
    assert (await device.next("notification")).get_child("set").attrs["id"] == again
    assert (await file(world, small.attrs["url"])).status_code == 404
    assert await ask(device, "set", None) is None
    assert (await device.next("notification")).get_child("delete") is not None
    assert await ask(device, "get", None, url()) == "404"
    assert await ask(device, "set", None) is None, "nothing changed, and nobody is notified"
    assert world.queue.counts((NUMBER, device.device))["notification"] == 3


@pytest.mark.parametrize("server", [PN_SERVER, LID_SERVER])
async def test_the_picture_of_a_group(
    world: ServerState, device: Device, http: httpx.AsyncClient, server: str
) -> None:
    with world.store.transaction():
        group = world.groups.make("Us", FRIEND, [NUMBER], server)
        code = world.group_management.invites.link(group)
        other = world.groups.make("Them", FRIEND, [], server)
    image = Node("picture", {"type": "image"}, JPEG)
    id_ = text_of(await ask(device, "set", group.address, image), "id")
    stanza = await device.next("notification")
    changed = stanza.get_child("set")
    assert (stanza.attrs["from"], changed.attrs["jid"]) == (group.address, group.address)
    author = world.people.named(NUMBER).address(server)
    assert (changed.attrs["id"], changed.attrs["author"]) == (id_, author)
    assert text_of(await ask(device, "get", group.address, url()), "id") == id_
    assert (await http.get(f"/groups/{group.chat}")).json()["picture"] == id_
    await http.post(f"/groups/{group.chat}", json={"locked": True})
    assert await ask(device, "set", group.address) == "401"
    await http.post(f"/groups/{group.chat}", json={"picture": None})
    assert (await ask(device, "get", group.address, url())) == "404"
    assert await ask(device, "set", other.address, image) == "403"
    assert await ask(device, "get", other.address, url()) == "401"
    assert await ask(device, "get", other.address, url(invite=code)) == "401"
    with world.store.transaction():
        code = world.group_management.invites.link(other)
    assert await ask(device, "get", other.address, url(invite=code)) == "404"
    assert await ask(device, "get", JID("120363000000000000", "g.us"), url()) == "404"


async def test_nobody_sets_the_picture_of_another(device: Device, friend: Any) -> None:
    image = Node("picture", {"type": "image"}, JPEG)
    assert await ask(device, "set", friend, image) == "403"
    assert await ask(device, "get", JID("100000000000001", LID_SERVER), url()) == "404"


async def test_a_lookup_has_picture_and_status(
    device: Device, friend: Any, http: httpx.AsyncClient
) -> None:
    async def found() -> list[Any]:
        protocols = Node("query", {}, [Node("status"), Node("picture")])
        users = Node("list", {}, [Node("user", {"jid": friend})])
        answer = await device.query("usync", "get", Node("usync", {"sid": "1"}, [protocols, users]))
        (user,) = answer.get_child("usync").get_child("list").get_children()
        return [user.get_child("status").content, user.get_child("picture").attrs.get("id")]

    assert await found() == [b"", None]
    written = {"picture": base64.b64encode(JPEG).decode(), "about": "at the beach"}
    id_ = (await http.post(f"/contacts/{FRIEND}/profile", json=written)).json()["picture"]
    assert await found() == [b"at the beach", id_]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "unknown_field"),
        ({"name": "x"}, "unknown_field"),
        ({"picture": "no"}, "bad_picture"),
        ({"picture": "aGVsbG8="}, "refused"),
        ({"about": "x" * 140}, "refused"),
    ],
)
async def test_a_profile_that_there_cannot_be(
    http: httpx.AsyncClient, body: dict[str, Any], code: str
) -> None:
    answer = await http.post(f"/contacts/{FRIEND}/profile", json=body)
    assert answer.json()["code"] == code
