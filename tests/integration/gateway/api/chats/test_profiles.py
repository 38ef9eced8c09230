"""Pictures are served as files of messages are; blocked people and the profile are the owner's to change."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.integration.gateway.api.chats.test_chat_list import say
from tests.integration.gateway.api.chats.test_group_changes import ANA, AT, GROUP
from tests.integration.gateway.api.chats.test_group_changes import asked as asked  # noqa: PLC0414

if TYPE_CHECKING:
    import httpx

    from actors.state.documents import Documents
    from tests.integration.gateway.api.connections.test_account import Able
    from tests.integration.gateway.served import Api

JPEG, PNG = b"\xff\xd8\xff" + b"a picture" * 10, b"\x89PNG" + b"a picture" * 10
PATH = f"/api/chats/shop/{ANA}/picture"
SHA256 = hashlib.sha256(JPEG).hexdigest()


async def uploaded(client: httpx.AsyncClient, content: bytes, mime: str = "image/jpeg") -> str:
    answer = await client.post("/api/media", content=content, headers={"Content-Type": mime})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sha256"])


async def test_a_picture_is_a_file_with_an_etag(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    await uploaded(client, JPEG)  # stands for the one that the owner fetches
    owner.answer = {"picture": {"id": "7", "sha256": SHA256, "size": len(JPEG)}}
    found = await client.get(PATH)
    assert (found.status_code, found.content) == (200, JPEG)
    assert (found.headers["etag"], found.headers["content-type"]) == (f'"{SHA256}"', "image/jpeg")
    same = await client.get(PATH, headers={"If-None-Match": f'"{SHA256}"'})
    assert (same.status_code, same.content) == (304, b"")
    part = await client.get(PATH, headers={"Range": "bytes=0-2"})
    assert (part.status_code, part.content) == (206, JPEG[:3])
    assert owner.asked == [("picture", {"chat": ANA})] * 3
    owner.answer = {"picture": {"id": "7", "sha256": "0" * 64, "size": 1}}
    assert (await client.get(PATH)).json()["code"] == "media_gone"
    owner.answer = {"picture": None}
    none = await client.get(PATH)
    assert (none.status_code, none.json()["code"]) == (404, "no_picture")


async def test_lists_have_the_picture_that_a_chat_was_last_seen_with(
    asked: tuple[httpx.AsyncClient, Able], documents: Documents
) -> None:
    client, owner = asked
    await say(documents, 1, ANA, "hello")
    await uploaded(client, JPEG)

    async def shown() -> set[str | None]:
        found = set()
        for path in ("/api/chats", "/api/contacts"):
            answer = await client.get(path, params={**AT, "search": ANA.partition("@")[0]})
            (one,) = answer.json()["items"]
            found.add(one["picture"])
        return found

    assert await shown() == {None}
    owner.answer = {"picture": {"id": "7", "sha256": SHA256, "size": len(JPEG)}}
    assert (await client.get(PATH)).status_code == 200
    assert await shown() == {SHA256}
    # While WhatsApp cannot be asked, that one is given.
    for code in ("not_connected", "whatsapp_limited", "connection_lost"):
        owner.answer = {"error": code}
        last = await client.get(PATH)
        assert (last.status_code, last.content) == (200, JPEG), code
    for answer, code in (
        ({"error": "not_allowed"}, "not_allowed"),  # it was hidden, and the last one with it
        ({"picture": None}, "no_picture"),
    ):
        owner.answer = {"picture": {"id": "7", "sha256": SHA256, "size": len(JPEG)}}
        assert (await client.get(PATH)).status_code == 200
        assert await shown() == {SHA256}
        owner.answer = answer
        assert (await client.get(PATH)).json()["code"] == code
        assert await shown() == {None}
        owner.answer = {"error": "whatsapp_limited", "wait": 7}
        limited = await client.get(PATH)
        assert (limited.status_code, limited.json()["code"]) == (429, "whatsapp_limited")
        assert limited.headers["Retry-After"] == "7"


async def test_a_picture_is_set_from_an_upload(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    path = f"/api/groups/{GROUP}/picture"
    sha256 = await uploaded(client, JPEG)
    assert (await client.put(path, params=AT, json={"picture": sha256})).status_code == 204
    assert (await client.delete(path, params=AT)).status_code == 204
    profile = "/api/connections/shop/profile"
    for picture in (sha256, None):
        changed = await client.patch(profile, json={"picture": picture, "about": "At work"})
        assert changed.status_code == 204
    assert owner.asked == [
        ("set_picture", {"chat": GROUP, "sha256": sha256}),
        ("set_picture", {"chat": GROUP, "sha256": None}),
        ("change_profile", {"change": {"picture": sha256, "about": "At work"}}),
        ("change_profile", {"change": {"picture": None, "about": "At work"}}),
    ]
    png, large = await uploaded(client, PNG, "image/png"), await uploaded(client, JPEG * 20_000)
    for given, code in (
        (png, "media_type_mismatch"),
        (large, "media_too_large"),
        ("0" * 64, "unknown_media"),
    ):
        refused = await client.put(path, params=AT, json={"picture": given})
        assert refused.json()["code"] == code
        assert (await client.patch(profile, json={"picture": given})).json()["code"] == code
    assert len(owner.asked) == 4


async def test_people_are_blocked(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    owner.answer = {"people": [ANA]}
    listed = await client.get("/api/contacts/shop/blocked")
    assert listed.json() == {"items": [ANA], "next": None}
    for method, blocked in (("PUT", True), ("DELETE", False)):
        answer = await client.request(method, "/api/contacts/shop/blocked/+1 555 010-0002")
        assert answer.status_code == 204
        assert owner.asked[-1] == ("block", {"person": ANA, "blocked": blocked})
    owner.answer = {"error": "not_on_whatsapp"}
    refused = await client.put(f"/api/contacts/shop/blocked/{ANA}")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_on_whatsapp")


async def test_the_profile_is_shown(asked: tuple[httpx.AsyncClient, Able]) -> None:
    client, owner = asked
    owner.answer = {"name": None, "about": ""}
    assert (await client.get("/api/connections/shop/profile")).json() == owner.answer
    assert owner.asked == [("profile", {})]


def test_what_cannot_be_changed_is_refused_unasked(api: Api) -> None:
    """The connection is not open: that would be another refusal."""
    path = "/api/connections/shop/profile"
    for body, code in (
        ({}, "missing_field"),
        ({"about": None}, "missing_field"),
        ({"name": "x" * 26}, "invalid_field"),
        ({"about": "two\nlines"}, "invalid_field"),
        ({"picture": "no digest"}, "invalid_field"),
    ):
        refused = api.patch(path, json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, code), body
    wrong = api.put(f"/api/contacts/shop/blocked/{GROUP}")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "unsupported_chat")
