"""Declares the fields of a connection's document in SQLite or Firestore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypedDict

ENGINE: Final = "whatsmeow"
"""The engine of all connections; an account that another one linked, which is gone, has to be linked anew."""

Desired = Literal["running", "stopped", "logged_out"]


@dataclass(frozen=True, slots=True)
class Observed:
    """The last observed state of a connection; its lease in Redis is fresher while Redis answers."""

    state: str
    cause: str | None = None
    """The state, and why it is in it."""
    epoch: int = 0
    """The epoch of its owner."""
    since: float = 0.0
    """When the state began."""
    account: str | None = None
    """The account's address, once it is paired."""
    restarts: int = 0
    """Number of owners that took over from one that had not released it."""
    beat: float = 0.0
    """The owner's last sign of life; on Firestore, where each write is paid for, up to an hour old."""
    retry_at: float | None = None
    """When the owner tries again."""


class ShownPairing(TypedDict):
    """A QR, a pairing code or a passkey's challenge that the owner shows, without it: the lease alone has that."""

    kind: str
    """`qr`, `code` or `passkey`."""
    number: int
    """Counts those of the epoch, from 1."""
    epoch: int
    """The epoch of the owner that shows it."""
    expires_at: float
    """When WhatsApp stops to accept it."""
    at: float
    """When it was shown."""


class NotedLimit(TypedDict):
    """A limit that WhatsApp set on the account."""

    until: float | None
    reason: str | None
    """The end of the limit, and what it is for; null where there is none any more."""
    at: float
    """When WhatsApp sent that."""


class NotedRename(TypedDict):
    """A chat whose address changed, since two addresses are one person's."""

    former: str
    """The address until then."""
    chat: str
    """The address from then on."""
    at: float
    """When that was noted."""


class RestartRecord(TypedDict):
    """The restart budget of a connection."""

    at: list[float]
    """The times of its short lives."""
    streak: int
    """Number of those in a row."""


class ConnectionDocument(TypedDict, total=False):
    """The desired and the observed state of a connection, beside its `ConnectionOptions`."""

    incarnation: str
    """The connection's id; missing where that is the bare name."""
    engine: str
    """`whatsmeow`, or the engine that is gone (`ENGINE`)."""
    webhook: str | None
    """The id of the webhook that it was created with."""
    desired: Desired
    """`running`, `stopped` or `logged_out`."""
    generation: int
    """A counter; a higher number asks for a restart."""
    recover: int
    """A counter; a higher number asks for a recovery now, out of `failed`, without waiting for the backoff."""
    created_at: float
    """When it was registered."""
    deleted: bool
    """Whether it is being removed."""
    observed: Observed
    """The last observed state."""
    pairing: ShownPairing
    """The QR or pairing code of the last event, without the code itself; while nobody wants events it is not written."""
    limit: NotedLimit
    """Until when WhatsApp lets the account write to nobody new, as the last event has it; missing where it always may."""
    renamed: NotedRename
    """The last chat whose address changed, since two addresses are one person's; missing where none did."""
    calls: list[str]
    """Ids of the events of calls with a recent event, so that none has two; while nobody wants events it is not written."""
    fence: int
    """The epoch that stored last what arrived; an older one stores nothing."""
    falls: RestartRecord | None
    """Its restart budget."""
