"""Defines the values that one round of the health monitor measures, which `checks` judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.health.summary import ACTIVE, FAILED
from actors.redis.leases.lease_record import NONE_HELD, HeldItems

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.health.breakers import State
    from actors.health.engine_look import EngineLook
    from actors.redis.client import RedisMemory
    from actors.runtime.limits.limit_uses import LimitUse

ENDED_STATES = FAILED | {"logged_out"}
"""States of a connection that should run: it needs somebody."""
REACHED = ACTIVE | {"pairing"}
"""States in which WhatsApp has answered a connection."""


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """Whether something answered, and in how many seconds."""

    ok: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class ConnectionSample:
    """A connection: what is desired, what its lease says, and how long its owner is silent.

    `silent` is in seconds, None where nobody owns it. `state` is None where it never had an owner.
    `obstacle` keeps it from being open until a time (`until`) or until a person links the device
    again.
    `behind` is since when its session could not be backed up, `version_ends_at` when WhatsApp stops to
    accept the version that it announced; so long (`limited_until`) WhatsApp lets its account write to
    nobody new, for this `limit_reason`; `mistaken_at` it took a message for malformed last (all seconds
    since the epoch). `held` are the items that its session holds back, `refused_sends` the messages of the queue whose view the
    state store refuses, `queue_bytes` the bytes of Redis that
    its messages take.
    """

    desired: str
    state: str | None
    silent: float | None = None
    cause: str | None = None
    obstacle: str | None = None
    until: float | None = None
    behind: float | None = None
    version_ends_at: float | None = None
    limited_until: float | None = None
    limit_reason: str | None = None
    mistaken_at: float | None = None
    held: HeldItems = NONE_HELD
    refused_sends: int = 0
    queue_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue of all connections together; `waiting` includes what waits for its time."""

    waiting: int = 0
    active: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Mirror:
    """The queue's view in the state store.

    `differences` are numbers of messages, missing, unseen and differing, of the last day's comparisons
    (`queue/mirror/comparison.py`).
    """

    differences: tuple[int, int, int] = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class OwnMistake:
    """The last mistake of the service itself: when (seconds since the epoch), and what the log calls it."""

    at: float
    action: str


@dataclass(frozen=True, slots=True)
class Backups:
    """Scheduled backups of the instance: since when they fail, and connections whose sessions the newest one lacks.

    `in_future`: the latest of the target, where that is later than now.
    """

    failing_since: float | None = None
    lacks: tuple[str, ...] = ()
    in_future: str | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything. `connections` and `queue` are None where nobody could say.

    `cpu` and `memory` are percent of the machine; `own_cpu` too, `own_memory` is bytes, both of
    the processes of this instance. `durability` says why Redis may lose what it acknowledged,
    `breakers` what is left alone because it failed again and again, `disk` how many bytes are left where
    there are fewest, `room` how many files of messages may still take on theirs (None where nobody could
    say), `low` whether they have no room for messages, `limits` the uses of limits of the state store and of files, `unread` the names of the alerts about limits that could not be read, `vault` why the bucket is away, `redis_memory` what Redis has in use, `mirror` how
    the queue's view is, `zombies` how often each connection was one within the last half hour, both None where
    nobody could say; with `mirror` come `own_mistake`, None where there was none, and `backups`, its scheduled backups. `unreached_for` are the seconds for
    which no connection has reached WhatsApp, `engine` is the last look for a newer library, None before the first.
    """

    at: float
    cpu: float
    memory: float
    own_cpu: float
    own_memory: int
    processes: int
    redis: ProbeResult
    store: ProbeResult
    durability: str | None
    connections: Mapping[str, ConnectionSample] | None
    queue: Backlog | None
    breakers: Mapping[str, State] = field(default_factory=dict)
    disk: int | None = None
    room: int | None = None
    low: bool = False
    limits: tuple[LimitUse, ...] = ()
    unread: frozenset[str] = frozenset()
    vault: str | None = None
    mirror: Mirror | None = Mirror()
    own_mistake: OwnMistake | None = None
    backups: Backups | None = Backups()
    zombies: Mapping[str, int] | None = field(default_factory=dict)
    redis_memory: RedisMemory | None = None
    unreached_for: float | None = None
    engine: EngineLook | None = None


def unreached(
    connections: Mapping[str, ConnectionSample] | None, since: float | None, at: float
) -> float | None:
    """The time since when no connection has reached WhatsApp, None while one has; by the clock of `at`, in seconds.

    `since` is the one of the round before, which stays where nobody could say now. Connections that need a person, or are
    not to run, do not count.
    """
    if connections is None:
        return since
    trying = [
        seen.state
        for seen in connections.values()
        if seen.desired == "running" and seen.state not in ENDED_STATES and not seen.obstacle
    ]
    if not trying or REACHED & {*trying}:
        return None
    return at if since is None else since
