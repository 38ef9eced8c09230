"""Converts the backlog of webhook deliveries to Prometheus series for the metrics route, summed: no URL is a label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prometheus_client.core import Metric


class Behind(NamedTuple):
    """State of a webhook that is on: since when nothing gets through, when the oldest that waits happened.

    `held` chats wait for another attempt; `in_flight` requests are on their way.
    """

    failing_since: float | None
    oldest_at: float | None
    held: int = 0
    in_flight: int = 0


class WebhookBacklog(Collector):
    """The webhooks at one moment; None while it is not known which there are."""

    def __init__(self, webhooks: Sequence[Behind] | None, now: float) -> None:
        self._webhooks = webhooks
        self._now = now

    def collect(self) -> Iterator[Metric]:
        if self._webhooks is None:
            return
        failing = [each.failing_since for each in self._webhooks if each.failing_since is not None]
        waiting = [each.oldest_at for each in self._webhooks if each.oldest_at is not None]
        yield GaugeMetricFamily(
            "teimoso_webhooks_failing",
            "Webhooks to which nothing gets through; those that are paused do not count.",
            value=len(failing),
        )
        yield GaugeMetricFamily(
            "teimoso_webhook_failing_seconds",
            "Time for which nothing has got through to the worst of them; 0 when there is none.",
            value=max(0.0, self._now - min(failing, default=self._now)),
        )
        yield GaugeMetricFamily(
            "teimoso_webhook_oldest_age_seconds",
            "Age of the oldest event that this gateway has still to deliver; 0 when there is none.",
            value=max(0.0, self._now - min(waiting, default=self._now)),
        )
        yield GaugeMetricFamily(
            "teimoso_webhook_held_chats",
            "Chats of which a webhook refused an event, which is tried again; what is behind it waits.",
            value=sum(each.held for each in self._webhooks),
        )
        yield GaugeMetricFamily(
            "teimoso_webhook_requests_in_flight",
            "Deliveries of this gateway that are on their way.",
            value=sum(each.in_flight for each in self._webhooks),
        )
