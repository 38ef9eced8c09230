"""Serves the console's recovery page by API operations: shows alerts and finished recovery actions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from gateway.console.console_request import PagePart
from gateway.console.page_app import PageMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/recovery"
SHOWN_RECOVERIES: Final = 50


async def show(view: ConsoleRequest) -> Response:
    """Alerts, those that are over, and recoveries, of one connection where the query names it."""
    one = _one(view)
    shown = None if one is None else await view.call("getConnection", path={"connection": one})
    health, over, recoveries = await asyncio.gather(
        view.part("getHealth"),
        _of_all(view, "listAlerts", "raised_at", active=False),
        _of_all(view, "listRecoveries", "at"),
    )
    return await view.page(
        "recovery.html",
        alerts=health,
        over=over,
        recoveries=recoveries,
        one=one,
        incarnation=None if shown is None else shown["incarnation"],
    )


def _one(view: ConsoleRequest) -> str | None:
    return view.query.get("connection") or None


async def _of_all(view: ConsoleRequest, operation: str, by: str, **query: Any) -> PagePart:
    """The newest of all that the key reaches; one for some connections has to name each."""
    one = _one(view)
    if one is None and view.key.connections is None:
        return await view.part(operation, query={"limit": SHOWN_RECOVERIES, **query})
    names = view.names if one is None else [one]
    parts = await asyncio.gather(
        *(
            view.part(operation, query={"connection": name, "limit": SHOWN_RECOVERIES, **query})
            for name in names
        )
    )
    problem = next((part.problem for part in parts if part.problem is not None), None)
    if problem is not None:
        return PagePart(None, problem)
    items = [item for part in parts for item in part.data["items"]]
    items.sort(key=lambda item: item[by], reverse=True)
    return PagePart({"items": items[:SHOWN_RECOVERIES]})


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {ADDRESS: {"GET": PageMethod(show)}}
