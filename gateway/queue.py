"""The queue as a caller sees it: depth, dead letters, and sending those again."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from actors.queue.lanes import NotDead, NotFound
from actors.queue.record import split_id
from gateway import answers, auth, shapes
from gateway.endpoint import Call, Gives, Operation, written
from gateway.models import ListDead, Retry
from gateway.problems import Problem

if TYPE_CHECKING:
    from starlette.responses import Response

    from actors.queue.lanes import Record


async def show(call: Call[None, None]) -> Response:
    names = _reachable(call)
    return written(shapes.queue(names, await call.backends.lanes.counts_many(names)))


async def dead(call: Call[None, ListDead]) -> Response:
    """Dead letters by connection, and of each the oldest first."""
    query = call.query
    names = _reachable(call) if query.connection is None else [await _known(call, query.connection)]
    behind = _position(query.after)
    if behind is not None and query.connection not in (None, behind[0]):
        raise Problem("invalid_cursor", "The cursor is one of another connection's list.")
    if behind is not None:
        names = [name for name in names if name >= behind[0]]
    found: list[Record] = []
    for name in names:
        after = behind[1] if behind is not None and behind[0] == name else None
        found += await call.backends.lanes.dead(name, after, query.limit + 1 - len(found))
        if len(found) > query.limit:
            break
    items = found[: query.limit]
    last = items[-1] if len(found) > len(items) else None
    return written(
        answers.Messages(
            items=[shapes.queued(record) for record in items],
            next=None if last is None else _cursor(last.id),
        )
    )


async def retry(call: Call[None, None]) -> Response:
    id = call.path["id"]  # noqa: A001 - the field's word
    parts = split_id(id)
    if parts is None:
        raise Problem("unknown_message")
    auth.require_connection(call.key, parts[0])
    try:
        record = await call.backends.lanes.retry(id)
    except NotFound:
        raise Problem("unknown_message") from None
    except NotDead as error:
        raise Problem(
            "not_dead", f"The message is {error.status}.", message_status=error.status
        ) from None
    return written(shapes.queued(record), 202)


async def retry_failed(call: Call[Retry, None]) -> Response:
    wanted = call.body.connection
    names = _reachable(call) if wanted is None else [await _known(call, wanted)]
    retried = 0
    for name in names:
        retried += await call.backends.lanes.retry_all(name)
    return written(answers.Retried(retried=retried), 202)


def _reachable(call: Call[None, None] | Call[None, ListDead] | Call[Retry, None]) -> list[str]:
    return [each.id for each in call.backends.known.all() if call.key.reaches(each.id)]


async def _known(call: Call[None, ListDead] | Call[Retry, None], connection: str) -> str:
    auth.require_connection(call.key, connection)
    if await call.backends.known.find(connection) is None:
        raise Problem("unknown_connection")
    return connection


def _cursor(id: str) -> str:  # noqa: A002 - the field's word
    return base64.urlsafe_b64encode(id.encode()).decode().rstrip("=")


def _position(cursor: str | None) -> tuple[str, str] | None:
    """Connection and id behind which a page begins. Problem `invalid_cursor`."""
    if cursor is None:
        return None
    try:
        id = base64.b64decode(  # noqa: A001 - the field's word
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode()
    except (binascii.Error, ValueError):
        raise Problem("invalid_cursor") from None
    parts = split_id(id)
    if parts is None:
        raise Problem("invalid_cursor")
    return parts[0], id


_TAG = "queue"
OPERATIONS = (
    Operation(
        "GET",
        "/api/queue",
        "getQueue",
        "What waits, in all and per connection",
        _TAG,
        show,
        {200: Gives("The queue.", answers.Queue)},
        "read",
        refuses=("redis_away",),
    ),
    Operation(
        "GET",
        "/api/queue/dead",
        "listDead",
        "Dead letters, with the reason",
        _TAG,
        dead,
        {200: Gives("A page of dead letters.", answers.Messages)},
        "read",
        query=ListDead,
        refuses=("unknown_connection", "invalid_cursor", "redis_away"),
    ),
    Operation(
        "POST",
        "/api/queue/dead/{id}/retry",
        "retryDead",
        "Send a dead letter again, behind what waits for its chat",
        _TAG,
        retry,
        {202: Gives("Queued again.", answers.Message)},
        "send",
        refuses=("unknown_message", "not_dead", "redis_away"),
    ),
    Operation(
        "POST",
        "/api/queue/retry-failed",
        "retryFailed",
        "Send all dead letters again",
        _TAG,
        retry_failed,
        {202: Gives("Queued again.", answers.Retried)},
        "send",
        body=Retry,
        body_optional=True,
        refuses=("unknown_connection", "redis_away", "store_away"),
    ),
)
