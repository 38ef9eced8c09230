"""Executes commands that the gateway passes through Redis (lookups, presence, pairing codes), and answers there."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from actors.connection.engine import NotConnected, SendError
from actors.connection.owner import group_commands, profile_commands
from actors.metrics.mistakes import log_mistake
from actors.redis.client import RedisAway
from actors.runtime.actor_base import end_tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.connection.abilities.presence_reporter import PresenceReporter
    from actors.connection.engine import Engine
    from actors.redis.commands import Command, Commands


COMMAND_BLOCK_SECONDS = 20.0
COMMAND_WAIT_SECONDS = 1.0
"""Seconds for which Redis is asked to wait for a command, and between tries while it is away."""

CONCURRENT_COMMANDS = 8
"""Commands that are done at a time; the rest waits, as long as its askers do."""

COMMAND_TIMEOUT_SECONDS = 15.0
"""Seconds after which nobody waits for what is still being done."""


MAX_PAIRING_CODES, PAIRING_CODES_SECONDS = 5, 300.0
"""So many codes are asked of WhatsApp within so many seconds: each rings on somebody's phone."""

OF_ACCOUNT: Mapping[str, tuple[str, ...]] = {
    "passkey_assertion": ("assertion",),
    "confirm_passkey": (),
    "request_resend": ("chat", "sender", "message_id"),
    "sync_app_state": (),
    "reject_call": ("call",),
}
"""Commands that are methods of `account.port.Account`, with the names of their arguments."""

OF_REFUSED = frozenset({"refused_items", "retry_refused", "discard_refused"})
"""Commands that are methods of `refused_items.port.RefusedItems`."""


OF_ADMINISTRATION: Final = {**group_commands.COMMANDS, **profile_commands.COMMANDS}
"""Commands that are methods of `administration.Administration`."""


class CommandHandler:
    """Does what is asked, for as long as `run` runs, and answers with what came of it.

    An answer has `error`, a stable code, where it was not done, and `wait`, whole seconds, where it is known when to
    try again. An error in one command ends no other.
    """

    def __init__(
        self, connection: str, engine: Engine, commands: Commands, watch: PresenceReporter
    ) -> None:
        self._watch = watch
        self._connection = connection
        self._engine = engine
        self._commands = commands
        self._doing: set[asyncio.Task[None]] = set()
        self._codes_at: deque[float] = deque(maxlen=MAX_PAIRING_CODES)

    async def run(self) -> None:
        """Run commands until cancelled, `CONCURRENT_COMMANDS` at once; while Redis is away it tries again."""
        try:
            while True:
                if len(self._doing) >= CONCURRENT_COMMANDS:
                    await asyncio.wait(self._doing, return_when=asyncio.FIRST_COMPLETED)
                    continue
                try:
                    command = await self._commands.next(self._connection, COMMAND_BLOCK_SECONDS)
                except RedisAway:
                    await asyncio.sleep(COMMAND_WAIT_SECONDS)
                    continue
                if command is not None:
                    task = asyncio.create_task(self._do(command))
                    self._doing.add(task)
                    task.add_done_callback(self._doing.discard)
        finally:
            await end_tasks(set(self._doing), 1.0)

    async def _do(self, command: Command) -> None:
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_SECONDS):
                answer = await self._done(command)
        except SendError as error:
            answer = {"error": error.code}
            if error.wait is not None:
                answer["wait"] = math.ceil(error.wait)
        except RedisAway:
            answer = {"error": "redis_away"}
        except Exception as error:  # noqa: BLE001 - the caller gets every error
            log_mistake(
                "command failed", "command", error, connection=self._connection, kind=command.kind
            )
            answer = {"error": "command_failed"}
        try:
            await self._commands.answer(command, answer)
        except RedisAway:
            return  # the asker learns as much by itself

    async def _done(self, command: Command) -> dict[str, Any]:
        args = command.args
        if command.kind == "lookup":
            return {"chat": await self._engine.lookup(args["chat"])}
        if (execute := OF_ADMINISTRATION.get(command.kind)) is not None:
            return await execute(self._engine.administration, args)
        if command.kind == "presence":
            available = args["presence"] == "available"
            await self._engine.presence(available=available)
            await self._watch.show(available=available)
        elif command.kind == "pairing_code":
            return await self._pairing_code(args["phone"])
        elif command.kind == "trace":
            return await self._trace(args["action"])
        elif command.kind in OF_ACCOUNT:
            method = getattr(self._engine, command.kind)
            await method(*(args[name] for name in OF_ACCOUNT[command.kind]))
        elif command.kind in OF_REFUSED:
            return await self._refused(command.kind, args)
        elif command.kind == "typing":
            await self._engine.typing(args["chat"], args["state"])
        elif command.kind == "subscribe":
            await self._engine.subscribe(args["chat"])
            await self._watch.watch(args["chat"])
        else:
            return {"error": "unknown_command"}
        return {}

    async def _refused(self, kind: str, args: Mapping[str, str]) -> dict[str, Any]:
        if kind == "refused_items":
            items = await self._engine.refused_items(int(args["limit"]), int(args["after"]))
            return {"items": [asdict(item) for item in items]}
        decide = getattr(self._engine, kind)
        return {"there": await decide(int(args["item"]))}

    async def _trace(self, action: str) -> dict[str, Any]:
        recorder = self._engine.recorder
        if action == "start":
            recorder.start()
        elif action == "stop":
            await recorder.stop()
        return recorder.status()

    async def _pairing_code(self, phone: str) -> dict[str, Any]:
        now = time.monotonic()
        if (
            len(self._codes_at) == MAX_PAIRING_CODES
            and (wait := self._codes_at[0] + PAIRING_CODES_SECONDS - now) > 0
        ):
            raise SendError("pairing_code_limited", wait=wait)
        self._codes_at.append(now)
        try:
            return asdict(await self._engine.pairing_code(phone))
        except NotConnected:  # nobody was asked
            with suppress(ValueError):
                self._codes_at.remove(now)
            raise
