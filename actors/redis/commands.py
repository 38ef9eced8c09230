"""Passes commands from the gateway to the owner of a connection through Redis, and the answers back.

Commands are not durable: the owner executes a command within its time or not at all, and its caller gets
the outcome either way. At most `MAX_WAITING_COMMANDS` wait for a connection, of `MAX_COMMAND_BYTES` each; every key expires by itself.

    gateway                                  owner
    SET command:ID  RPUSH commands ID   →    BLPOP commands, GETDEL command:ID (gone: too late)
    GET answer:ID until its time is up  ←    SET answer:ID
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from actors.redis import keys
from actors.redis.client import connect, reach

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis.asyncio import Redis

    from actors.config.settings import Settings

MAX_WAITING_COMMANDS: Final = 100
"""Commands that wait for one connection at most."""

MAX_COMMAND_BYTES: Final = 16_384
"""Bytes of a command; the longest is a passkey's assertion, of some 2 kB."""

COMMANDS_SCRIPT: Final = files("actors.redis").joinpath("commands.lua").read_text()

ANSWER_MILLISECONDS: Final = 10_000
"""Milliseconds for which an answer can be fetched."""

FIRST_LOOK, LAST_LOOK = 0.01, 0.1
LATE_REPLY_SECONDS: Final = 5.0
"""Seconds longer than asked that a blocked wait may take before the server counts as away."""


class NoAnswer(Exception):
    """No owner answered in time. An owner that took the command may execute it all the same."""


class TooMany(Exception):
    """As many commands wait for this connection as may: nothing was put."""


class TooLong(Exception):
    """The command has more than `MAX_COMMAND_BYTES`: nothing was put."""


@dataclass(frozen=True, slots=True)
class Command:
    """A request to the owner of a connection. `args` are JSON values, and may name people: never logged."""

    id: str
    connection: str
    kind: str
    args: Mapping[str, Any] = field(repr=False)


class Commands:
    """Commands, at the gateway's end and at the owner's. Raises `RedisAway` where Redis does not serve."""

    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings
        self._put = redis.register_script(COMMANDS_SCRIPT)
        self._blocking: Redis | None = None

    async def request(
        self, connection: str, kind: str, args: Mapping[str, Any], seconds: float
    ) -> dict[str, Any]:
        """The owner's answer, within so many seconds. Raises `NoAnswer`, `TooMany` and `TooLong`."""
        of, id_ = keys.of(connection), secrets.token_hex(8)
        until = asyncio.get_running_loop().time() + seconds
        command = json.dumps({"kind": kind, "args": args})
        if len(command) > MAX_COMMAND_BYTES:
            raise TooLong
        async with reach():
            put = await self._put(
                keys=[of.commands, of.command(id_)],
                args=[MAX_WAITING_COMMANDS, id_, command, int(seconds * 1000)],
            )
        if not put:
            raise TooMany
        pause = FIRST_LOOK
        while (left := until - asyncio.get_running_loop().time()) > 0:
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, LAST_LOOK)
            async with reach():
                answer: Any = await self._redis.getdel(of.answer(id_))
            if answer is not None:
                outcome: dict[str, Any] = json.loads(answer)
                return outcome
        async with reach():
            await self._redis.delete(of.command(id_))
        raise NoAnswer

    async def next(self, connection: str, timeout: float) -> Command | None:  # noqa: ASYNC109
        """The oldest command whose time is not up; None if there is none within `timeout` seconds.

        One waits for a connection.
        """
        if self._blocking is None:
            self._blocking = connect(self._settings, blocking=True)
        of = keys.of(connection)
        async with reach(deadline=timeout + LATE_REPLY_SECONDS):
            popped: Any = await self._blocking.blpop([of.commands], timeout=max(timeout, 0.01))
        if popped is None:
            return None
        async with reach():
            request: Any = await self._redis.getdel(of.command(popped[1]))
        if request is None:
            return None
        command = json.loads(request)
        return Command(popped[1], connection, command["kind"], command["args"])

    async def answer(self, command: Command, outcome: Mapping[str, Any]) -> None:
        """Answer the caller, if it still waits."""
        key = keys.of(command.connection).answer(command.id)
        async with reach():
            await self._redis.set(key, json.dumps(outcome), px=ANSWER_MILLISECONDS)

    async def close(self) -> None:
        """Close the blocking connection of `next`; not the client, which is the caller's."""
        if self._blocking is not None:
            await self._blocking.aclose()
            self._blocking = None
