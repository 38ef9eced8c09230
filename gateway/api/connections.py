"""Serves `/api/connections`: shows states and QR codes; stores registrations and desired states in SQLite or Firestore."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

from starlette.responses import Response

from actors.connection.proxy.address import parse
from actors.redis.client import RedisAway
from actors.runtime.connection_ids import is_name, new_id
from actors.state.connections import (
    ConnectionExists,
    ConnectionNotFound,
)
from actors.state.webhooks import creating
from gateway.acceptance.address_policy import is_private_host
from gateway.api import qr
from gateway.api.webhooks import resource as webhooks
from gateway.connection_access import resolve, resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import event_presenters, presenters, response_models
from gateway.schemas import webhooks as webhook_models
from gateway.schemas.connection_requests import ConnectionSettings, NewConnection
from gateway.schemas.request_models import ListConnections, Recovery

if TYPE_CHECKING:
    from actors.state.connections import Connection as Registered
    from gateway.backends import Backends
    from gateway.http.response_base import Answer

_ONE = Gives("The connection.", response_models.Connection)
_NOTED = Gives("Noted; the connection as it is now.", response_models.Connection)


_SETTINGS = (
    "invalid_proxy",
    "private_url",
    "text_empty",
    "text_too_long",
    "control_character",
)
"""Refusals of settings."""


def _require_public(backends: Backends, proxy: str | None) -> None:
    """Problem `private_url` where that shows without a look-up; other names are judged as they are connected to."""
    if proxy is None or backends.settings.connection_proxy_private:
        return
    if is_private_host(parse(proxy).host):
        raise Problem(
            "private_url",
            "The proxy has a private address. Set CONNECTION_PROXY_PRIVATE to true to allow it.",
        )


async def _create(call: ApiRequest[NewConnection, None]) -> Response:
    wanted = call.body
    if not call.key.covers(None):
        raise Problem("connection_forbidden", "A key for some connections creates none.")
    options = wanted.options
    _require_public(call.backends, options.proxy)
    webhook, id = None, new_id(wanted.id)  # noqa: A001 - the field's word
    if wanted.webhook is not None:
        webhook = webhooks.made(call.backends, wanted.webhook, connections=[id])
    try:
        registered = await call.backends.registry.create(
            wanted.id,
            id=id,
            options=options,
            webhook=None if webhook is None else webhook.id,
            writes=() if webhook is None else creating(webhook),
        )
    except ConnectionExists as error:
        detail = "It is still being removed; try again soon." if error.deleting else None
        raise Problem("connection_exists", detail) from None
    await _noted(call.backends, registered)
    shown: Answer = presenters.connection(
        registered, None, alive=False, settings=call.backends.settings
    )
    if webhook is not None:
        call.backends.deliverer.look()
        presented = event_presenters.webhook(webhook, webhook.progress.cursor)
        added = webhook_models.AddedWebhook(**presented, secret=webhook.secrets[0].secret)
        shown = webhook_models.AddedConnection(**dict(shown), webhook=added)
    return written(shown, 201, Location=f"/api/connections/{registered.name}")


async def _list_all(call: ApiRequest[None, ListConnections]) -> Response:
    backends, query = call.backends, call.query
    if query.after is not None and not is_name(query.after):
        raise Problem("invalid_cursor")
    # The copy in memory answers also while the store is away; it may be behind another gateway
    # process by the time that a poke takes.
    found = [each for each in backends.connections.all() if call.key.reaches(each.id)]
    page = [each for each in found if query.after is None or each.name > query.after]
    items = page[: query.limit]
    return written(
        response_models.Connections(
            items=await backends.shown(items),
            next=items[-1].name if len(page) > len(items) else None,
        )
    )


async def _get(call: ApiRequest[None, None]) -> Response:
    return await _as_it_is(call.backends, await resolve_path(call, fresh=True))


async def _delete(call: ApiRequest[None, None]) -> Response:
    """Mark as deleted, and have Redis refuse sends, also those of gateways that have not learnt of it."""
    registered = await resolve_path(call, fresh=True)
    try:
        deleted = await call.backends.registry.delete(registered.id)
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    with suppress(RedisAway):  # the root repeats it
        await call.backends.leases.delete(deleted.id)
    await _noted(call.backends, deleted)
    return Response(status_code=204)


async def _configure(call: ApiRequest[ConnectionSettings, None]) -> Response:
    """The root hands what changed to the owner, and again to each owner after it."""
    registered, changes = await resolve_path(call, fresh=True), call.body.changes
    _require_public(call.backends, call.body.proxy)
    if changes:
        try:
            registered = await call.backends.registry.configure(registered.id, **changes)
        except ConnectionNotFound:
            raise Problem("unknown_connection") from None
        await _noted(call.backends, registered)
    return await _as_it_is(call.backends, registered)


async def _start(call: ApiRequest[None, None]) -> Response:
    """Also of a connection that gave up or was logged out, though it was to run all along."""
    registered = await resolve_path(call, fresh=True)
    try:
        await call.backends.registry.request_recovery(registered.id)
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    return await _desire(call, "running")


async def _stop(call: ApiRequest[None, None]) -> Response:
    return await _desire(call, "stopped")


async def _logout(call: ApiRequest[None, None]) -> Response:
    return await _desire(call, "logged_out")


async def _restart(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    try:
        await call.backends.registry.raise_generation(registered.id)
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    return await _desire(call, "running")


async def _recover(call: ApiRequest[Recovery, None]) -> Response:
    """Forced recovery: no backoff, no restart intensity, now."""
    backends, wanted = call.backends, call.body.connection
    if wanted is not None:
        chosen = [await resolve(call, wanted, fresh=True)]
    else:
        page = await backends.registry.list()
        chosen = [
            each for each in page.items if each.desired == "running" and call.key.reaches(each.id)
        ]
    recovered = []
    for each in chosen:
        try:
            backends.connections.put(await backends.registry.request_recovery(each.id))
        except ConnectionNotFound:
            continue  # deleted meanwhile
        recovered.append(each.name)
    await backends.poke()
    return written(response_models.Recovered(items=recovered), 202)


async def _scan(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    media_type = qr.chosen(call.request.headers.get("accept", ""))
    found = await call.backends.leases.qr(registered.id)
    if found is None:
        [shown] = await call.backends.shown([registered])
        state = shown.state
        raise Problem("nothing_to_scan", f"The connection is {state}.", state=state)
    return qr.shown(media_type, *found)


async def _as_it_is(backends: Backends, registered: Registered, status: int = 200) -> Response:
    [shown] = await backends.shown([registered])
    return written(shown, status)


async def _desire(
    call: ApiRequest[Any, Any], desired: Literal["running", "stopped", "logged_out"]
) -> Response:
    registered = await resolve_path(call, fresh=True)
    try:
        changed = await call.backends.registry.set_desired(registered.id, desired)
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    await _noted(call.backends, changed)
    return await _as_it_is(call.backends, changed, 202)


async def _noted(backends: Backends, registered: Registered) -> None:
    backends.connections.put(registered)
    await backends.poke()


def _of_one(method: str, verb: str, summary: str, handler: Any, gives: Any) -> Operation:
    suffix = f"/{verb}" if method == "POST" else ""
    return Operation(
        method,
        f"/api/connections/{{connection}}{suffix}",
        f"{verb}Connection",
        summary,
        "connections",
        handler,
        gives,
        "read" if method == "GET" else "admin",
        refuses=("store_away",),
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/connections",
        "createConnection",
        "Add an account; it runs at once and asks for its QR to be scanned",
        "connections",
        _create,
        {
            201: Gives(
                "Added; where a webhook was asked for, with its secret.",
                (response_models.Connection, webhook_models.AddedConnection),
                headers={"Location": "Where it is."},
            )
        },
        "admin",
        body=NewConnection,
        refuses=(
            "connection_exists",
            "too_many_connections",
            *_SETTINGS,
            "invalid_url",
            "store_away",
        ),
    ),
    Operation(
        "GET",
        "/api/connections",
        "listConnections",
        "All connections, by id",
        "connections",
        _list_all,
        {200: Gives("A page of connections.", response_models.Connections)},
        "read",
        query=ListConnections,
        refuses=("invalid_cursor", "store_away"),
    ),
    Operation(
        "POST",
        "/api/connections/recover",
        "recoverConnections",
        "Recover now, without waiting for backoff or restart intensity",
        "connections",
        _recover,
        {202: Gives("Asked.", response_models.Recovered)},
        "admin",
        body=Recovery,
        body_optional=True,
        refuses=("unknown_connection", "store_away"),
    ),
    _of_one("GET", "get", "One connection", _get, {200: _ONE}),
    Operation(
        "PATCH",
        "/api/connections/{connection}",
        "configureConnection",
        "Change the settings of a connection",
        "connections",
        _configure,
        {200: _ONE},
        "admin",
        body=ConnectionSettings,
        refuses=(*_SETTINGS, "store_away"),
    ),
    _of_one(
        "DELETE",
        "delete",
        "Remove a connection with its session and its queue",
        _delete,
        {204: Gives("Removed.")},
    ),
    _of_one("POST", "start", "Let it run", _start, {202: _NOTED}),
    _of_one("POST", "stop", "Let it stop; its session stays", _stop, {202: _NOTED}),
    _of_one("POST", "restart", "Start it anew", _restart, {202: _NOTED}),
    _of_one("POST", "logout", "Unlink the device; start then shows a QR", _logout, {202: _NOTED}),
    Operation(
        "GET",
        "/api/connections/{connection}/qr",
        "getQr",
        "The QR to scan, as JSON, PNG or SVG by Accept",
        "connections",
        _scan,
        {200: Gives("The QR.", qr.Qr, media_types=qr.MEDIA_TYPES)},
        "admin",
        refuses=("nothing_to_scan", "not_acceptable", "redis_away", "store_away"),
    ),
)
