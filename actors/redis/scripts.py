"""Runs atomic Lua scripts in Redis, each assembled from several Lua files.

EVALSHA and not FUNCTION: functions must be loaded into every node of a cluster beforehand and are
gone with an emptied server, where a script comes back by itself with the first EVAL. Transitions
that share much share a script; the first argument names the transition. Each run defines anew all
that is in its script, which for a short transition is most of what it takes: those of the path of a
message have no more in theirs than they need.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from redis.exceptions import NoScriptError

from actors.redis.client import DEADLINE, redis_errors

if TYPE_CHECKING:
    from actors.redis.keys import ConnectionKeys
    from actors.redis.pipeline import RedisPipeline

AT_MAXMEMORY = "#!lua flags=allow-oom\n"
"""The first line of a script that Redis runs at `maxmemory` too (Redis 7.0, "Script flags")."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script and its SHA-1, which is the name that Redis gives it."""

    text: str
    sha: str

    @classmethod
    def of(cls, *names: str, package: str, at_maxmemory: bool = False) -> Script:
        """Put the Lua files of `package` (or ``package:file``) behind one another, and run them.

        The first is `transitions.lua`, which runs one of them. `at_maxmemory`: Redis runs it also at its `maxmemory`, since
        messages that are there cannot leave without it; it may add none.
        """
        texts = []
        for name in names:
            room, _, file = name.rpartition(":")
            texts.append(files(room or package).joinpath(file).read_text())
        text = "\n".join((*texts, "return run()"))
        if at_maxmemory:
            text = AT_MAXMEMORY + text
        return cls(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())

    async def run(
        self,
        pipeline: RedisPipeline,
        keys: ConnectionKeys,
        transition: str,
        now: float,
        *args: object,
        durable: bool = False,
    ) -> Any:
        """Run one transition atomically at the caller's `now`; raises `RedisAway`.

        `durable`: replicas have it on disk as well (`pipeline.RedisPipeline`).

        It may be applied twice (a retry) or applied although this raises: transitions are safe
        to repeat.
        """
        parameters: Any = (keys.base, transition, repr(now), *args)
        began = time.monotonic()
        with redis_errors:
            try:
                return await pipeline.evalsha(self.sha, 1, *parameters, durable=durable)
            except NoScriptError:
                async with asyncio.timeout(began + DEADLINE - time.monotonic()):
                    return await pipeline.eval(self.text, 1, *parameters, durable=durable)
