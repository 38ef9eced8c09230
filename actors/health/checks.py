"""From what was sampled to a status with named reasons: pure.

What one user's account does (a phone that unlinked the service, one connection in a crash loop) is
an alert of its own; the service's status follows from how many are hit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.health.sentences import BY_HAND, CAUSES, LIMITS, refused_documents
from actors.health.summary import FAILED, Status, worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.config.settings import Settings
    from actors.health.breakers import State

ZOMBIES = 3  # times within half an hour that a connection was one: that is no accident
STALE_BEATS = 3  # missed heartbeats after which an owner counts as silent
MISTAKE = 86_400.0  # seconds for which a message that WhatsApp took for malformed is worth a word
ENDS_SOON = 72 * 3600.0
"""Seconds before the end of an announced version from which on that is urgent: a login is near a failure."""
FAILED_SHARE = 0.25  # of the connections that should run; more than that is no single account's


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where on something is worth a word.

    Percent of the machine, seconds between heartbeats, whether the service recovers alone, how many
    messages may wait, after how many seconds an alert is told again (0 for never), how many bytes a
    disk must have left, and seconds for a ping of Redis and for reading one document.
    """

    cpu: float
    memory: float
    heartbeat: float
    auto_recovery: bool = True
    waiting: int = 100
    repeat: float = 0.0
    disk: int = 64 * 2**20
    redis: float = 0.25
    store: float = 1.0

    @classmethod
    def of(cls, settings: Settings) -> Thresholds:
        """Those that the instance's settings name."""
        return cls(
            settings.cpu_threshold,
            settings.memory_threshold,
            settings.heartbeat_interval / 1000,
            settings.auto_recovery,
            settings.queue_threshold,
            settings.alert_repeat_interval / 1000,
            settings.disk_threshold,
            settings.redis_latency_threshold / 1000,
            settings.store_latency_threshold / 1000,
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether something answered, and in how many seconds."""

    ok: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Seen:
    """A connection: what is desired, what its lease says, and how long its owner is silent.

    `silent` is in seconds, None where nobody owns it. `state` is None where it never had an owner.
    `obstacle` keeps it from being open until a time (`until`) or until a person links the device
    again.
    `behind` is since when its session could not be backed up, `version_ends_at` when WhatsApp stops to
    accept the version that it announced; so long (`limited_until`) WhatsApp lets its account write to
    nobody new, for this `limit_reason`; `mistaken_at` it took a message for malformed last (all seconds
    since the epoch). `refused_documents` items are refused by the state store for good; `refused_full`: no
    more have room, and storing pauses.
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
    refused_documents: int = 0
    refused_full: bool = False


@dataclass(frozen=True, slots=True)
class Backlog:
    """The queue of all connections together; `waiting` includes what waits for its time."""

    waiting: int = 0
    active: int = 0
    dead: int = 0


@dataclass(frozen=True, slots=True)
class Spools:
    """Chats that no host can move to the queue, and sends whose row is none any more.

    At `refused_at` (seconds since the epoch) the store refused the view of a queued message last.
    """

    stuck: int = 0
    unreadable: int = 0
    refused_at: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at everything. `connections` and `queue` are None where nobody could say.

    `cpu` and `memory` are percent of the machine; `own_cpu` too, `own_memory` is bytes, both of
    the processes of this instance. `durability` says why Redis may lose what it acknowledged,
    `breakers` what is left alone because it failed again and again, `disk` how many bytes are left where
    there are fewest, `vault` why the bucket is away,
    `spools` what cannot leave them, `zombies` how often each connection was one within the last half
    hour, both None where nobody could say.
    """

    at: float
    cpu: float
    memory: float
    own_cpu: float
    own_memory: int
    processes: int
    redis: Answer
    store: Answer
    durability: str | None
    connections: Mapping[str, Seen] | None
    queue: Backlog | None
    breakers: Mapping[str, State] = field(default_factory=dict)
    disk: int | None = None
    vault: str | None = None
    spools: Spools | None = Spools()
    zombies: Mapping[str, int] | None = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reason:
    """Something that is not as it should be. `healthy`: worth a look, and no degradation.

    `subject` names the connection, where it is about one; `detail` is a sentence for a person.
    `urgent` makes its alert critical also where those of its name are warnings.
    """

    name: str
    status: Status
    detail: str
    subject: str | None = None
    urgent: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status, why, and which reasons nobody could judge in this round."""

    status: Status
    reasons: tuple[Reason, ...]
    unknown: frozenset[str] = frozenset()


PER_CONNECTION = frozenset(
    {
        "connection_failed",
        "connection_blocked",
        "connection_stale",
        "connection_limited",
        "protocol_mistake",
        "document_refused",
    }
)
OF_CONNECTIONS = PER_CONNECTION | {
    "connections_failed",
    "all_failed",
    "backups_behind",
    "version_expires",
}
OF_QUEUE = frozenset({"queue_backlog", "dead_letters"})
ENDED = FAILED | {"logged_out"}
"""Of a connection that should run: it needs somebody."""
BY_PROXY = frozenset({"proxy_authentication_failed", "proxy_refused"})
"""Causes of a connection that tries again, and needs somebody all the same."""
OF_SPOOLS = frozenset({"spool_stuck", "spool_unreadable", "mirror_refused"})


def judge(sample: Sample, thresholds: Thresholds) -> Verdict:
    """Every reason that the sample gives, and the worst of them as the status."""
    reasons = [*_machine(sample, thresholds), *_stores(sample, thresholds)]
    unknown: frozenset[str] = frozenset()
    if sample.connections is None:
        unknown |= OF_CONNECTIONS
    else:
        reasons += _connections(sample.connections, thresholds)
        reasons += _versions(sample.connections, sample.at)
        reasons += _accounts(sample.connections, sample.at)
    if sample.zombies is None:
        unknown |= {"connection_zombie"}
    else:
        reasons += _zombies(sample.zombies)
    if sample.vault is not None:
        detail = f"The bucket does not answer ({sample.vault}); sessions wait to be backed up."
        reasons.append(Reason("vault_away", "degraded", detail))
    if sample.queue is None:
        unknown |= OF_QUEUE
    else:
        reasons += _queue(sample.queue, thresholds)
    if sample.spools is None:
        unknown |= OF_SPOOLS
    else:
        reasons += _spools(sample.spools, sample.at)
    if not sample.redis.ok:
        unknown |= {"redis_slow", "not_durable"}
    if not sample.store.ok:
        unknown |= {"store_slow"}
    return Verdict(worst(reason.status for reason in reasons), tuple(reasons), unknown)


def _machine(sample: Sample, thresholds: Thresholds) -> list[Reason]:
    reasons = []
    if sample.cpu > thresholds.cpu:
        detail = f"CPU at {sample.cpu:.0f} %, CPU_THRESHOLD is {thresholds.cpu:.0f} %."
        reasons.append(Reason("cpu_high", "degraded", detail))
    if sample.memory > thresholds.memory:
        detail = f"Memory at {sample.memory:.0f} %, MEMORY_THRESHOLD is {thresholds.memory:.0f} %."
        reasons.append(Reason("memory_high", "degraded", detail))
    if sample.disk is not None and sample.disk < thresholds.disk:
        detail = f"A disk of the service is full: {sample.disk // 2**20} MB are left."
        reasons.append(Reason("disk_full", "degraded", detail))
    return reasons


def _stores(sample: Sample, thresholds: Thresholds) -> list[Reason]:
    redis, store = sample.redis, sample.store
    away: Status = "degraded" if redis.ok or store.ok else "unhealthy"
    reasons = []
    if not redis.ok:
        reasons.append(Reason("redis_away", away, "Redis does not answer."))
    elif redis.seconds > thresholds.redis:
        detail = f"Redis takes {redis.seconds:.2f} s for a ping."
        reasons.append(Reason("redis_slow", "degraded", detail))
    if redis.ok and sample.durability is not None:
        reasons.append(Reason("not_durable", "degraded", sample.durability))
    if not store.ok:
        reasons.append(Reason("store_away", away, "The state store does not answer."))
    elif store.seconds > thresholds.store:
        detail = f"The state store takes {store.seconds:.2f} s for a document."
        reasons.append(Reason("store_slow", "degraded", detail))
    return reasons


def _connections(connections: Mapping[str, Seen], thresholds: Thresholds) -> list[Reason]:
    reasons = []
    wanted = {name: seen for name, seen in connections.items() if seen.desired == "running"}
    failed = [name for name, seen in wanted.items() if seen.state in ENDED or seen.obstacle]
    for name in failed:
        kind = "connection_failed" if wanted[name].state in ENDED else "connection_blocked"
        sentence = _sentence(wanted[name], thresholds.auto_recovery)
        reasons.append(Reason(kind, "healthy", sentence, name))
    for name, seen in wanted.items():
        if seen.cause in BY_PROXY and name not in failed:
            sentence = CAUSES[seen.cause]
            reasons.append(Reason("connection_blocked", "healthy", sentence, name))
        if seen.silent is not None and seen.silent > STALE_BEATS * thresholds.heartbeat:
            detail = f"Its owner has been silent for {seen.silent:.0f} s."
            reasons.append(Reason("connection_stale", "degraded", detail, name))
    behind = [seen.behind for seen in connections.values() if seen.behind is not None]
    if behind:
        detail = (
            f"Sessions of {len(behind)} connections are not backed up, since {_at(min(behind))}."
        )
        reasons.append(Reason("backups_behind", "degraded", detail))
    if failed and len(failed) == len(wanted):
        reasons.append(Reason("all_failed", "unhealthy", "Every connection has failed."))
    elif len(failed) > FAILED_SHARE * len(wanted):
        detail = f"{len(failed)} of {len(wanted)} connections have failed."
        reasons.append(Reason("connections_failed", "degraded", detail))
    return reasons


def _versions(connections: Mapping[str, Seen], now: float) -> list[Reason]:
    """The end of the version of WhatsApp Web that connections announce, if WhatsApp named one."""
    wanted = (seen for seen in connections.values() if seen.desired == "running")
    ends = [seen.version_ends_at for seen in wanted if seen.version_ends_at is not None]
    if not ends:
        return []
    soon = min(ends) - now <= ENDS_SOON
    return [Reason("version_expires", "healthy", _expires(ends), urgent=soon)]


def _accounts(connections: Mapping[str, Seen], now: float) -> list[Reason]:
    """Limits, mistakes and refused documents, also of connections that are stopped now."""
    reasons = []
    for name, seen in connections.items():
        if seen.limited_until is not None and seen.limited_until > now:
            why = LIMITS.get(seen.limit_reason or "", "WhatsApp limits the account.")
            detail = f"{why} That ends at {_at(seen.limited_until)}; all others go on."
            reasons.append(Reason("connection_limited", "healthy", detail, name))
        if seen.mistaken_at is not None and 0 <= now - seen.mistaken_at < MISTAKE:
            detail = (
                f"WhatsApp took a message for malformed at {_at(seen.mistaken_at)}:"
                " a mistake of this service. Look for a newer release; please report it with a trace."
            )
            reasons.append(Reason("protocol_mistake", "healthy", detail, name))
        if seen.refused_documents:
            detail = refused_documents(seen.refused_documents, full=seen.refused_full)
            urgent = seen.refused_full
            reasons.append(Reason("document_refused", "healthy", detail, name, urgent=urgent))
    return reasons


def _sentence(seen: Seen, auto_recovery: bool) -> str:
    cause = seen.cause if seen.state in ENDED else seen.obstacle
    sentences = CAUSES if auto_recovery else {**CAUSES, **BY_HAND}
    known = sentences.get(cause or "")
    if known is None:
        return f"The connection is {seen.state}{f': {cause}' if cause else ''}."
    if seen.until is not None:
        return f"{known} It logs in again by itself at {_at(seen.until)}."
    return known


def _expires(ends: Sequence[float]) -> str:
    many = "a connection announces" if len(ends) == 1 else f"{len(ends)} connections announce"
    return (
        f"WhatsApp accepts the version that {many} until {_at(min(ends))}. Where WHATSAPP_VERSION is"
        " set, set it to a newer one, or to nothing; a connection that is restarted announces it."
    )


def _at(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _queue(queue: Backlog, thresholds: Thresholds) -> list[Reason]:
    reasons = []
    if queue.waiting > thresholds.waiting:
        detail = f"{queue.waiting} messages wait, QUEUE_THRESHOLD is {thresholds.waiting}."
        reasons.append(Reason("queue_backlog", "healthy", detail))
    if queue.dead:
        reasons.append(
            Reason(
                "dead_letters",
                "healthy",
                f"{queue.dead} dead {'letter' if queue.dead == 1 else 'letters'}.",
            )
        )
    return reasons


def _zombies(zombies: Mapping[str, int]) -> list[Reason]:
    return [
        Reason(
            "connection_zombie",
            "healthy",
            f"It was open and dead {times} times within half an hour, and was restarted each time;"
            " see what is between the service and WhatsApp.",
            name,
        )
        for name, times in zombies.items()
        if times >= ZOMBIES
    ]


def _spools(spools: Spools, now: float) -> list[Reason]:
    reasons = []
    if spools.refused_at is not None and 0 <= now - spools.refused_at < MISTAKE:
        detail = (
            f"The state store refused a message of the queue at {_at(spools.refused_at)}: it was sent, or will be,"
            " and is stored without its words; the queue's log names it (`mirror_refused`)."
        )
        reasons.append(Reason("mirror_refused", "healthy", detail))
    if spools.stuck:
        detail = f"{spools.stuck} chats cannot leave the spool; the gateway's log says why."
        reasons.append(Reason("spool_stuck", "degraded", detail))
    if spools.unreadable:
        detail = (
            f"{spools.unreadable} accepted messages were damaged in the spool and are cancelled;"
            " what is left of them is in the table `unreadable` of its file until you delete it."
        )
        reasons.append(Reason("spool_unreadable", "degraded", detail))
    return reasons
