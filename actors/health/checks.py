"""Judges a health sample against thresholds: returns the status of the service and named reasons (pure).

Trouble of one user's account (a phone that unlinked the service, one connection in a crash loop) is
an alert of its own; the service's status follows from the number of connections in trouble.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.health import engine_look, health_texts
from actors.health.samples import ENDED_STATES
from actors.health.summary import Status, worst
from actors.health.unknown_reasons import unjudged
from actors.runtime.limits.limit_uses import ALERT_SHARE, URGENT_SHARE, highest, queue_uses
from actors.runtime.limits.limits import Limit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.config.settings import Settings
    from actors.health.samples import (
        Backlog,
        Backups,
        ConnectionSample,
        Mirror,
        OwnMistake,
        Sample,
    )
    from actors.runtime.limits.limit_uses import LimitUse

NO_LIMIT = Limit("", 0, "", 0)
ZOMBIES = 3  # times within half an hour that a connection was one: that is no accident
STALE_BEATS = 3  # missed heartbeats after which an owner counts as silent
UNREACHED = 60.0
"""Seconds without any connection that reached WhatsApp, after which the service is unhealthy: a login takes less."""
MISTAKE_SECONDS = 86_400.0  # seconds for which a mistake of the service is worth a word
ENDS_SOON = 72 * 3600.0
"""Seconds before the end of an announced version from which on that is urgent: a login is near a failure."""
FAILED_SHARE = 0.25  # of the connections that should run; more than that is no single account's


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The values beyond which a reason is given.

    Percent of the machine, seconds between heartbeats, whether the service recovers alone, how many
    messages may wait, after how many seconds an alert is repeated (0 for never), how many bytes a
    disk must have left, seconds for a ping of Redis and for reading one document; the limits of the bytes of Redis that the
    messages of one connection may take and that it may have in all, and in how many parts half of these is reserved.
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
    queue: Limit = NO_LIMIT
    redis_memory: Limit = NO_LIMIT
    parts: int = 1

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
            settings.queue_limit,
            settings.redis_limit,
            settings.redis_parts,
        )


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


ENDED_BY_A_PERSON = frozenset(
    {"proxy_authentication_failed", "proxy_private_address", "proxy_refused", "disk_full"}
)
"""Causes of a connection that tries again, and needs somebody all the same."""


def judge(sample: Sample, thresholds: Thresholds) -> Verdict:
    """Every reason that the sample gives, and the worst of them as the status."""
    reasons = [*_machine(sample, thresholds), *_stores(sample, thresholds)]
    limits = list(sample.limits)
    if sample.connections is not None:
        reasons += _connections(sample.connections, thresholds)
        reasons += _reach(sample)
        reasons += _versions(sample.connections, sample.at)
        reasons += _accounts(sample.connections, sample.at)
        reasons += _files(sample.connections)
        used = {name: seen.queue_bytes for name, seen in sample.connections.items()}
        limits += queue_uses(
            used, thresholds.queue, thresholds.redis_memory, sample.redis_memory, thresholds.parts
        )
    reasons += _zombies(sample.zombies or {})
    if sample.vault is not None:
        detail = f"The bucket does not answer ({sample.vault}); sessions wait to be backed up."
        reasons.append(Reason("vault_away", "degraded", detail))
    if sample.queue is not None:
        reasons += _queue(sample.queue, thresholds)
    if sample.mirror is not None:
        reasons += _mirror(sample.mirror)
        reasons += _own_mistake(sample.own_mistake, sample.at)
        reasons += _backups(sample.backups)
    if sample.engine is not None and (sentence := engine_look.old(sample.engine, sample.at)):
        reasons.append(Reason("engine_old", "healthy", sentence))
    reasons += _limits(limits, sample.connections)
    return Verdict(worst(reason.status for reason in reasons), tuple(reasons), unjudged(sample))


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
    if sample.low:
        detail = (
            "The disk has less free (bytes, or inodes: `df -i`) than a quarter of DISK_RESERVE, which is for Redis and what was accepted before:"
            " sends are refused, and what arrives is not acknowledged, so that WhatsApp keeps it. Make room, or lower"
            " DISK_RESERVE; the rest goes on by itself."
        )
        reasons.append(Reason("disk_reserve", "degraded", detail, urgent=True))
    elif sample.room == 0:
        detail = (
            "The disk has no more free (bytes, or inodes: `df -i`) than DISK_RESERVE, which is not for files: files that arrive wait,"
            " uploads are refused, and everything else goes on. Make room, or lower DISK_RESERVE."
        )
        reasons.append(Reason("disk_reserve", "degraded", detail))
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
    memory = sample.redis_memory
    if memory is not None and memory.limit and memory.used > ALERT_SHARE * memory.limit:
        full: Status = "degraded" if memory.full else "healthy"
        reasons.append(
            Reason("redis_full", full, health_texts.redis_memory(memory), urgent=memory.full)
        )
    if redis.ok and sample.durability is not None:
        reasons.append(Reason("not_durable", "degraded", sample.durability))
    if not store.ok:
        reasons.append(Reason("store_away", away, "The state store does not answer."))
    elif store.seconds > thresholds.store:
        detail = f"The state store takes {store.seconds:.2f} s for a document."
        reasons.append(Reason("store_slow", "degraded", detail))
    return reasons


def _connections(
    connections: Mapping[str, ConnectionSample], thresholds: Thresholds
) -> list[Reason]:
    reasons = []
    wanted = {name: seen for name, seen in connections.items() if seen.desired == "running"}
    failed = [name for name, seen in wanted.items() if seen.state in ENDED_STATES or seen.obstacle]
    for name in failed:
        kind = "connection_failed" if wanted[name].state in ENDED_STATES else "connection_blocked"
        sentence = _sentence(wanted[name], thresholds.auto_recovery)
        reasons.append(Reason(kind, "healthy", sentence, name))
    for name, seen in wanted.items():
        if seen.cause in ENDED_BY_A_PERSON and name not in failed:
            sentence = health_texts.CAUSES[seen.cause]
            reasons.append(Reason("connection_blocked", "healthy", sentence, name))
        if seen.silent is not None and seen.silent > STALE_BEATS * thresholds.heartbeat:
            detail = f"Its owner has been silent for {seen.silent:.0f} s."
            reasons.append(Reason("connection_stale", "degraded", detail, name))
    behind = [seen.behind for seen in connections.values() if seen.behind is not None]
    if behind:
        detail = f"Sessions of {len(behind)} connections are not backed up, since {health_texts.moment(min(behind))}."
        reasons.append(Reason("backups_behind", "degraded", detail))
    if failed and len(failed) == len(wanted):
        reasons.append(Reason("all_failed", "unhealthy", "Every connection has failed."))
    elif len(failed) > FAILED_SHARE * len(wanted):
        detail = f"{len(failed)} of {len(wanted)} connections have failed."
        reasons.append(Reason("connections_failed", "degraded", detail))
    return reasons


def _reach(sample: Sample) -> list[Reason]:
    """No connection that could be open has reached WhatsApp for a while."""
    seconds = sample.unreached_for
    if seconds is None or seconds < UNREACHED:
        return []
    sentence = health_texts.whatsapp_away(sample.at - seconds)
    return [Reason("whatsapp_away", "unhealthy", sentence)]


def _versions(connections: Mapping[str, ConnectionSample], now: float) -> list[Reason]:
    """The end of the version of WhatsApp Web that connections announce, if WhatsApp named one."""
    wanted = (seen for seen in connections.values() if seen.desired == "running")
    ends = [seen.version_ends_at for seen in wanted if seen.version_ends_at is not None]
    if not ends:
        return []
    soon = min(ends) - now <= ENDS_SOON
    return [Reason("version_expires", "healthy", health_texts.expires(ends), urgent=soon)]


def _accounts(connections: Mapping[str, ConnectionSample], now: float) -> list[Reason]:
    """Limits, mistakes and refused documents, also of connections that are stopped now."""
    reasons = []
    for name, seen in connections.items():
        if seen.limited_until is not None and seen.limited_until > now:
            why = health_texts.LIMITS.get(seen.limit_reason or "", "WhatsApp limits the account.")
            detail = (
                f"{why} That ends at {health_texts.moment(seen.limited_until)}; all others go on."
            )
            reasons.append(Reason("connection_limited", "healthy", detail, name))
        if seen.mistaken_at is not None and 0 <= now - seen.mistaken_at < MISTAKE_SECONDS:
            detail = health_texts.protocol_mistake(seen.mistaken_at)
            reasons.append(Reason("protocol_mistake", "healthy", detail, name))
        if refused := seen.held.refused_documents + seen.refused_sends:
            full = seen.held.refused_full
            detail = health_texts.refused_documents(refused, full=full)
            reasons.append(Reason("document_refused", "healthy", detail, name, urgent=full))
    return reasons


def _files(connections: Mapping[str, ConnectionSample]) -> list[Reason]:
    """Files that wait for the next day, by connection."""
    return [
        Reason(
            "files_deferred",
            "healthy",
            f"{seen.held.over_budget_files} files that arrived wait for tomorrow (UTC): MEDIA_DOWNLOADS_PER_CONNECTION or"
            " MEDIA_DOWNLOADS_PER_SENDER is used up. They are fetched then; raise the setting to have them at once.",
            name,
        )
        for name, seen in connections.items()
        if seen.held.over_budget_files
    ]


def _limits(
    uses: list[LimitUse], connections: Mapping[str, ConnectionSample] | None
) -> list[Reason]:
    """Limits that a connection, or the instance, has nearly used up."""
    return [
        Reason(
            use.alert,
            "degraded" if use.connection is None and use.share >= 1 else "healthy",
            health_texts.limit_use(use),
            use.connection,
            urgent=use.share > URGENT_SHARE,
        )
        for use in highest(uses)
        if use.share > ALERT_SHARE
        and (use.connection is None or connections is None or use.connection in connections)
    ]


def _sentence(seen: ConnectionSample, auto_recovery: bool) -> str:
    cause = seen.cause if seen.state in ENDED_STATES else seen.obstacle
    texts = (
        health_texts.CAUSES if auto_recovery else {**health_texts.CAUSES, **health_texts.BY_HAND}
    )
    text = texts.get(cause or "")
    if text is None:
        return f"The connection is {seen.state}{f': {cause}' if cause else ''}."
    if seen.until is not None:
        return f"{text} It logs in again by itself at {health_texts.moment(seen.until)}."
    return text


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


def _mirror(mirror: Mirror) -> list[Reason]:
    if not any(mirror.differences):
        return []
    return [Reason("queue_differs", "degraded", health_texts.queue_differs(*mirror.differences))]


def _own_mistake(mistake: OwnMistake | None, now: float) -> list[Reason]:
    if mistake is None or not 0 <= now - mistake.at < MISTAKE_SECONDS:
        return []
    detail = health_texts.own_mistake(mistake.at, mistake.action)
    return [Reason("own_mistake", "healthy", detail)]


def _backups(backups: Backups | None) -> list[Reason]:
    """Scheduled backups of the instance that fail, lack sessions, or are later than now."""
    reasons = []
    if backups is not None and backups.failing_since is not None:
        detail = health_texts.instance_backup(backups.failing_since)
        reasons.append(Reason("instance_backup_failed", "degraded", detail))
    if backups is not None and backups.lacks:
        detail = health_texts.incomplete_backup(backups.lacks)
        reasons.append(Reason("instance_backup_incomplete", "degraded", detail))
    if backups is not None and backups.in_future is not None:
        detail = health_texts.backup_in_future(backups.in_future)
        reasons.append(Reason("instance_backup_in_future", "degraded", detail))
    return reasons
