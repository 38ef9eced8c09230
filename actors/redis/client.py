"""Creates Redis clients with bounded waits, turns every outage into `RedisAway`, and reads Redis' durability and memory.

A call ends within `DEADLINE` seconds, in success or in `RedisAway`. A call that ended in
`RedisAway` may still have been applied, and redis-py's own retry may apply one twice: every
call through here must be safe to repeat.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast
from weakref import WeakSet

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    AuthorizationError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis' own, which is not the built-in one
    MasterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TimeoutError,  # noqa: A004 - redis' own
    TryAgainError,
)

from actors.runtime.limits.memory_limits import container_memory

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from actors.config.settings import Settings

REDIS_CONNECT_TIMEOUT = 2.0
SOCKET_TIMEOUT = 5.0
DEADLINE = 8.0
RETRIES = 1
POOL = 32

_AWAY = (
    ConnectionError,  # refused, reset, LOADING, failed authentication, pool exhausted
    TimeoutError,
    ClusterDownError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    TryAgainError,
    OSError,
    asyncio.TimeoutError,
)
# Answers of a server that is up and does not serve: its disk is full or refuses (MISCONF), a
# replica is missing, a script of somebody else blocks it, a failover ends what blocks on it.
_AWAY_CODES = (
    "MISCONF",
    "NOREPLICAS",
    "BUSY",
    "UNKILLABLE",
    "LOADING",
    "OOM",
    "READONLY",
    "UNBLOCKED",
)


class Client(Redis):
    """A client with the number of `replicas` that have a write on disk before it is acknowledged to a caller."""

    replicas = 0


class RedisAway(Exception):
    """Redis does not serve now; the call may have been applied. Carries no secret."""


def connect(settings: Settings, *, blocking: bool = False) -> Client:
    """A client that reconnects by itself. Nothing is sent before the first command.

    With `blocking` the socket has no read timeout: for commands that block on the server
    (`BLPOP`), whose callers bound the wait themselves.
    """
    pool = BlockingConnectionPool.from_url(
        settings.redis_address,
        decode_responses=True,
        max_connections=POOL,
        timeout=SOCKET_TIMEOUT,
        socket_connect_timeout=REDIS_CONNECT_TIMEOUT,
        socket_timeout=None if blocking else SOCKET_TIMEOUT,
        socket_keepalive=True,
        retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 0 if blocking else RETRIES),
    )
    client = cast("Client", Client.from_pool(pool))  # it is of the class that is asked
    client.replicas = settings.redis_replicas
    return client


class Waits(Protocol):
    """Calls that wait for Redis."""

    def end_waits(self) -> None:
        """End all of them with an error of a server that is away."""


DOUBTFUL = 0.1
"""Seconds without an answer after which a call has the watch of its process ask Redis; it takes milliseconds when busy."""


class Outage:
    """Whether a watch in this process noted that Redis hangs: meanwhile no call waits for it.

    Calls that wait when it is noted end then. A call without an answer for `DOUBTFUL` seconds sets `doubted`,
    which has the watch ask Redis at once. A process that has a watch has one event loop.
    """

    def __init__(self) -> None:
        self.noted = False
        self.doubted: asyncio.Event | None = None  # of the watch, where one runs
        self.pipelines: WeakSet[Waits] = WeakSet()
        self._waits: set[asyncio.Timeout] = set()

    @contextmanager
    def ends(self, wait: asyncio.Timeout) -> Iterator[None]:
        """Have the timeout of the body expire at once where an outage is noted meanwhile."""
        self._waits.add(wait)
        try:
            with self.doubts():
                yield
        finally:
            self._waits.discard(wait)

    @contextmanager
    def doubts(self) -> Iterator[None]:
        """Have the watch ask Redis where the body has no answer in `DOUBTFUL` seconds."""
        if self.doubted is None:
            yield
            return
        timer = asyncio.get_running_loop().call_later(DOUBTFUL, self.doubted.set)
        try:
            yield
        finally:
            timer.cancel()

    def note(self, hangs: bool) -> None:
        """Note whether Redis hangs."""
        self.noted = hangs
        if not hangs:
            return
        for pipeline in self.pipelines:
            pipeline.end_waits()
        for wait in self._waits:
            if not wait.expired():
                wait.reschedule(asyncio.get_running_loop().time())


outage = Outage()


class _RedisErrors:
    """Turns errors of a Redis that is away into `RedisAway`."""

    def __enter__(self) -> None:
        if outage.noted:
            raise RedisAway("outage")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, _AWAY):
            raise RedisAway(type(error).__name__) from error
        if isinstance(error, ResponseError):
            code = str(error).split(" ", 1)[0]
            if code in _AWAY_CODES:
                raise RedisAway(code) from error


redis_errors = _RedisErrors()


@asynccontextmanager
async def reach(deadline: float = DEADLINE) -> AsyncIterator[None]:
    """Turn every way in which Redis can be away into `RedisAway`, after `deadline` at the latest."""
    with redis_errors:
        async with asyncio.timeout(deadline) as wait:
            with outage.ends(wait):
                yield


async def is_cluster(redis: Redis) -> bool:
    """Whether the server is a node of a Redis Cluster. Raises `RedisAway`.

    None can be used: keys that belong to no connection are not in the slots of those that do.
    """
    async with reach():
        try:
            info: Any = await redis.info("cluster")
        except ResponseError:
            return False  # it forbids INFO
    return bool(info.get("cluster_enabled"))


@dataclass(frozen=True, slots=True)
class Durability:
    """Whether G1 holds on this Redis: acknowledged writes are on disk, and it evicts nothing.

    Each value is None where the server does not report it (managed ones forbid CONFIG). `replicas`: those
    that are in step now; `wanted`: those that acknowledged data waits for.
    """

    appendonly: str | None
    appendfsync: str | None
    maxmemory_policy: str | None
    replicas: int = 0
    wanted: int = 0

    @property
    def holds(self) -> bool:
        """True only when all is known to be right."""
        return self.reason is None

    @property
    def reason(self) -> str | None:
        """The reason for which G1 does not hold, for a person; None where it holds."""
        wanted = {
            "appendonly": (self.appendonly, "yes"),
            "appendfsync": (self.appendfsync, "always"),
            "maxmemory-policy": (self.maxmemory_policy, "noeviction"),
        }
        wrong = [
            f"{name} is {value or 'not known'}, not {want}"
            for name, (value, want) in wanted.items()
            if value != want
        ]
        if self.replicas > self.wanted:
            wrong.append(
                f"{self.replicas} replicas, and REDIS_REPLICAS is {self.wanted}: one that is promoted "
                "may lack what was accepted"
            )
        elif self.replicas < self.wanted:
            wrong.append(f"{self.replicas} of {self.wanted} replicas are in step")
        return "Redis: " + ", ".join(wrong) + "." if wrong else None


async def durability(redis: Redis) -> Durability:
    """Ask the server how it keeps what it acknowledges (G1); raises `RedisAway`."""
    async with reach():
        try:
            answer: Any = await redis.config_get("appendonly", "appendfsync", "maxmemory-policy")
        except (NoPermissionError, AuthorizationError):
            answer = {}
        except ResponseError as error:
            # Managed servers rename CONFIG away: an unknown command, and so nothing known.
            if "unknown command" not in str(error).lower():
                raise
            answer = {}
        try:
            replication: Any = await redis.info("replication")
        except ResponseError:
            replication = {}
    wanted = redis.replicas if isinstance(redis, Client) else 0
    return Durability(
        answer.get("appendonly"),
        answer.get("appendfsync"),
        answer.get("maxmemory-policy"),
        replicas=sum(
            each.get("state") == "online" for each in replication.values() if isinstance(each, dict)
        ),
        wanted=wanted,
    )


MAXMEMORY_SHARE = 0.9
"""The share of `maxmemory` from which no message is added: the rest is for transitions of those in the queue."""
MACHINE_SHARE = 0.5
"""The same share of the machine's memory, for a Redis without a `maxmemory` below that: a rewrite of its log may take as much again."""

_HERE = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class RedisMemory:
    """Bytes that Redis has in use, and the limit for them, which is None where the server does not report it."""

    used: int
    limit: int | None

    @property
    def full(self) -> bool:
        """Whether no message may be added."""
        return self.limit is not None and self.used >= self.limit

    def part(self, parts: int, *, from_share: float = 1.0) -> int | None:
        """Bytes that the messages of a connection may have once half of the limit is used, or this share of the half.

        The other half is reserved in equal `parts`. None before that.
        """
        half = (self.limit or 0) // 2
        return half // parts if half and self.used >= from_share * half else None


async def memory(redis: Redis, limit: int = 0) -> RedisMemory | None:
    """Read the memory of Redis; its limit is `limit` (bytes; 0: none), or less by `maxmemory`.

    Without both it is a share of its machine's memory. Redis reports that of the host; where it runs on this
    one, it has no more than this process's container. None where the server forbids it. Raises `RedisAway`.
    """
    async with reach():
        try:
            info: Any = await redis.info("memory")
        except (NoPermissionError, AuthorizationError):
            return None
        except ResponseError as error:
            # Renamed away, as some managed servers have it.
            if "unknown command" not in str(error).lower():
                raise
            return None
    return memory_of(info, limit, contained=container_memory() if _is_here(redis) else None)


def _is_here(redis: Redis) -> bool:
    """Whether the server runs on this host: it is reached by loopback, or by a socket in the file system."""
    options = redis.connection_pool.connection_kwargs
    return "path" in options or options.get("host") in _HERE


def memory_of(info: Any, limit: int = 0, *, contained: int | None = None) -> RedisMemory:
    """Return the memory that an answer to INFO reports; `limit` as in `memory`, `contained` that of its container."""
    maxmemory = int(info.get("maxmemory") or 0)
    machine = int(info.get("total_system_memory") or 0)
    if contained is not None and machine:
        machine = min(machine, contained)
    bounds = [
        limit or (0 if 0 < maxmemory < machine else int(MACHINE_SHARE * machine)),
        int(MAXMEMORY_SHARE * maxmemory),
    ]
    return RedisMemory(
        int(info["used_memory"]), min((each for each in bounds if each), default=None)
    )
