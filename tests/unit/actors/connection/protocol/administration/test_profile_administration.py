"""Pictures are fetched once, and again once they change or the store lost them; people are named by LID and number."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.abilities.administration import OwnProfile
from actors.connection.engine import NotConnected, SendError
from actors.connection.protocol.administration.group_administration import Named
from actors.connection.protocol.administration.open_login import OpenLogin
from actors.connection.protocol.administration.profile_administration import (
    FoundPicture,
    ProfileAdministration,
)
from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.identities.lid_mapping import LidMapping
from actors.connection.protocol.media.picture_cache import (
    MOST_PICTURES,
    PICTURE_EVERY_SECONDS,
    PICTURE_FRESH_SECONDS,
    PICTURE_PAUSE_SECONDS,
    PICTURES_AT_ONCE,
    PictureCache,
)
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.connection.disconnects.causes import Cause

GROUP = "120363000000000001@g.us"
OWN, ANA, BEN = (f"1555010000{number}@s.whatsapp.net" for number in (1, 2, 3))
ANA_LID, BEN_LID = "90000000000002@lid", "90000000000003@lid"


class Pictures:
    """The media store, and the servers that pictures come from."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.files: dict[str, bytes] = {}
        self.cache = PictureCache(clock=clock)
        self.fetched: list[str] = []

    async def fetch(self, url: str) -> tuple[str, int]:
        await asyncio.sleep(0)
        self.fetched.append(url)
        sha256 = hashlib.sha256(url.encode()).hexdigest()
        self.files[sha256] = url.encode()
        return sha256, len(url)

    async def is_there(self, sha256: str) -> bool:
        return sha256 in self.files

    async def read(self, sha256: str) -> bytes:
        if sha256 not in self.files:
            raise SendError("unknown_media", permanent=True)
        return self.files[sha256]


class WhatsApp:
    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.found: FoundPicture | int = FoundPicture("1", "https://a/1")
        self.lid: Address | None = None
        self.refuses: int | None = None
        self.cause: Cause | None = None

    def fail(self, cause: Cause) -> None:
        self.cause = cause

    async def picture(self, chat: Address) -> FoundPicture:
        self.asked.append(("picture", str(chat)))
        if isinstance(self.found, int):
            raise RequestFailed(self.found)
        return self.found

    def _asked(self, *what: Any) -> None:
        self.asked.append(what)
        if self.refuses is not None:
            raise RequestFailed(self.refuses)

    async def set_picture(self, group: Address | None, jpeg: bytes | None) -> None:
        self._asked("set_picture", group, jpeg)

    async def blocked(self) -> list[Address]:
        return [Address.parse(each) for each in (BEN, ANA_LID, ANA)]

    async def block(self, person: Named, *, blocked: bool) -> Address | None:
        self._asked("block", person, blocked)
        return self.lid

    async def about(self, account: Address) -> str:
        self._asked("about", str(account))
        return "At work"

    async def set_about(self, about: str) -> None:
        self._asked("set_about", about)


class Login:
    def __init__(self, session: Session) -> None:
        self.now, self.logged_in, self.news = 0.0, True, 0
        self.session, self.whatsapp = session, WhatsApp()
        self.files = Pictures(lambda: self.now)
        people = LidMapping(session, Address.parse(OWN), None)
        wire: Any = self.whatsapp
        files: Any = SimpleNamespace(pictures=self.files)
        login = OpenLogin(session, people, wire, lambda: self.logged_in, self._on_inbox)
        self.profiles = ProfileAdministration(login, wire, files)
        self.without_files = ProfileAdministration(login, wire, None)

    async def _on_inbox(self) -> None:
        self.news += 1


@pytest.fixture
async def login(session: Session) -> Login:
    async with session.transaction():
        session.learn_lid(ANA_LID, ANA)
    return Login(session)


async def test_a_picture_is_asked_for_once_an_hour_and_fetched_once(login: Login) -> None:
    first, again = await asyncio.gather(
        login.profiles.picture(ANA), login.profiles.picture(ANA_LID)
    )
    assert first == again
    assert (login.whatsapp.asked, login.files.fetched) == ([("picture", ANA)], ["https://a/1"])
    login.now += PICTURE_FRESH_SECONDS
    login.whatsapp.found = FoundPicture("1", "https://a/another-address")
    assert await login.profiles.picture(ANA) == first
    assert (len(login.whatsapp.asked), login.files.fetched) == (2, ["https://a/1"])
    login.now += PICTURE_FRESH_SECONDS
    login.whatsapp.found = FoundPicture("2", "https://a/2")
    second = await login.profiles.picture(ANA)
    assert second is not None
    assert (second.id, login.files.fetched) == ("2", ["https://a/1", "https://a/2"])


async def test_a_picture_that_the_store_lost_is_fetched_again(login: Login) -> None:
    first = await login.profiles.picture(ANA)
    login.files.files.clear()
    assert await login.profiles.picture(ANA) == first
    assert login.files.fetched == ["https://a/1"] * 2


async def test_no_picture_is_remembered_and_a_hidden_one_too(login: Login) -> None:
    login.whatsapp.found = 404
    assert await login.profiles.picture(GROUP) is None
    assert await login.profiles.picture(GROUP) is None
    assert login.whatsapp.asked == [("picture", GROUP)]
    login.whatsapp.found = 401
    for _ in range(2):
        with pytest.raises(SendError, match="not_allowed"):
            await login.profiles.picture(ANA)
    assert len(login.whatsapp.asked) == 2
    login.now += PICTURE_FRESH_SECONDS
    login.whatsapp.found = FoundPicture("1", "https://a/1")
    assert await login.profiles.picture(ANA) is not None


def chat_of(number: int) -> str:
    return f"{15550100000 + number}@s.whatsapp.net"


async def test_whatsapp_is_asked_for_so_many_pictures_and_no_more(login: Login) -> None:
    """A list of chats, of which each picture is wanted at once."""
    for number in range(PICTURES_AT_ONCE):
        assert await login.profiles.picture(chat_of(number)) is not None
    for number in range(PICTURES_AT_ONCE, PICTURES_AT_ONCE + 3):
        with pytest.raises(SendError, match="whatsapp_limited") as refused:
            await login.profiles.picture(chat_of(number))
        assert refused.value.wait == PICTURE_EVERY_SECONDS
    assert len(login.whatsapp.asked) == PICTURES_AT_ONCE
    login.now += PICTURE_EVERY_SECONDS / 2
    with pytest.raises(SendError, match="whatsapp_limited") as refused:
        await login.profiles.picture(chat_of(PICTURES_AT_ONCE))
    assert refused.value.wait == PICTURE_EVERY_SECONDS / 2
    login.now += PICTURE_EVERY_SECONDS / 2
    assert await login.profiles.picture(chat_of(PICTURES_AT_ONCE)) is not None
    with pytest.raises(SendError, match="whatsapp_limited"):
        await login.profiles.picture(chat_of(PICTURES_AT_ONCE + 1))
    login.now += 10 * PICTURES_AT_ONCE * PICTURE_EVERY_SECONDS
    for number in range(100, 100 + PICTURES_AT_ONCE):
        await login.profiles.picture(chat_of(number))
    with pytest.raises(SendError, match="whatsapp_limited"):
        await login.profiles.picture(chat_of(99))


async def test_a_picture_that_is_known_stays_while_whatsapp_limits_the_account(
    login: Login,
) -> None:
    first = await login.profiles.picture(ANA)
    login.now += PICTURE_FRESH_SECONDS
    login.whatsapp.found = 429
    assert await login.profiles.picture(ANA) == first
    pause = PICTURE_PAUSE_SECONDS + PICTURE_EVERY_SECONDS
    for seconds in (0.0, 60.0):
        login.now += seconds
        with pytest.raises(SendError, match="whatsapp_limited") as refused:
            await login.profiles.picture(BEN)
        assert refused.value.wait == pause - seconds
    assert len(login.whatsapp.asked) == 2, "one was refused, and none is asked for after it"
    login.now += pause - 60.0
    login.whatsapp.found = 404
    assert await login.profiles.picture(BEN) is None
    assert len(login.whatsapp.asked) == 3


async def test_a_changed_picture_is_asked_for_again(login: Login) -> None:
    await login.profiles.picture(ANA)
    login.files.cache.forget(Address.parse(ANA))
    login.whatsapp.found = FoundPicture("2", "https://a/2")
    assert (found := await login.profiles.picture(ANA)) is not None
    assert found.id == "2"


async def test_an_answer_from_before_a_change_is_not_remembered(login: Login) -> None:
    asked = asyncio.create_task(login.profiles.picture(ANA))
    until_fetched = login.files.fetch

    async def fetch(url: str) -> tuple[str, int]:
        login.files.cache.forget(Address.parse(ANA))
        return await until_fetched(url)

    login.files.fetch = fetch  # type: ignore[method-assign]
    assert await asked is not None
    login.whatsapp.found = FoundPicture("2", "https://a/2")
    assert (found := await login.profiles.picture(ANA)) is not None
    assert found.id == "2"


async def test_a_refusal_from_before_a_change_is_not_remembered(login: Login) -> None:
    refused = login.whatsapp.picture

    async def picture(chat: Address) -> FoundPicture:
        login.files.cache.forget(chat)
        return await refused(chat)

    login.whatsapp.picture = picture  # type: ignore[method-assign]
    login.whatsapp.found = 401
    with pytest.raises(SendError, match="not_allowed"):
        await login.profiles.picture(ANA)
    login.whatsapp.found = FoundPicture("1", "https://a/1")
    assert await login.profiles.picture(ANA) is not None


async def test_as_many_pictures_are_remembered_as_may_be(login: Login) -> None:
    for number in range(MOST_PICTURES + 5):
        login.now += PICTURE_EVERY_SECONDS
        await login.profiles.picture(chat_of(number))
    assert len(login.files.cache) == MOST_PICTURES


async def test_a_picture_that_is_set_is_asked_for_again(login: Login) -> None:
    sha256, _ = await login.files.fetch("https://a/9")
    for chat, target in ((GROUP, Address.parse(GROUP)), (None, None)):
        await login.profiles.picture(chat or OWN)
        await login.profiles.set_picture(chat, sha256)
        assert login.whatsapp.asked[-1] == ("set_picture", target, b"https://a/9")
        asked = len(login.whatsapp.asked)
        await login.profiles.picture(chat or OWN)
        assert len(login.whatsapp.asked) == asked + 1
    await login.profiles.set_picture(GROUP, None)
    assert login.whatsapp.asked[-1] == ("set_picture", Address.parse(GROUP), None)


async def test_what_cannot_be_set_is_refused(login: Login) -> None:
    for asked, code in (
        (login.profiles.set_picture(GROUP, "0" * 64), "unknown_media"),
        (login.profiles.set_picture(ANA, None), "unknown_group"),
        (login.profiles.picture("nobody"), "unsupported_chat"),
        (login.profiles.block(GROUP, blocked=True), "unsupported_chat"),
        (login.without_files.picture(ANA), "media_unavailable"),
    ):
        with pytest.raises(SendError, match=code):
            await asked
    assert login.whatsapp.asked == []
    login.whatsapp.refuses = 406
    with pytest.raises(SendError, match="whatsapp_refused"):
        await login.profiles.set_picture(GROUP, None)


async def test_people_are_blocked_by_lid_and_number(login: Login) -> None:
    await login.profiles.block(ANA, blocked=True)
    named = Named(Address.parse(ANA_LID), Address.parse(ANA))
    assert login.whatsapp.asked == [("block", named, True)]
    assert await login.profiles.blocked() == [ANA, BEN]
    login.whatsapp.lid = Address.parse(BEN_LID)
    await login.profiles.block(BEN, blocked=False)
    assert login.whatsapp.asked[-1] == ("block", Named(Address.parse(BEN)), False)
    assert login.session.identities.lid_for(BEN) == BEN_LID
    login.whatsapp.refuses = 404
    with pytest.raises(SendError, match="not_on_whatsapp"):
        await login.profiles.block(BEN, blocked=True)


async def test_the_profile_has_the_name_that_is_known(login: Login) -> None:
    assert await login.profiles.profile() == OwnProfile(None, "At work")
    async with login.session.transaction():
        login.session.push_names.save(OWN, "Shop")
    assert await login.profiles.profile() == OwnProfile("Shop", "At work")


async def test_an_older_owner_changes_nothing(login: Login, path: Path) -> None:
    """G6, and nobody does before the login is done."""
    with closing(Session.open(path, 4)):
        for change in (
            login.profiles.set_about("Away"),
            login.profiles.block(ANA, blocked=True),
            login.profiles.set_picture(None, None),
        ):
            with pytest.raises(NotConnected):
                await change
    login.logged_in = False
    with pytest.raises(NotConnected):
        await login.profiles.picture(ANA)
    assert login.whatsapp.asked == []
