"""How the service is: what it stands on, the machine over the last hour, what engines promise."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from actors.state.documents import HEALTH_STATUS, HOUR
from gateway.answer import rfc3339
from gateway.console.charts import Curve, curve
from gateway.console.page import Ask
from gateway.console.view import Part
from gateway.endpoint import telling_what_is_away
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.backends import Backends
    from gateway.console.view import View

ADDRESS: Final = "/console/system"


async def show(view: View) -> Response:
    health, hour, seen = await asyncio.gather(
        view.part("getHealth"), _hour(view.backends), view.backends.observer.look()
    )
    now, settings = time.time(), view.backends.settings
    latest: Mapping[str, Any] = seen.latest or {}
    return await view.page(
        "system.html",
        full=health,
        hour=hour,
        curves=[
            ("cpu", "CPU", _curve(hour, "cpu", now), settings.cpu_threshold),
            ("memory", "Memory", _curve(hour, "memory", now), settings.memory_threshold),
        ],
        told=latest.get("reasons") or [],
        own=latest.get("own"),
        told_at=rfc3339(latest.get("at")),
        disk=seen.disk,
        rfc3339=rfc3339,
    )


async def _hour(backends: Backends) -> Part:
    try:
        with telling_what_is_away():
            return Part(await backends.documents.get(HEALTH_STATUS, HOUR) or {})
    except Problem as problem:
        return Part(None, problem)


def _curve(hour: Part, field: str, now: float) -> Curve | None:
    return curve(hour.data["minutes"], hour.data[field], now) if hour.data else None


ASKS: Mapping[str, Mapping[str, Ask]] = {ADDRESS: {"GET": Ask(show)}}
