"""Lists health reasons that `checks` leaves undecided while a part of the sample is unread, grouped by that part (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actors.health.samples import Sample

PER_CONNECTION = frozenset(
    {
        "connection_failed",
        "connection_blocked",
        "connection_stale",
        "connection_limited",
        "protocol_mistake",
        "document_refused",
        "files_deferred",
        "queue_full",
    }
)
OF_CONNECTIONS = PER_CONNECTION | {
    "connections_failed",
    "all_failed",
    "backups_behind",
    "whatsapp_away",
    "version_expires",
}
OF_QUEUE = frozenset({"queue_backlog", "dead_letters"})
OF_REDIS_MEMORY = frozenset({"redis_full", "queue_full"})
OF_MIRROR = frozenset(
    {
        "queue_differs",
        "own_mistake",
        "instance_backup_failed",
        "instance_backup_incomplete",
        "instance_backup_in_future",
    }
)


def unjudged(sample: Sample) -> frozenset[str]:
    """Return the names of reasons about which a sample has no figures; alerts by these names stay as they are."""
    unread: tuple[tuple[bool, frozenset[str]], ...] = (
        (sample.connections is None, OF_CONNECTIONS),
        (sample.zombies is None, frozenset({"connection_zombie"})),
        (sample.queue is None, OF_QUEUE),
        (sample.mirror is None, OF_MIRROR),
        (not sample.redis.ok, frozenset({"redis_slow", "not_durable"})),
        (sample.redis_memory is None, OF_REDIS_MEMORY),
        (not sample.store.ok, frozenset({"store_slow"})),
        (sample.disk is None, frozenset({"disk_full"})),
        (sample.room is None, frozenset({"disk_reserve"})),
    )
    return sample.unread.union(*(names for unknown, names in unread if unknown))
