"""Decides whether a new owner serves the local session file, the newest backup or a new session (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from actors.redis.leases.lease_record import Position


@dataclass(frozen=True, slots=True)
class Choice:
    """The session to serve with.

    `source`: the ``file`` that lies there, the ``vault``'s newest copy, or ``nothing``, which is a
    new session. `renew`: it may not be the last there was, so its keys are not to be trusted. A
    file that is not chosen is an older one.
    """

    source: Literal["file", "vault", "nothing"]
    renew: bool = False


def choose(
    file: Position | None,
    recorded: Position | None,
    kept: Position | None,
    *,
    final: bool = False,
    blind: bool = False,
) -> Choice:
    """The newest session known to the lease record or the vault, not whatever lies in the directory.

    `file` is None where there is none, or none that can be read. `recorded` is how far the last
    owner's session was known to be, `final` that it was no further when it was given back. `kept` is
    the vault's newest copy. `blind`: nobody could say what the vault has, and others may have served.
    """
    newest = max((one for one in (recorded, kept) if one is not None), default=None)
    if file is not None and (newest is None or file >= newest):
        return Choice("file", renew=blind and recorded is None)
    best = max((one for one in (file, kept) if one is not None), default=None)
    if best is None:
        return Choice("nothing")
    renew = not (final and best == recorded)
    return Choice("file" if best == file else "vault", renew)
