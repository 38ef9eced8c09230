"""Writes sentences with advice for some health reasons, for causes why a connection is not open, and for limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from actors.runtime.connection_ids import name_of
from actors.runtime.limits.limit_uses import FILES_FULL, QUEUE_FULL, STORE_FULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.redis.client import RedisMemory
    from actors.runtime.limits.limit_uses import LimitUse

LIMIT_RESOURCES: Mapping[str, str] = {
    QUEUE_FULL: "for messages in Redis",
    STORE_FULL: "for messages and events in the state store",
    FILES_FULL: "for files on this host",
}

LIMIT_REFUSALS: Mapping[str, str] = {
    QUEUE_FULL: "sends are refused",
    STORE_FULL: "sends are refused, and what arrives waits at WhatsApp",
    FILES_FULL: "uploads are refused",
}

# Advice about a limit that is nearly reached, by its alert.
LIMIT_ADVICE: Mapping[str, str] = {
    QUEUE_FULL: "Messages leave Redis a day after their end; retry dead letters, decide on"
    " refused documents (`teimoso refused`), or raise the setting.",
    STORE_FULL: "`teimoso jobs run prune-messages` or MESSAGE_RETENTION_DAYS makes room; or raise the setting with"
    " `teimoso settings set`, which needs no restart.",
    FILES_FULL: "Files leave MEDIA_RETENTION_DAYS after they were last needed; shorten that, or raise the setting.",
}

LIMITS: Mapping[str, str] = {
    "time_lock": "WhatsApp takes the account for one that reaches out too much: messages to people who never"
    " wrote wait.",
    "new_chats_capped": "The account began as many chats as WhatsApp allows for now: messages that would begin"
    " another wait.",
}

# Meanings of causes and what a person can do, for each that does not pass by itself.
CAUSES: Mapping[str, str] = {
    "asked": "It was logged out; start it to link it again.",
    "backup_damaged": "Its session is gone, and no copy of it in the bucket can be read; logout and"
    " start show a QR.",
    "bad_session": "Its session was damaged and moved aside, is gone, or WhatsApp does not take it."
    " Where there is a QR, scan it to link it again; else start tries again, and logout and start"
    " show a QR.",
    "crash_loop": "Its process fell again and again; it is tried again in five minutes.",
    "disk_full": "What arrives has no room on the disk: nothing is acknowledged, so that WhatsApp keeps it, and no"
    " login is tried while less than a quarter of DISK_RESERVE is free, or the connection keeps all that it may in the state"
    " store (STORED_BYTES_PER_CONNECTION, MAX_STORED_BYTES). Make room; it goes on by itself.",
    "engine_not_installed": "The program `teimoso-whatsmeow` is not installed on this host; `make setup`"
    " builds it. Then start the connection.",
    "engine_removed": "The engine native, which is gone, linked its account. Create another connection and link the"
    " account anew; the data of this one stays as it is.",
    "locked": "WhatsApp locked the account. Open WhatsApp on its phone and do what that asks for, then"
    " start the connection; its keys are kept. If it is refused again, logout and start show a QR.",
    "logged_out": "The device was unlinked; scan the QR to link it again. WhatsApp unlinks the devices of"
    " a number that it bans, too: then the phone says so.",
    "other_account": "The phone of another number scanned the QR and was turned away; scan it with"
    " the phone of the first number, or create another connection.",
    "outdated": "WhatsApp refuses the announced version, and its page names no other; set"
    " WHATSAPP_VERSION to a newer one, or to nothing where it is set; `start` looks again.",
    "proxy_authentication_failed": "Its proxy wants another user or password; set `proxy` of the connection, or"
    " WHATSAPP_PROXY.",
    "proxy_private_address": "Its proxy has a private address; set CONNECTION_PROXY_PRIVATE to true to allow"
    " that, or `proxy` of the connection to another one.",
    "proxy_refused": "Its proxy lets no connection through to WhatsApp: it forbids that, or cannot reach it"
    " either. See the proxy's log.",
    "proxy_unreachable": "Its proxy does not answer; see that it runs and is reached from this host.",
    "replaced": "Another client uses its session; end that one, then start the connection.",
    "session_blocked": "Something else stands where its session belongs; move it away, then start"
    " the connection.",
    "session_unavailable": "Its session cannot be read or written; see that the disk has room and"
    " takes writes, then start the connection.",
    "session_too_new": "A newer release wrote its session; run that release.",
    "temporarily_banned": "WhatsApp banned the account for a time.",
    "wrong_key": "Its session is gone, and its copies in the bucket were encrypted with a key that is"
    " not in SESSION_ENCRYPTION_KEY; add it there, then start the connection.",
}

# The same where the service does nothing by itself (AUTO_RECOVERY=false).
BY_HAND: Mapping[str, str] = {
    "crash_loop": "Its process fell again and again; start tries it again.",
    "crashed": "Its process fell; start tries it again.",
    "hung": "Its process hung and was ended; start tries it again.",
    "outdated": "WhatsApp refuses the announced version, and its page names no other; set"
    " WHATSAPP_VERSION to a newer one, or to nothing where it is set, then start the connection.",
    "zombie": "It was open and carried nothing, and was ended; start tries it again.",
}


def moment(time: float) -> str:
    """A time in seconds since the epoch, as the API writes it: `2030-01-01T09:00:00Z`."""
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def expires(ends: Sequence[float]) -> str:
    """Connections announce versions of WhatsApp Web that WhatsApp accepts until these times."""
    many = "a connection announces" if len(ends) == 1 else f"{len(ends)} connections announce"
    return (
        f"WhatsApp accepts the version that {many} until {moment(min(ends))}. Where WHATSAPP_VERSION is"
        " set, set it to a newer one, or to nothing; a connection that is restarted announces it."
    )


def whatsapp_away(since: float) -> str:
    """No connection has reached WhatsApp since that time."""
    return (
        f"No connection has reached WhatsApp since {moment(since)}. See that this host reaches WHATSAPP_URL, through"
        " WHATSAPP_PROXY where that is set; `teimoso doctor` tries it."
    )


def redis_memory(memory: RedisMemory) -> str:
    """Redis has nearly all of the memory in use that it may, or all."""
    what = "sends are refused" if memory.full else "at the latter sends are refused"
    return (
        f"Redis has {memory.used // 2**20} of {(memory.limit or 0) // 2**20} MB in use; {what}. Messages leave it"
        " a day after their end; for more room raise MAX_REDIS_MEMORY, and its `maxmemory` where it has one."
    )


def limit_use(use: LimitUse) -> str:
    """A connection, or the instance, has nearly used up a limit: the figures, its setting, and what a person can do."""
    of = "All connections together" if use.connection is None else "The connection"
    used, size = f"{use.used / 2**20:.1f}", f"{use.size / 2**20:.1f} MB"
    part = use.connection is not None and use.setting.startswith("MAX_")
    allowed = f"{use.setting} leaves it" if part else f"{use.setting} allows"
    return (
        f"{of} used {used} of the {size} ({use.share:.0%}) that {allowed}"
        f" {LIMIT_RESOURCES[use.alert]}; beyond that {LIMIT_REFUSALS[use.alert]}. {LIMIT_ADVICE[use.alert]}"
    )


def protocol_mistake(at: float) -> str:
    """WhatsApp took a message for malformed at that time."""
    return (
        f"WhatsApp took a message for malformed at {moment(at)}:"
        " a mistake of this service. Look for a newer release; please report it with a trace."
    )


def refused_documents(count: int, *, full: bool) -> str:
    """The state store refuses so many items of a connection; `full`: no more have room."""
    how_many = "1 document" if count == 1 else f"{count} documents"
    follows = (
        "no more have room in the session: nothing that arrives is stored until some are decided on, and all"
        " of it is kept in the session"
        if full
        else "the rest goes on"
    )
    return (
        f"The state store refuses {how_many} for good, and {follows}; `teimoso refused` lists what is kept,"
        " tries it again or discards it."
    )


def own_mistake(at: float, action: str) -> str:
    """A part of the service failed at that time, by no fault of what it was given."""
    return (
        f"A part of the service failed at {moment(at)} by a mistake of this service (`{action}` in the logs); all else goes"
        " on. Look for a newer release; please report it."
    )


def instance_backup(since: float) -> str:
    """No scheduled backup of the instance has succeeded since that time."""
    return (
        f"No backup of the instance was made since {moment(since)}; the older ones are as they were. The log `backup.log`"
        " says why; look at BACKUP_TARGET."
    )


def incomplete_backup(connections: Sequence[str]) -> str:
    """The newest scheduled backup of the instance has not the sessions of these connections as they were then."""
    names = ", ".join(sorted(map(name_of, connections)))
    return (
        f"The newest backup of the instance could not copy the sessions of {names}, and has the ones of the backup"
        " before, if any; all else is in it. The log `backup.log` says why."
    )


def backup_in_future(name: str) -> str:
    """A backup of the instance has a time that is later than now."""
    return (
        f"The backup {name} of the instance is later than now: a clock was ahead when it was made, or this host's is behind."
        " It never counts as the newest and is never deleted. With the clock right and a newer backup made, delete"
        f" `backups/{name}` in the target."
    )


def queue_differs(missing: int, unseen: int, differing: int) -> str:
    """The queue and its view in the state store differ in so many messages."""
    return (
        f"The queue differs from the state store: {missing} messages that the store shows as not finished are not in it,"
        f" {unseen} are in it alone, {differing} have another state in the store. One of the two was emptied or restored"
        " from a copy; docs/runbook.md says what to do."
    )
