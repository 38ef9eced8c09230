"""Defines the names of all Redis keys of the service, and builds those of a connection.

All keys of a connection carry its id as hash tag (``{shop--K7Q2M9XA4TBC}``, `runtime/connection_ids.py`; below
it is cut to ``{shop}``), so that they stand together and one script may touch them together::

    teimoso:{shop}:deleted            hash    at: the time from which sends are refused; removed: the
                                              time from which its lease cannot be taken. Expires
                                              after `leases.TOMBSTONE` seconds
    teimoso:{shop}:lease              hash    the lease: owner, epoch, reports (see `leases`)
    teimoso:{shop}:qr                 hash    the QR to scan, expires with it
    teimoso:{shop}:pairing_code       hash    the code to type instead, expires with it
    teimoso:{shop}:passkey            hash    what linking by passkey waits for, expires with it
    teimoso:{shop}:counters           hash    seq: order and revisions; turn: fair turns of chats;
                                              paced: when the connection may claim again;
                                              renamed: the number up to which the owner's session
                                              reported `aliases`; dropped: whether some were dropped;
                                              clock, set_back: the last second, and how far it
                                              ever went back; uptime: the seconds for which the
                                              QueueActor's host ran since the queue began; boot,
                                              booted_for: that host's boot, and its age at the last
                                              count;
                                              count:WHAT, took:BUCKET, took:ms: what became of
                                              messages (`records.Flow`); bytes: what their records
                                              take
    teimoso:{shop}:leaving            hash    hour -> the bytes of the records that expire in it, of a former build
    teimoso:{shop}:finished           zset    finished messages that are mirrored, by `uptime` since when: they
                                              leave 24 h of it later
    teimoso:{shop}:refused            zset    finished messages whose view the state store refuses, in
                                              the order in which it did
    teimoso:{shop}:lane:CHAT          zset    open messages of a chat, by priority, then order
    teimoso:{shop}:ready              zset    chats whose next message may be claimed, by turn
    teimoso:{shop}:flight             hash    chat -> message being sent, and its old turn
    teimoso:{shop}:ahead              hash    chat -> the one given out to follow it, and its turn
    teimoso:{shop}:held               zset    messages in backoff, or that a limit of the account
                                              holds back, by the time of their retry, plus
                                              `set_back`
    teimoso:{shop}:scheduled          zset    messages with a send_at to come, by that time
    teimoso:{shop}:gaps               zset    chats, by the time from which they may be claimed again;
                                              infinite while a lane joins another one
    teimoso:{shop}:resting            zset    chats whose turn waits for their gap, by that time
    teimoso:{shop}:open               zset    messages not finished, by when they may leave first
    teimoso:{shop}:since              zset    chats that have a lane, by since (or from) when their next
                                              message may leave; a bound from below, but for the first
    teimoso:{shop}:aliases            hash    chat -> the chat of the same person today: LIDs whose
                                              number is known, numbers that another one answers for
    teimoso:{shop}:nameless           set     LIDs that messages were accepted for before that
    teimoso:{shop}:unasked            set     those whose alias may have been dropped, until
                                              the owner reports each
    teimoso:{shop}:joining            hash    chats whose lane joins another one, until it has
    teimoso:{shop}:dead               zset    dead letters, by order of death
    teimoso:{shop}:changed            zset    messages to mirror, by revision
    teimoso:{shop}:wake               list    at most one token: something may be claimed
    teimoso:{shop}:message:ID         hash    the record of a message
    teimoso:{shop}:idempotency:HASH   string  message id and fingerprint of an Idempotency-Key's first send
    teimoso:{shop}:commands           list    ids of what its owner is asked to do now
    teimoso:{shop}:command:ID         string  what is asked; expires when nobody waits any more
    teimoso:{shop}:answer:ID          string  what came of it, for some seconds
    teimoso:{shop}:presence:CHAT      hash    presence, at, last_seen of a person, for a day
    teimoso:{shop}:typing:CHAT        hash    member -> what they type and since when, for some seconds
    teimoso:{shop}:watched            zset    people whose presence is to be seen, by the time until when
    teimoso:{shop}:shown              string  the account is to be seen online, for a day
    teimoso:poke                      channel desired state changed, look now
    teimoso:webhooks                  string  token of the process that delivers to webhooks
    teimoso:newest_root               string  number of the root that began last

While an upgrade runs, actors of both releases use them: a key whose kind changes gets another name.

A chat with a lane is in `since`, and in exactly one of `ready`, `resting`, `flight` and `held` (there by its
message).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

from actors.runtime.connection_ids import is_connection

POKE = "teimoso:poke"
WEBHOOKS_CHANNEL = "teimoso:webhooks"
NEWEST_ROOT = "teimoso:newest_root"


@dataclass(frozen=True, slots=True)
class ConnectionKeys:
    """The fixed keys of one connection; `scripted` are those that scripts make of the base."""

    base: str
    deleted: str
    lease: str
    qr: str
    pairing_code: str
    passkey: str
    counters: str
    ready: str
    flight: str
    ahead: str
    held: str
    scheduled: str
    gaps: str
    resting: str
    open: str
    since: str
    aliases: str
    nameless: str
    unasked: str
    joining: str
    leaving: str
    finished: str
    refused: str
    dead: str
    changed: str
    wake: str
    commands: str
    watched: str
    shown: str

    @property
    def scripted(self) -> tuple[str, ...]:
        """The keys of the queue and of the lease (`transitions.lua`)."""
        return (
            self.lease,
            self.qr,
            self.counters,
            self.ready,
            self.flight,
            self.ahead,
            self.held,
            self.scheduled,
            self.gaps,
            self.resting,
            self.open,
            self.since,
            self.aliases,
            self.nameless,
            self.unasked,
            self.joining,
            self.leaving,
            self.finished,
            self.refused,
            self.dead,
            self.changed,
            self.wake,
            self.pairing_code,
            self.passkey,
        )

    def command(self, id: str) -> str:  # noqa: A002 - the field's word
        """The key of the request to the owner under this id."""
        return f"{self.base}:command:{id}"

    def answer(self, id: str) -> str:  # noqa: A002 - the field's word
        """The key of the answer to that request."""
        return f"{self.base}:answer:{id}"

    def presence(self, chat: str) -> str:
        """Whether a person is online. It names the person, as the next one does."""
        return f"{self.base}:presence:{chat}"

    def typing(self, chat: str) -> str:
        """The key of the people who type in a chat."""
        return f"{self.base}:typing:{chat}"

    def lane(self, chat: str) -> str:
        """The lane of a chat. It names the chat: keep it out of logs."""
        return f"{self.base}:lane:{chat}"

    def message(self, message_id: str) -> str:
        """The record of a message."""
        return f"{self.base}:message:{message_id}"

    def idempotency(self, key: str) -> str:
        """The key of the message that an Idempotency-Key names."""
        return f"{self.base}:idempotency:{digest(key)}"


def digest(idempotency_key: str) -> str:
    """The stored form of an Idempotency-Key, which may be anything, and may be long."""
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:32]


@lru_cache(maxsize=10_000)
def of(connection: str) -> ConnectionKeys:
    """The keys of `connection`; raises ValueError if that is not a connection id.

    The check keeps braces out of the hash tag and wildcards out of patterns.
    """
    if not is_connection(connection):
        raise ValueError("not a connection id")
    base = f"teimoso:{{{connection}}}"
    return ConnectionKeys(
        base=base,
        deleted=f"{base}:deleted",
        lease=f"{base}:lease",
        qr=f"{base}:qr",
        pairing_code=f"{base}:pairing_code",
        passkey=f"{base}:passkey",
        counters=f"{base}:counters",
        ready=f"{base}:ready",
        flight=f"{base}:flight",
        ahead=f"{base}:ahead",
        held=f"{base}:held",
        scheduled=f"{base}:scheduled",
        gaps=f"{base}:gaps",
        resting=f"{base}:resting",
        open=f"{base}:open",
        since=f"{base}:since",
        aliases=f"{base}:aliases",
        nameless=f"{base}:nameless",
        unasked=f"{base}:unasked",
        joining=f"{base}:joining",
        leaving=f"{base}:leaving",
        finished=f"{base}:finished",
        refused=f"{base}:refused",
        dead=f"{base}:dead",
        changed=f"{base}:changed",
        wake=f"{base}:wake",
        commands=f"{base}:commands",
        watched=f"{base}:watched",
        shown=f"{base}:shown",
    )
