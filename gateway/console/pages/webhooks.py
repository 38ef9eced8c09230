"""Serves the console's pages of webhooks by API operations: lists, adds, changes, tests, removes; redelivers events."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from actors.state.events.event import EVENT_TYPES
from gateway.console.page_app import PageMethod
from gateway.http.problems import Problem
from gateway.schemas import webhook_headers
from gateway.schemas.texts import losses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.responses import Response

    from gateway.console.console_request import ConsoleRequest

ADDRESS: Final = "/console/webhooks"
DELIVERY_PAGE: Final = 20
"""Deliveries of a page."""

STATUSES: Final = ("waiting", "delivered", "dead")


async def show(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """The endpoints, and the form that adds one."""
    view.require("admin")
    return await view.page(
        "webhooks.html",
        live=ADDRESS,
        problem=problem,
        listed=await view.part("listWebhooks"),
        types=EVENT_TYPES,
        names=view.names,
        given=view.form,
    )


async def add(view: ConsoleRequest) -> Response:
    """Add a webhook; the page that answers is the only one that shows its secret."""
    form = view.form
    try:
        body: dict[str, Any] = {"url": form.get("url", "").strip(), **_files(form)}
        if types := [one for one in EVENT_TYPES if form.get(f"event.{one}")]:
            body["events"] = types
        if named := form.get("connections", "").replace(",", " ").split():
            body["connections"] = named
        if headers := _headers(form):
            body["headers"] = headers
        made = await view.call("createWebhook", body=body)
    except Problem as problem:
        if problem.kind.code == "missing_scope":
            raise
        return await show(view, problem)
    return await _issued(view, made["id"], made["url"], made["secret"])


async def one(view: ConsoleRequest, problem: Problem | None = None) -> Response:
    """One webhook, and a page of its deliveries."""
    status = view.query.get("status")
    query: dict[str, Any] = {"limit": DELIVERY_PAGE}
    if status in STATUSES:
        query["status"] = status
    if view.query.get("after"):
        query["after"] = view.query["after"]
    path = {"webhook": view.path["webhook"]}
    webhook, deliveries = await asyncio.gather(
        view.call("getWebhook", path=path), view.part("listDeliveries", path=path, query=query)
    )
    return await view.page(
        "webhook.html",
        live=None if view.request.method == "GET" else _address(view),
        problem=problem,
        webhook=webhook,
        lost=losses.of_webhook(webhook),
        deliveries=deliveries,
        status=status if status in STATUSES else None,
        statuses=STATUSES,
        given=view.form,
    )


async def change(view: ConsoleRequest) -> Response:
    """Change what one of the page's forms is for, which `setting` names; the rest stays."""
    form = view.form

    async def changed() -> Response:
        match form.get("setting"):
            case "headers":
                body: dict[str, Any] = {"headers": _headers(form)}
            case "files":
                body = _files(form)
            case "url":
                body = {"url": form.get("url", "").strip()}
            case _:
                body = {"enabled": form.get("enabled") == "true"}
        await view.call("changeWebhook", path={"webhook": view.path["webhook"]}, body=body)
        return view.to(_address(view))

    return await _of_page(view, changed)


async def rotate(view: ConsoleRequest) -> Response:
    """Sign by a new secret, which the page that answers alone shows."""

    async def rotated() -> Response:
        path = {"webhook": view.path["webhook"]}
        webhook = await view.call("getWebhook", path=path)
        made = await view.call("rotateSecret", path=path)
        return await _issued(view, webhook["id"], webhook["url"], made["secret"])

    return await _of_page(view, rotated)


async def test(view: ConsoleRequest) -> Response:
    """Send a test event, and show what came of it."""

    async def tested() -> Response:
        path = {"webhook": view.path["webhook"]}
        webhook = await view.call("getWebhook", path=path)
        outcome = await view.call("testWebhook", path=path)
        return await view.page("webhook_test.html", live="", webhook=webhook, tested=outcome)

    return await _of_page(view, tested)


async def delete(view: ConsoleRequest) -> Response:
    """Delete a webhook; events that it did not get yet are delivered no more."""
    await view.call("deleteWebhook", path={"webhook": view.path["webhook"]})
    return view.to(ADDRESS)


async def redeliver(view: ConsoleRequest) -> Response:
    """Have an event delivered once more."""

    async def redelivered() -> Response:
        path = {name: view.path[name] for name in ("webhook", "delivery")}
        await view.call("redeliver", path=path)
        status = view.form.get("status")
        query = f"?{urlencode({'status': status})}" if status in STATUSES else ""
        return view.to(_address(view) + query)

    return await _of_page(view, redelivered)


async def _of_page(view: ConsoleRequest, act: Callable[[], Awaitable[Response]]) -> Response:
    """The answer of `act`; a refusal is shown on the page of the webhook, where there is one."""
    try:
        return await act()
    except Problem as problem:
        if problem.kind.code in {"missing_scope", "unknown_webhook"}:
            raise
        return await one(view, problem)


async def _issued(view: ConsoleRequest, webhook: str, url: str, secret: str) -> Response:
    return await view.page(
        "issued.html",
        live="",
        title=f"Webhook {url}",
        noun="secret",
        secret=secret,
        hint="Each delivery is signed by it, so that the endpoint can tell who sent it. Of a lost one a"
        " new one is made.",
        back=(f"{ADDRESS}/{webhook}", "To the webhook"),
    )


def _address(view: ConsoleRequest) -> str:
    return f"{ADDRESS}/{view.path['webhook']}"


def _files(form: Mapping[str, str]) -> dict[str, Any]:
    """The fields of the way in which files come; the API refuses a text that is no number."""
    wait, base64 = bool(form.get("wait")), bool(form.get("base64"))
    body: dict[str, Any] = {"media": "wait" if wait else "apart", "base64": base64}
    for name, wanted in (("media_wait", wait), ("base64_limit", base64)):
        written = form.get(name, "").strip()
        if wanted and written:
            body[name] = int(written) if written.isdecimal() else written
    return body


def _headers(form: Mapping[str, str]) -> dict[str, str]:
    """The headers in the lines of the form. Problem `invalid_field`, which repeats nothing of them."""
    try:
        return webhook_headers.from_lines(form.get("headers", "").splitlines())
    except ValueError as error:
        raise Problem("invalid_field", str(error)) from None


ROUTES: Mapping[str, Mapping[str, PageMethod]] = {
    ADDRESS: {"GET": PageMethod(show), "POST": PageMethod(add)},
    f"{ADDRESS}/{{webhook}}": {"GET": PageMethod(one)},
    f"{ADDRESS}/{{webhook}}/change": {"POST": PageMethod(change), "GET": PageMethod(one)},
    f"{ADDRESS}/{{webhook}}/secret": {"POST": PageMethod(rotate), "GET": PageMethod(one)},
    f"{ADDRESS}/{{webhook}}/test": {"POST": PageMethod(test), "GET": PageMethod(one)},
    f"{ADDRESS}/{{webhook}}/delete": {"POST": PageMethod(delete)},
    f"{ADDRESS}/{{webhook}}/deliveries/{{delivery}}/redeliver": {"POST": PageMethod(redeliver)},
}
