"""Pictures, blocked people and the own profile, over both engines; the simulator has each as it is."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.app_state_changes import InboxAppState
from actors.connection.protocol.identities.addresses import Address
from tests.integration.engine.groups.test_administration import code_of
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    Device,
    Simulator,
    chat,
    device,
    pair,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BEN, NOBODY = "15550100003", "15550199999"
FIRST, SECOND = b"\xff\xd8\xff first \xff\xd9", b"\xff\xd8\xff second \xff\xd9"


def digest(picture: bytes) -> str:
    return hashlib.sha256(picture).hexdigest()


async def kept(phone: Device, picture: bytes) -> str:
    """The SHA-256 of a picture in the media store, as of one that was uploaded."""
    store: Any = files_of(phone)._store

    async def chunks() -> AsyncIterator[bytes]:
        yield picture

    return str((await store.add(chunks(), limit=1000))[0])


def files_of(phone: Device) -> Any:
    return phone.engine._carrying.pictures


async def test_a_picture_is_fetched_once_until_whatsapp_reports_another_one(
    simulator: Simulator, tmp_path: Path
) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "hello")  # WhatsApp reports changes of people whom the account knows
        profiles: Any = phone.engine.administration.profiles

        async def becomes(picture: bytes | None) -> None:
            """Somebody else sets it; nobody here waits for an hour."""
            encoded = None if picture is None else base64.b64encode(picture).decode()
            await simulator.profile(CONTACT, picture=encoded)

            async def seen() -> bool:
                found = await profiles.picture(chat(CONTACT))
                return (None if found is None else found.sha256) == (picture and digest(picture))

            await until(seen)

        assert await profiles.picture(chat(CONTACT)) is None
        await becomes(FIRST)
        found = await profiles.picture(chat(CONTACT))
        assert (found.sha256, found.size) == (digest(FIRST), len(FIRST))
        (file,) = [each for each in (tmp_path / "media").rglob("*") if each.name == digest(FIRST)]
        assert file.read_bytes() == FIRST
        await becomes(SECOND)
        await becomes(None)
        await becomes(FIRST)
        file.unlink()
        assert (await profiles.picture(chat(CONTACT))).sha256 == digest(FIRST)
        assert file.read_bytes() == FIRST, "it is fetched again"
        await simulator.contact(CONTACT, picture_shown="none")
        assert (await profiles.picture(chat(CONTACT))).sha256 == digest(FIRST), "it is remembered"
        files_of(phone).cache.forget(Address.parse(chat(CONTACT)))  # an hour passes
        assert await code_of(profiles.picture(chat(CONTACT))) == "not_allowed"


async def test_another_picture_of_a_group_is_news(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        group = await simulator.group(CONTACT, ACCOUNT)
        profiles = phone.engine.administration.profiles
        assert await profiles.picture(group) is None
        sha256 = await kept(phone, FIRST)
        for picture in (sha256, None):
            await profiles.set_picture(group, picture)

        there, gone = await until(lambda: noted(phone, "group:picture", 2))
        assert (there.id, bool(there.value["value"]), there.news) == (group, True, True)
        assert there.value["by"]["address"] == chat(ACCOUNT)
        assert gone.value["value"] == ""


async def noted(phone: Device, setting: str, count: int) -> list[InboxAppState]:
    """The changes of this setting, once there are as many."""
    found = await phone.engine.pending("app_state", 100)
    changes = [one for one in found if isinstance(one, InboxAppState) and one.setting == setting]
    return changes if len(changes) == count else []


async def test_another_picture_of_a_person_is_news(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        await phone.send(1, "hello")
        for picture in (base64.b64encode(FIRST).decode(), None):
            await simulator.profile(CONTACT, picture=picture)
        there, gone = await until(lambda: noted(phone, "picture", 2))
        assert (there.subject, there.id, there.news) == ("contact", chat(CONTACT), True)
        assert (bool(there.value["id"]), gone.value["id"]) == (True, "")
        assert there.value["sender_lid"].endswith("@lid")


async def test_pictures_of_the_account_and_of_a_group(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        profiles = phone.engine.administration.profiles
        sha256 = await kept(phone, FIRST)
        await profiles.set_picture(None, sha256)
        assert (await simulator.profile(ACCOUNT))["picture"] is not None
        own = await profiles.picture(chat(ACCOUNT))
        assert own is not None
        assert own.sha256 == sha256
        await profiles.set_picture(None, None)
        assert (await simulator.profile(ACCOUNT))["picture"] is None
        assert await profiles.picture(chat(ACCOUNT)) is None
        group = (await phone.engine.administration.groups.create_group("Us", [chat(CONTACT)])).chat
        assert await profiles.picture(group) is None
        await profiles.set_picture(group, sha256)
        theirs = await profiles.picture(group)
        assert theirs is not None
        assert theirs.sha256 == sha256
        await profiles.set_picture(group, None)
        assert await profiles.picture(group) is None
        assert await code_of(profiles.set_picture(group, "0" * 64)) == "unknown_media"
        locked = await simulator.group(CONTACT, ACCOUNT)
        await simulator.change_group(locked, locked=True)
        assert await code_of(profiles.set_picture(locked, sha256)) == "not_allowed"


async def test_people_are_blocked_and_not_any_more(simulator: Simulator, tmp_path: Path) -> None:
    """By LID and number, also of a person whose LID is not known yet."""
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        profiles = phone.engine.administration.profiles
        assert await profiles.blocked() == []
        for _ in range(2):  # a repetition changes nothing
            await profiles.block(chat(BEN), blocked=True)
        await profiles.block(chat(CONTACT), blocked=True)
        assert await profiles.blocked() == [chat(CONTACT), chat(BEN)]
        await phone.send(1, "hello")
        for _ in range(2):
            await profiles.block(chat(CONTACT), blocked=False)
        assert await profiles.blocked() == [chat(BEN)]
        assert await code_of(profiles.block("120363000000000001@g.us", blocked=True)) == (
            "unsupported_chat"
        )


async def test_the_own_profile(simulator: Simulator, tmp_path: Path) -> None:
    async with device(simulator, tmp_path) as phone:
        await pair(simulator, phone)
        profiles = phone.engine.administration.profiles
        await profiles.set_about("At work ☕")
        assert (await simulator.profile(ACCOUNT))["about"] == "At work ☕"
        assert (await profiles.profile()).about == "At work ☕"
        await profiles.set_name("Teimoso shop")

        async def named() -> bool:
            return (await profiles.profile()).name == "Teimoso shop"

        await until(named)
