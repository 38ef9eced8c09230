"""The lease record of a connection: its owner, its epoch, and what the owner reports of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from actors.redis.held_items import NONE_HELD, HeldItems
from actors.redis.session_position import Position

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Owner:
    """A process that serves a connection; `actor` is its Ray name, `node` is `hosts.here()`.

    `started` is `processes.start_of` it, empty where an older release took the lease.
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
    new (`limit_reason`), at `mistaken_at` a message of the owner's was taken for malformed last.
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
    )


def _obstacle(fields: Mapping[str, str]) -> Obstacle | None:
    cause = fields.get("obstacle")
    return Obstacle(cause, time_of(fields.get("until"))) if cause else None


def time_of(value: str | None) -> float | None:
    """Return the time in a field; None where it is empty."""
    return float(value) if value else None
