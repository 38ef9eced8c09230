"""Sends one signed webhook request with the webhook's custom headers, and returns the timed attempt."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import TYPE_CHECKING

from actors.metrics.counters import measures
from actors.state.events.deliveries import Attempt
from gateway.webhooks.requests import signatures

if TYPE_CHECKING:
    from actors.state.webhooks import Webhook
    from gateway.webhooks.requests.body import DeliveryBody
    from gateway.webhooks.requests.http_post import Poster


async def attempt(
    poster: Poster, webhook: Webhook, identity: str, body: DeliveryBody, now: float
) -> Attempt:
    """POST the event `body`, whose id is `identity`; `now` in seconds since the epoch."""
    sign = partial(signatures.headers, webhook.signs(now), identity, int(now))
    if body.whole is None:
        try:
            signed = await asyncio.to_thread(lambda: sign(body.pieces()))
        except OSError:
            return Attempt.of(now, "file_unreadable", 0.0)
    else:
        signed = sign([body.whole])
    began = time.monotonic()
    outcome = await poster.post(webhook.url, body, [*signed, *webhook.headers.items()])
    made = Attempt.of(now, outcome, round(time.monotonic() - began, 4))
    measures.observe("teimoso_webhook_seconds", made.seconds)
    return made
