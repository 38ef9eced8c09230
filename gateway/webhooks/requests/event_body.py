"""Serializes an event as JSON for webhooks and stream readers; adds the valid QR or code to `connection.qr`.

The event of the log has neither (G10): the lease has them in Redis, which forgets them as they expire.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.schemas import event_presenters
from gateway.schemas.event_presenters import VOID, PairingText

if TYPE_CHECKING:
    from actors.redis.leases.leases import Leases
    from actors.state.events.event import Event
    from actors.state.events.outbox import NumberedEvent


async def body(event: NumberedEvent, leases: Leases, *, may_link: bool) -> bytes:
    """The event as JSON, on one line; `may_link`: whether it is for one who may link accounts.

    Raises `Unreadable`, and `RedisAway` where a QR or a code cannot be looked up.
    """
    if event.event.type != "connection.qr":
        return event_presenters.written(event)
    if not may_link:
        return event_presenters.written(event, PairingText(withheld="missing_scope"))
    return event_presenters.written(event, await _shown(event.event, leases))


async def _shown(event: Event, leases: Leases) -> PairingText:
    """QR or code that the connection shows, where the event is about that one: its expiry names it."""
    look = leases.qr if event.data.get("kind") == "qr" else leases.pairing_code
    shown = None if event.connection is None else await look(event.connection)
    if shown is None or shown[1] != event.data.get("expires_at"):
        return VOID
    return PairingText(shown[0], withheld=None)
