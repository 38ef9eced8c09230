"""Presence and typing: from the engine to each reader, for as long as they are true."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from actors.connection.abilities import presence_reporter as presence_module
from actors.connection.disconnects.causes import Kind
from actors.connection.engine import Presence
from actors.redis import keys, presence
from actors.redis.client import RedisAway
from actors.redis.presence import PRESENCE_SECONDS, ChatPresence, PresenceNote, Presences
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey

ANA, BEN = "15550100002@s.whatsapp.net", "15550100003@s.whatsapp.net"
GROUP = "120363000000000001@g.us"


async def sees(served: Served, chat: str, expected: Callable[[ChatPresence], bool]) -> ChatPresence:
    async def look() -> ChatPresence | None:
        seen = await served.presences.read("shop", chat, time.time())
        return seen if expected(seen) else None

    return await eventually("it is seen", look, 10)


async def tells(served: Served, *news: Presence) -> None:
    for one in news:
        await served.serving.events.on_presence(one)


def failures_of(method: str, monkeypatch: pytest.MonkeyPatch) -> list[RedisAway]:
    """Those that the owner meets from now on."""
    failures: list[RedisAway] = []
    original = getattr(Presences, method)

    async def watched(self: Presences, *args: Any) -> Any:
        try:
            return await original(self, *args)
        except RedisAway as away:
            failures.append(away)
            raise

    monkeypatch.setattr(Presences, method, watched)
    return failures


async def test_presence_is_visible_until_it_changes(served: Served) -> None:
    await served.begin()
    await tells(served, Presence(ANA, ANA, "available"), Presence(ANA, ANA, "composing"))
    seen = await sees(served, ANA, lambda seen: bool(seen.typing))
    assert (seen.presence, seen.last_seen, seen.typing[ANA][0]) == ("available", None, "composing")
    await tells(served, Presence(ANA, ANA, "unavailable", 17), Presence(ANA, ANA, "paused"))
    seen = await sees(served, ANA, lambda seen: not seen.typing)
    assert (seen.presence, seen.last_seen) == ("unavailable", 17)
    # A contact who is back has not said when they were last there: the known time stays.
    await tells(served, Presence(ANA, ANA, "available"))
    seen = await sees(served, ANA, lambda seen: seen.presence == "available")
    assert seen.last_seen == 17
    assert await served.presences.read("shop", BEN, time.time()) == ChatPresence()


async def test_each_participant_of_a_group_types_for_himself(served: Served) -> None:
    await served.begin()
    await tells(served, Presence(GROUP, ANA, "composing"), Presence(GROUP, BEN, "recording"))
    seen = await sees(served, GROUP, lambda seen: len(seen.typing) == 2)
    assert {who: state for who, (state, _) in seen.typing.items()} == {
        ANA: "composing",
        BEN: "recording",
    }
    await tells(served, Presence(GROUP, ANA, "paused"))
    assert set((await sees(served, GROUP, lambda seen: len(seen.typing) == 1)).typing) == {BEN}


async def test_who_stopped_in_a_group_where_another_types_on(served: Served) -> None:
    now = time.time()
    stopped = PresenceNote(GROUP, ANA, "composing", now - presence.TYPING - 1)
    await served.presences.note("shop", [stopped, PresenceNote(GROUP, BEN, "composing", now)])
    assert await served.redis.hlen(keys.of("shop").typing(GROUP)) == 2
    assert set((await served.presences.read("shop", GROUP, now)).typing) == {BEN}


async def test_typing_ends_by_itself(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "TYPING", 0.5)
    await served.begin()
    await tells(served, Presence(ANA, ANA, "composing"), Presence(ANA, ANA, "available"))
    await sees(served, ANA, lambda seen: bool(seen.typing))
    await sees(served, ANA, lambda seen: not seen.typing)

    async def gone() -> bool:
        return not await served.redis.exists(keys.of("shop").typing(ANA))

    await eventually("nothing is left of it", gone, 5)
    lasts = await served.redis.pttl(keys.of("shop").presence(ANA))
    assert 0 < lasts <= PRESENCE_SECONDS * 1000


async def test_a_clock_that_is_set_back_keeps_nobody_typing(served: Served) -> None:
    """The key's own time, which is Redis', ends it."""
    await served.presences.note("shop", [PresenceNote(ANA, ANA, "composing", time.time() + 3600)])
    assert 0 < await served.redis.pttl(keys.of("shop").typing(ANA)) <= presence.TYPING * 1000


async def test_of_many_news_the_newest_is_reported(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In few calls, and as many chats as may wait."""
    told: list[list[PresenceNote]] = []
    note = Presences.note

    async def counted(self: Presences, connection: str, notes: Any) -> None:
        told.append(list(notes))
        await note(self, connection, notes)

    monkeypatch.setattr(Presences, "note", counted)
    monkeypatch.setattr(presence_module, "MAX_WAITING_PRESENCES", 10)
    await served.begin()
    chats = [f"155501000{number:02}@s.whatsapp.net" for number in range(20)]
    for chat in chats:
        await tells(served, Presence(chat, chat, "available"))
    await tells(served, Presence(chats[10], chats[10], "unavailable"))
    await tells(served, Presence(ANA, ANA, "composing"))
    await sees(served, ANA, lambda seen: bool(seen.typing))
    assert [[note.chat for note in notes] for notes in told] == [[*chats[12:], chats[10], ANA]]
    assert (await served.presences.read("shop", chats[10], time.time())).presence == "unavailable"


async def test_no_more_is_noted_than_may(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "NOTED", 3)
    now = time.time()
    chats = [f"155501000{number:02}@s.whatsapp.net" for number in range(5)]
    for chat in (*chats, chats[2]):
        await served.presences.note("shop", [PresenceNote(chat, chat, "available", now)])
    left = await served.redis.keys("*:presence:*")
    assert sorted(left) == [keys.of("shop").presence(chat) for chat in chats[2:]]


async def test_redis_writes_none_of_it_into_its_log(served: Served) -> None:
    async def log() -> int:
        return int((await served.redis.info("persistence"))["aof_current_size"])

    note = [
        PresenceNote(ANA, ANA, "available", time.time()),
        PresenceNote(ANA, ANA, "composing", time.time()),
    ]
    await served.presences.note("shop", note)
    before = await log()
    for _ in range(20):
        await served.presences.note("shop", note)
    assert await log() == before
    await served.presences.watch("shop", ANA, time.time())  # as anything else is
    assert await log() > before
    assert (await served.presences.read("shop", ANA, time.time())).presence == "available"


async def test_the_next_socket_and_the_next_owner_see_the_same_people(served: Served) -> None:
    await served.begin()
    await served.state("open")
    assert await served.commands.request("shop", "presence", {"presence": "available"}, 5) == {}
    for chat in (ANA, BEN):
        assert await served.commands.request("shop", "subscribe", {"chat": chat}, 5) == {}
    renewed = ["available=True", f"subscribed {ANA}", f"subscribed {BEN}"]
    assert served.engine.told == renewed
    served.engine.close_socket(Kind.NETWORK)
    await eventually("renewed", lambda: served.engine.told == renewed * 2, 10)
    await served.serving.stop()
    served.engine.closed = False
    served.engine._causes = asyncio.Queue()
    await served.begin()
    await eventually("renewed again", lambda: served.engine.told == renewed * 3, 10)
    assert await served.commands.request("shop", "presence", {"presence": "unavailable"}, 5) == {}
    served.engine.close_socket(Kind.NETWORK)
    expected = [*renewed * 3, "available=False", *renewed[1:]]
    await eventually("and hidden", lambda: served.engine.told == expected, 10)


async def test_so_many_are_watched_at_most_and_so_long(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "WATCHED", 3)
    now = time.time()
    chats = [f"155501000{number:02}@s.whatsapp.net" for number in range(5)]
    for number, chat in enumerate(chats):
        await served.presences.watch("shop", chat, now + number)
    assert await served.presences.watched("shop", now) == chats[2:]
    await served.presences.watch("shop", chats[2], now + 10)  # again: the others are older now
    assert await served.presences.watched("shop", now) == [*chats[3:], chats[2]]
    assert await served.presences.watched("shop", now + PRESENCE_SECONDS + 4) == [chats[2]]
    assert 0 < await served.redis.pttl(keys.of("shop").watched) <= PRESENCE_SECONDS * 1000


async def test_a_closed_connection_watches_nobody(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    told = await served.commands.request("shop", "subscribe", {"chat": ANA}, 5)
    assert told == {"error": "not_connected"}
    assert await served.presences.watched("shop", time.time()) == []


async def test_what_comes_while_redis_is_away_is_dropped(
    served_apart: Served, own_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped = failures_of("note", monkeypatch)
    served = served_apart
    await served.begin()
    await served.state("open")
    await tells(served, Presence(ANA, ANA, "available"))
    await sees(served, ANA, lambda seen: seen.presence == "available")
    own_server.kill()
    await tells(served, Presence(ANA, ANA, "unavailable"))
    await eventually("it was dropped", lambda: dropped, 15)
    own_server.start()
    await tells(served, Presence(BEN, BEN, "available"))
    await sees(served, BEN, lambda seen: seen.presence == "available")
    # Neither durable nor reported: nothing is known of her.
    assert await served.presences.read("shop", ANA, time.time()) == ChatPresence()


async def test_a_login_while_redis_is_away_is_made_up_for(
    served_apart: Served, own_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = failures_of("shown", monkeypatch)
    served = served_apart
    await served.begin()
    await served.state("open")
    assert await served.commands.request("shop", "subscribe", {"chat": ANA}, 5) == {}
    own_server.kill()
    served.engine.close_socket(Kind.NETWORK)
    await eventually("it was tried", lambda: failed, 15)
    assert len(served.engine.runs) == 2
    own_server.start()
    expected = [f"subscribed {ANA}"] * 2
    await eventually("it is watched again", lambda: served.engine.told == expected, 20)
