"""Lists health reasons that `checks` leaves undecided while a part of the sample is unread, grouped by that part."""

from __future__ import annotations

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
OF_SPOOLS = frozenset({"spool_stuck", "spool_unreadable", "spool_full"})
OF_MIRROR = frozenset(
    {"queue_differs", "own_mistake", "instance_backup_failed", "instance_backup_incomplete"}
)
