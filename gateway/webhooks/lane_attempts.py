"""Finds the next undelivered event of a chat, and POSTs the event once; `delivery_worker` judges the result."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from actors.state.events.deliveries import Attempt, Delivery
from gateway.schemas.event_presenters import UnreadableEvent
from gateway.webhooks import delivery_policy
from gateway.webhooks.chat_lanes import REPEATS, former_lane_of
from gateway.webhooks.requests import signed_request
from gateway.webhooks.requests.delivery_body import FileAwaited

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.state.webhooks import Webhook
    from gateway.webhooks.chat_lanes import ChatLane
    from gateway.webhooks.delivery_journal import DeliveryJournal
    from gateway.webhooks.requests.delivery_body import DeliveryBodies
    from gateway.webhooks.requests.http_post import Poster
    from gateway.webhooks.stored_deliveries import StoredDeliveries

NO_ATTEMPT: Final = Attempt(0.0, None, None, 0.0)
"""In place of an attempt where no event was found."""

UNWANTED: Final = Attempt(0.0, None, None, 0.0)
"""In place of an attempt at an event that only kept the order of a chat with two addresses (`chat_lanes`)."""


@dataclass(frozen=True, slots=True)
class Result:
    """An attempt at the next event of a lane, `fresh` from the log; None: it could not be made now.

    No `delivery`, but an attempt: nothing was stored there, seen when `spills` was the lane's.
    """

    lane: ChatLane
    fresh: bool
    spills: int
    delivery: Delivery | None
    attempt: Attempt | FileAwaited | None


class LaneAttempts:
    """Attempts at events of one webhook, as it is now (`webhook`)."""

    def __init__(
        self,
        webhook: Webhook,
        *,
        refused: StoredDeliveries,
        journal: DeliveryJournal,
        poster: Poster,
        bodies: DeliveryBodies,
        clock: Callable[[], float],
    ) -> None:
        self.webhook = webhook
        self._refused = refused
        self._journal = journal
        self._poster = poster
        self._bodies = bodies
        self._clock = clock

    def finder(self, lane: ChatLane) -> Callable[[], Awaitable[Delivery | None]]:
        """Finds the next event of a lane, by what the lane is now; may raise `StoreAway`."""
        if lane.key == REPEATS:
            return self._refused.repeat
        if lane.head is not None:
            return partial(self._head, lane.head)
        if lane.behind:
            return partial(self._refused.following, lane.key, lane.last)
        return partial(_unchanged, Delivery(self.webhook.id, lane.waiting[0], "waiting", lane.key))

    async def make(self, delivery: Delivery | None, *, may_wait: bool) -> Attempt | FileAwaited:
        """Try to deliver it; `may_wait`: unless its webhook waits for its file.

        Raises `RedisAway` and `StoreAway`: then no attempt was made.
        """
        now = self._clock()
        if delivery is None:
            return NO_ATTEMPT
        event = delivery.numbered
        if delivery.lane is not None and event.seq <= self.webhook.begun:
            return Attempt.of(now, delivery_policy.SUPERSEDED, 0.0)
        kept_order = delivery.lane is not None and former_lane_of(event.event) is not None
        if kept_order and not self.webhook.wants(event.event):
            return UNWANTED
        try:
            # A repeat that a person wants has waited before.
            waits = may_wait and delivery.lane is not None
            body = await self._bodies.of(event, self.webhook, now, may_wait=waits)
        except UnreadableEvent:
            return Attempt.of(now, delivery_policy.UNREADABLE_EVENT, 0.0)
        if isinstance(body, FileAwaited):
            return body
        with closing(body):
            return await signed_request.attempt(
                self._poster, self.webhook, event.event.id, body, now
            )

    async def _head(self, seq: int) -> Delivery | None:
        delivery = self._journal.find(seq)
        return delivery if delivery is not None else await self._refused.head(seq)


async def _unchanged(delivery: Delivery) -> Delivery:
    return delivery
