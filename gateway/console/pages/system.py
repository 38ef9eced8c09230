"""Serves the console's system page: shows health, and the machine's load of the last hour."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from gateway.console.page_app import PageMethod
from gateway.console.pages.charts import Curve, curve
from gateway.http.response_base import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest, PagePart

ADDRESS: Final = "/console/system"


async def show(view: ConsoleRequest) -> Response:
    """Health, load and disk of the machine, with curves of the last looks."""
    health, load, seen = await asyncio.gather(
        view.part("getHealth"), view.part("getLoad"), view.backends.observer.look()
    )
    settings = view.backends.settings
    interval = settings.health_check_interval / 1000
    # A figure is there for each interval: a curve that moved on within it would differ at each look.
    now = time.time() // interval * interval
    gap = 3 * interval
    latest: Mapping[str, Any] = seen.latest or {}
    return await view.page(
        "system.html",
        full=health,
        load=load,
        curves=[
            ("cpu", "CPU", _curve(load, "cpu", now, gap), settings.cpu_threshold),
            ("memory", "Memory", _curve(load, "memory", now, gap), settings.memory_threshold),
        ],
        reasons=latest.get("reasons") or (),
        own=latest.get("own"),
        looked_at=rfc3339(latest.get("at")),
        disk=seen.disk,
        up_since=rfc3339(round(time.time() - time.monotonic() + view.backends.started)),
    )


def _curve(load: PagePart, field: str, now: float, gap: float) -> Curve | None:
    items = [] if load.data is None else load.data["items"]
    times = [datetime.fromisoformat(one["at"]).timestamp() for one in items]
    return curve(times, [one[field] for one in items], now, gap)


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {ADDRESS: {"GET": PageMethod(show)}}
