"""Stores contacts' presence and typing in Redis with expiry, from owner to gateway, and who observes whom.

Presence is not durable. It is in no log and on no replica of Redis, so that no message waits for
its fsync, and every key expires by itself. A request to see a person is kept for a day, so that the
next socket, or the next owner, subscribes at WhatsApp again.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final, Literal

from actors.redis import keys
from actors.redis.client import reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from redis.asyncio import Redis

State = Literal["available", "unavailable", "composing", "recording", "paused"]

PRESENCE_SECONDS: Final = 86_400.0
"""Seconds for which a person is watched, and for which their last presence is kept."""

TYPING: Final = 25.0
"""Seconds after which a person types no more, without another notice."""

WATCHED: Final = 256
"""People whom one connection watches at most; the longest watched make room."""

NOTED: Final = 1000
"""Chats of which one owner has something noted at most; the longest silent are forgotten."""

PRESENCE_SCRIPT: Final = files("actors.redis").joinpath("presence.lua").read_text()


@dataclass(frozen=True, slots=True)
class PresenceNote:
    """An observed activity of a person since `at`; `chat` is the person's, or a group. Never logged."""

    chat: str = field(repr=False)
    who: str = field(repr=False)
    state: State
    at: float
    last_seen: int | None = None

    @property
    def types(self) -> bool:
        """It is about the chat, rather than about the person."""
        return self.state not in {"available", "unavailable"}


@dataclass(frozen=True, slots=True)
class ChatPresence:
    """The presence in a chat. `at` is the time at which `presence` was observed; both may be unknown.

    `typing` is who types what, and since when.
    """

    presence: str | None = None
    at: float | None = None
    last_seen: int | None = None
    typing: Mapping[str, tuple[str, float]] = field(default_factory=dict, repr=False)


class Presences:
    """Presence: owners report, gateways read. Raises `RedisAway` where Redis does not serve; all is safe to repeat."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._script = redis.register_script(PRESENCE_SCRIPT)
        self._noted: OrderedDict[str, None] = OrderedDict()

    async def note(self, connection: str, notes: Sequence[PresenceNote]) -> None:
        """Note these, in their order."""
        of = keys.of(connection)
        written: dict[str, dict[str, Any]] = {}
        for one in notes:
            key = of.typing(one.chat) if one.types else of.presence(one.chat)
            lasts = TYPING if one.types else PRESENCE_SECONDS
            into = written.setdefault(key, _nothing(lasts))
            if one.state == "paused":
                into["gone"].append(one.who)
            elif one.types:
                into["fields"] += [one.who, f"{one.state} {one.at!r}"]
            else:
                into["fields"] += ["presence", one.state, "at", repr(one.at)]
                if one.last_seen is not None:
                    into["fields"] += ["last_seen", str(one.last_seen)]
            self._noted[key] = None
            self._noted.move_to_end(key)
        while len(self._noted) > NOTED:
            key, _ = self._noted.popitem(last=False)
            written[key] = {**_nothing(0), "forget": True}
        async with reach():
            await self._script(
                keys=list(written), args=[json.dumps(one) for one in written.values()]
            )

    async def read(self, connection: str, chat: str, now: float) -> ChatPresence:
        """The presence of this chat."""
        of = keys.of(connection)
        async with reach():
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.hgetall(of.presence(chat))
            pipeline.hgetall(of.typing(chat))
            person, typing = await pipeline.execute()
        return ChatPresence(
            presence=person.get("presence"),
            at=float(person["at"]) if "at" in person else None,
            last_seen=int(person["last_seen"]) if "last_seen" in person else None,
            typing=_typing(typing, now),
        )

    async def watch(self, connection: str, chat: str, now: float) -> None:
        """Request the presence of this person from the owner, for a day from now."""
        key = keys.of(connection).watched
        async with reach():
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.zadd(key, {chat: now + PRESENCE_SECONDS})
            pipeline.zremrangebyscore(key, "-inf", now)
            pipeline.zremrangebyrank(key, 0, -WATCHED - 1)
            pipeline.pexpire(key, int(PRESENCE_SECONDS * 1000))
            await pipeline.execute()

    async def watched(self, connection: str, now: float) -> list[str]:
        """Return the chats whose presence is requested now."""
        async with reach():
            found: Any = await self._redis.zrangebyscore(
                keys.of(connection).watched, f"({now!r}", "+inf"
            )
        return list(found)

    async def show(self, connection: str, *, available: bool) -> None:
        """Request from the owner to show the account as online, for a day; or no more."""
        key = keys.of(connection).shown
        async with reach():
            if available:
                await self._redis.set(key, "available", px=int(PRESENCE_SECONDS * 1000))
            else:
                await self._redis.delete(key)

    async def shown(self, connection: str) -> bool:
        """Whether the account is to be shown as online."""
        async with reach():
            return bool(await self._redis.exists(keys.of(connection).shown))


def _nothing(seconds: float) -> dict[str, Any]:
    return {"milliseconds": int(seconds * 1000), "fields": [], "gone": []}


def _typing(fields: Mapping[str, str], now: float) -> dict[str, tuple[str, float]]:
    found = {}
    for who, value in fields.items():
        state, _, at = value.partition(" ")
        if float(at) + TYPING > now:
            found[who] = (state, float(at))
    return found
