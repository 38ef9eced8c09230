"""Defines the lease record of a connection (owner, epoch, reported state), and parses it from Redis fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class Position(NamedTuple):
    """The epoch of a session's owner, and how many commits the file has seen; ordered by both.

    Two files with one position are the same: an epoch has one owner, and that counts each commit.
    """

    epoch: int
    commit: int

    @classmethod
    def read(cls, value: str | None) -> Self | None:
        """Return the position in a field of the lease record; None where it has none."""
        return cls(*map(int, value.split())) if value else None


@dataclass(frozen=True, slots=True)
class HeldItems:
    """Items that are on disk in the session and go no further for now.

    `refused_documents` are refused by the state store until a person decides; with `refused_full` no more
    have room, and storing pauses. `deferred_files` arrived and wait, `over_budget_files` of them for the
    next day (UTC) and the others for room on the disk.
    """

    refused_documents: int = 0
    deferred_files: int = 0
    over_budget_files: int = 0
    refused_full: bool = False

    @classmethod
    def read(cls, fields: Mapping[str, str]) -> Self:
        """Return the numbers in a lease record; 0 where no owner reported yet."""
        return cls(
            int(fields.get("refused_documents") or 0),
            int(fields.get("deferred_files") or 0),
            int(fields.get("over_budget_files") or 0),
            fields.get("refused_full") == "1",
        )

    @property
    def arguments(self) -> tuple[int, int, int, str]:
        """The arguments of a report to the lease record (`lease.lua`)."""
        return (
            self.refused_documents,
            self.deferred_files,
            self.over_budget_files,
            "1" if self.refused_full else "",
        )


NONE_HELD = HeldItems()


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that serves a connection; `actor` is its Ray name, `node` is `host_identity.here()`.

    `started` is `processes.start_of` it, empty where that is not known.
    """

    actor: str
    pid: int
    node: str
    started: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """An obstacle to a connection's login that holds for each owner, and across crashes.

    No login is tried before `until` (seconds since the epoch); without it a person has to link again.
    """

    cause: str
    until: float | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease record. Times are seconds since the epoch; `owner` is None after a release.

    `state` is one of pairing, connecting, open, reconnecting, stopped, failed, logged_out.
    `restarts` counts the takings after an owner that had not released. `retry_at` is when the
    owner tries again, where it waits for that. `session` is how far the last session was known to
    be, `final` that it was given back at that, `behind` since when its backups have failed.
    `pairing_step` is what linking waits for: qr, code or passkey. From `version_ends_at` on WhatsApp
    refuses the version that the owner announced, until `limited_until` the account may write to nobody
    new (`limit_reason`), at `mistaken_at` a message of the owner's was taken for malformed last. `refused_sends` are messages of the
    queue whose view the state store refuses until a person decides; the queue counts them, and a new owner changes nothing.
    At `linked_at` the account was linked first.
    """

    connection: str
    epoch: int
    owner: Owner | None
    state: str
    cause: str | None
    since: float
    beat: float
    restarts: int
    account: str | None
    retry_at: float | None = None
    obstacle: Obstacle | None = None
    session: Position | None = None
    final: bool = False
    behind: float | None = None
    version_ends_at: float | None = None
    pairing_step: str | None = None
    limited_until: float | None = None
    limit_reason: str | None = None
    mistaken_at: float | None = None
    held: HeldItems = NONE_HELD
    refused_sends: int = 0
    linked_at: float | None = None


def read_lease(connection: str, fields: Mapping[str, str]) -> Lease | None:
    """Return the record that these fields of Redis are; None where there are none."""
    if not fields:
        return None
    owner = None
    if fields.get("released") != "1":
        started = fields.get("started", "")
        owner = Owner(fields["actor"], int(fields["pid"]), fields["node"], started)
    return Lease(
        connection=connection,
        epoch=int(fields["epoch"]),
        owner=owner,
        state=fields["state"],
        cause=fields.get("cause") or None,
        since=float(fields["since"]),
        beat=float(fields["beat"]),
        restarts=int(fields["restarts"]),
        account=fields.get("account") or None,
        retry_at=time_of(fields.get("retry_at")),
        obstacle=_obstacle(fields),
        session=Position.read(fields.get("session")),
        final=fields.get("final") == "1",
        behind=time_of(fields.get("behind")),
        version_ends_at=time_of(fields.get("version_ends_at")),
        pairing_step=fields.get("pairing_step") or None,
        limited_until=time_of(fields.get("limited_until")),
        limit_reason=fields.get("limit_reason") or None,
        mistaken_at=time_of(fields.get("mistaken_at")),
        held=HeldItems.read(fields),
        refused_sends=int(fields.get("refused_sends") or 0),
        linked_at=time_of(fields.get("linked_at")),
    )


def _obstacle(fields: Mapping[str, str]) -> Obstacle | None:
    cause = fields.get("obstacle")
    return Obstacle(cause, time_of(fields.get("until"))) if cause else None


def time_of(value: str | None) -> float | None:
    """Return the time in a field; None where it is empty."""
    return float(value) if value else None
