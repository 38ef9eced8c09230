"""Serves the console's queue page by API operations: shows waiting messages of connections, and retries dead letters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from actors.runtime.connection_ids import name_of
from gateway.console.page_app import PageMethod
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/queue"
QUEUE_PAGE: Final = 50


async def show(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """The depths of all queues, and a page of dead letters, of one connection where the query names it."""
    one = view.query.get("connection") or name_of(view.form.get("only", "")) or None
    query: dict[str, Any] = {"limit": QUEUE_PAGE}
    if one is not None:
        query["connection"] = one
    if view.query.get("after"):
        query["after"] = view.query["after"]
    queue, dead = await asyncio.gather(view.part("getQueue"), view.part("listDead", query=query))
    return await view.page(
        "queue.html",
        problem=problem,
        live=None if view.request.method == "GET" else _address(one),
        queue=queue,
        dead=dead,
        one=one,
        longest=max(1, *(_depth(lane) for lane in (queue.data or {"items": []})["items"]), 1),
    )


async def retry(view: ConsoleRequest) -> Response:
    """Send one dead letter again, those of one connection by its incarnation, or all."""
    form = view.form
    one = form.get("only") or None
    try:
        if form.get("id"):
            await view.call("retryDead", path={"id": form["id"]})
        else:
            await view.call("retryFailed", body={} if one is None else {"connection": one})
    except Problem as problem:
        if problem.kind.status == 403:
            raise
        return await show(view, problem)
    return view.to(_address(one and name_of(one)))


def _address(one: str | None) -> str:
    return ADDRESS if one is None else f"{ADDRESS}?connection={one}"


def _depth(lane: Mapping[str, Any]) -> int:
    return int(lane["waiting"] + lane["active"] + lane["delayed"])


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    ADDRESS: {"GET": PageMethod(show)},
    f"{ADDRESS}/retry": {"POST": PageMethod(retry)},
}
