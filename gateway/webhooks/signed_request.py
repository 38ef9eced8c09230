"""Sends one signed webhook request with the webhook's custom headers, and returns the timed attempt."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from actors.metrics.counters import measures
from actors.state.events.deliveries import Attempt
from gateway.webhooks import signatures

if TYPE_CHECKING:
    from actors.state.webhooks import Webhook
    from gateway.webhooks.http_post import Poster


async def attempt(
    poster: Poster, webhook: Webhook, identity: str, body: bytes, now: float
) -> Attempt:
    """POST the event `body`, whose id is `identity`; `now` in seconds since the epoch."""
    signed = signatures.headers(webhook.signs(now), identity, int(now), body)
    began = time.monotonic()
    outcome = await poster.post(webhook.url, body, [*signed, *webhook.headers.items()])
    made = Attempt.of(now, outcome, round(time.monotonic() - began, 4))
    measures.observe("teimoso_webhook_seconds", made.seconds)
    return made
