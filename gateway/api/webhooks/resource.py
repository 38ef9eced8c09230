"""Serves API routes that create, list, change, delete webhooks in SQLite or Firestore, test them, and rotate secrets."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from starlette.responses import Response

from actors.state.connections import ConnectionNotFound
from actors.state.webhooks import Secret, Webhook, WebhookEnded, WebhookNotFound
from gateway.acceptance.address_policy import is_private_host
from gateway.connection_access import resolve_all
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import event_presenters
from gateway.schemas import webhooks as webhook_models
from gateway.schemas.request_models import (
    WEBHOOK_PATTERN,
    ChangedWebhook,
    NewWebhook,
    WebhookFiles,
)
from gateway.webhooks.requests import signatures, signed_request
from gateway.webhooks.requests.body import DeliveryBody

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.backends import Backends

WEBHOOK_ID = re.compile(WEBHOOK_PATTERN)

MEDIA_WAIT, BASE64_LIMIT = 30, 2**20
"""Seconds that a message waits for its file, and bytes of a file as base64, unless the webhook says otherwise."""

CONNECTIONS_ENDED = "So is every connection of the webhook."
_testing: set[str] = set()
"""Webhooks to which this process sends a test event now: one at a time."""
_ONE = Gives("The webhook.", webhook_models.Webhook)


def made(
    backends: Backends,
    url: str,
    *,
    events: Sequence[str] | None = None,
    connections: Sequence[str] | None = None,
    headers: dict[str, str] | None = None,
) -> Webhook:
    """A webhook with an id and a secret of its own; `connections` by id. Problem `private_url`."""
    _require_public(backends, url)
    return Webhook(
        id=f"wh_{secrets.token_hex(12)}",
        url=url,
        secrets=(Secret(signatures.new_secret()),),
        created_at=time.time(),
        events=None if events is None else tuple(sorted(set(events))),
        connections=None if connections is None else tuple(sorted(set(connections))),
        headers=headers or {},
    )


async def _create(call: ApiRequest[NewWebhook, None]) -> Response:
    backends, wanted = call.backends, call.body
    connections = await resolve_all(call, wanted.connections)
    webhook = made(
        backends,
        wanted.url,
        events=wanted.events,
        connections=connections,
        headers=wanted.headers,
    )
    files = _files(wanted, None)
    if files is not None:
        webhook = replace(webhook, media_wait=files[0], base64_limit=files[1])
    try:
        await backends.webhooks.create(webhook, quota=backends.settings.webhook_quota)
    except ConnectionNotFound:
        raise Problem("unknown_connection") from None
    backends.deliverer.look()
    shown = event_presenters.webhook(webhook, webhook.progress.cursor)
    return written(
        webhook_models.AddedWebhook(**shown, secret=webhook.secrets[0].secret),
        201,
        Location=f"/api/webhooks/{webhook.id}",
    )


async def _list_all(call: ApiRequest[None, None]) -> Response:
    listed = await call.backends.webhooks.list()
    found = [each for each in listed if call.key.covers(each.connections)]
    seq = await call.backends.streams.seq() if found else 0
    items = [webhook_models.Webhook(**event_presenters.webhook(each, seq)) for each in found]
    return written(webhook_models.Webhooks(items=items))


async def _get(call: ApiRequest[None, None]) -> Response:
    return await _shown(call, await existing(call))


async def _change(call: ApiRequest[ChangedWebhook, None]) -> Response:
    webhook = await existing(call)
    if call.body.url is not None:
        _require_public(call.backends, call.body.url)
    try:
        changed = await call.backends.webhooks.change(
            webhook.id,
            url=call.body.url,
            on=call.body.enabled,
            headers=call.body.headers,
            files=_files(call.body, webhook),
        )
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    except WebhookEnded:
        raise Problem("connection_deleted", CONNECTIONS_ENDED) from None
    call.backends.deliverer.look()
    return await _shown(call, changed)


async def _delete(call: ApiRequest[None, None]) -> Response:
    webhook = await existing(call)
    await call.backends.webhooks.delete(webhook.id)
    call.backends.deliverer.look()
    return Response(status_code=204)


async def _rotate(call: ApiRequest[None, None]) -> Response:
    webhook = await existing(call)
    secret = signatures.new_secret()
    try:
        await call.backends.webhooks.rotate(webhook.id, secret)
    except WebhookNotFound:
        raise Problem("unknown_webhook") from None
    call.backends.deliverer.look()
    return written(webhook_models.Rotated(secret=secret))


async def _test(call: ApiRequest[None, None]) -> Response:
    """Send a test event now, also where it is paused. Problems `test_running`, `connection_deleted`."""
    webhook = await existing(call)
    if webhook.ended_at is not None:
        raise Problem("connection_deleted", CONNECTIONS_ENDED)
    if webhook.id in _testing:
        raise Problem("test_running")
    _testing.add(webhook.id)
    poster = call.backends.posters.new()
    try:
        event = event_presenters.trial(webhook, f"evt_{secrets.token_hex(16)}", time.time())
        body = event.__pydantic_serializer__.to_json(event)
        made = await signed_request.attempt(
            poster, webhook, event.id, DeliveryBody(body), time.time()
        )
    finally:
        _testing.discard(webhook.id)
        await poster.close()
    shown = event_presenters.attempt(made)
    return written(
        webhook_models.Tested(event_id=event.id, delivered=made.error is None, **dict(shown))
    )


def _files(wanted: WebhookFiles, webhook: Webhook | None) -> tuple[int | None, int | None] | None:
    """`media_wait` and `base64_limit` once `webhook` is as `wanted`; None where nothing is.

    Problem `invalid_field`.
    """
    named = wanted.media, wanted.media_wait, wanted.base64, wanted.base64_limit
    if all(each is None for each in named):
        return None
    wait, limit = (None, None) if webhook is None else (webhook.media_wait, webhook.base64_limit)
    if wanted.media is not None:
        wait, limit = (wait or MEDIA_WAIT, limit) if wanted.media == "wait" else (None, None)
    if wanted.base64 is not None:
        limit = (limit or BASE64_LIMIT) if wanted.base64 else None
    if wanted.media_wait is not None and wait is not None:
        wait = wanted.media_wait
    if wanted.base64_limit is not None and limit is not None:
        limit = wanted.base64_limit
    for field, given, needs in (
        ("media_wait", wanted.media_wait if wait is None else None, "media: wait"),
        ("base64", limit if wait is None else None, "media: wait"),
        ("base64_limit", wanted.base64_limit if limit is None else None, "base64: true"),
    ):
        if given is not None:
            raise Problem("invalid_field", f"The field {field}: it goes with {needs}.")
    return wait, limit


def _require_public(backends: Backends, url: str) -> None:
    host = urlsplit(url).hostname or ""
    if not backends.settings.webhook_url_private and is_private_host(host):
        raise Problem(
            "private_url",
            "The URL leads to a private address. Set WEBHOOK_URL_PRIVATE to true to allow it.",
        )


async def existing(call: ApiRequest[Any, Any]) -> Webhook:
    """The webhook of the path. Problem `unknown_webhook`."""
    named = call.path["webhook"]
    webhook = await call.backends.webhooks.get(named) if WEBHOOK_ID.fullmatch(named) else None
    if webhook is None or not call.key.covers(webhook.connections):
        raise Problem("unknown_webhook")
    return webhook


async def _shown(call: ApiRequest[Any, Any], webhook: Webhook) -> Response:
    seq = await call.backends.streams.seq()
    return written(webhook_models.Webhook(**event_presenters.webhook(webhook, seq)))


_TAG = "webhooks"
_PATH = "/api/webhooks/{webhook}"


def of_one(route: str, verb: str, summary: str, handler: Any, gives: Any, **more: Any) -> Operation:
    """An operation of one webhook: `route` is the method, and what follows its path."""
    method, _, suffix = route.partition(" ")
    refuses = ("unknown_webhook", "store_away", *cast("tuple[str, ...]", more.pop("refuses", ())))
    return Operation(
        method,
        _PATH + suffix,
        verb,
        summary,
        _TAG,
        handler,
        gives,
        "admin",
        refuses=refuses,
        **more,
    )


OPERATIONS = (
    Operation(
        "POST",
        "/api/webhooks",
        "createWebhook",
        "Add an endpoint that gets events from now on",
        _TAG,
        _create,
        {
            201: Gives(
                "Added. The secret is shown this once.",
                webhook_models.AddedWebhook,
                headers={"Location": "Where it is."},
            )
        },
        "admin",
        body=NewWebhook,
        refuses=(
            "unknown_connection",
            "invalid_url",
            "private_url",
            "quota_reached",
            "store_away",
        ),
    ),
    Operation(
        "GET",
        "/api/webhooks",
        "listWebhooks",
        "All webhooks",
        _TAG,
        _list_all,
        {200: Gives("The webhooks.", webhook_models.Webhooks)},
        "admin",
        refuses=("store_away",),
    ),
    of_one("GET", "getWebhook", "One webhook", _get, {200: _ONE}),
    of_one(
        "PATCH",
        "changeWebhook",
        "Pause it, let it go on, or give it another address, other headers, or files another way",
        _change,
        {200: _ONE},
        body=ChangedWebhook,
        refuses=("invalid_url", "private_url", "connection_deleted"),
    ),
    of_one(
        "DELETE",
        "deleteWebhook",
        "Tell it nothing more",
        _delete,
        {204: Gives("Deleted.")},
    ),
    of_one(
        "POST /secret",
        "rotateSecret",
        "Sign by a new secret, and for a day by the one before too",
        _rotate,
        {200: Gives("The new secret, shown this once.", webhook_models.Rotated)},
    ),
    of_one(
        "POST /test",
        "testWebhook",
        "Send it a test event, signed as all are, and say what came of it",
        _test,
        {200: Gives("The attempt.", webhook_models.Tested)},
        refuses=("test_running", "connection_deleted"),
    ),
)
