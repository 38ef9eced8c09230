"""Serves API routes that show queue depths, list dead letters, and queue dead letters again, in Redis."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from actors.queue.dead_letters import REDRIVE_LETTERS
from actors.queue.outbound_queue import NotDead, NotFound, Which
from actors.queue.records import split_id
from actors.runtime.connection_ids import is_connection
from actors.state.documents import PAGE_BYTES, size_of
from gateway.api.account.chat_names import chat_names
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import presenters, response_models
from gateway.schemas.request_models import After, ListDead, Redrive, Retry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import datetime

    from starlette.responses import Response

    from actors.queue.dead_letters import DeadLetter

LETTERS_AT_ONCE: Final = 50
"""Dead letters that are read at once: each may be as long as messages get."""


async def _show(call: ApiRequest[None, None]) -> Response:
    names = _reachable(call)
    return written(presenters.queue(names, await call.backends.lanes.reader.counts_many(names)))


async def _dead(call: ApiRequest[None, ListDead]) -> Response:
    """Dead letters by connection, and of each the oldest first."""
    query = call.query
    names = _reachable(call) if query.connection is None else [await _id_of(call, query.connection)]
    first, behind = _place(query.after, names, query.connection)
    items: list[DeadLetter] = []
    last, size = None, 0
    async for letter in _letters(call, names, first, behind):
        if len(items) == query.limit or size >= PAGE_BYTES:
            last = items[-1]
            break
        items.append(letter)
        size += size_of([letter.record.text, letter.record.content])
    chats = [(letter.record.connection, letter.record.chat) for letter in items]
    known = await chat_names(call.backends, chats)
    return written(
        response_models.Messages(
            items=[
                presenters.queued(letter.record).model_copy(update={"chat_name": known.get(chat)})
                for letter, chat in zip(items, chats, strict=True)
            ],
            next=None if last is None else _cursor(last.record.connection, last.place),
        )
    )


async def _letters(
    call: ApiRequest[None, ListDead], names: Sequence[str], first: str, behind: int
) -> AsyncIterator[DeadLetter]:
    """The dead letters of the connections from `first` on, of that one those behind `behind`."""
    for name in sorted(name for name in names if name >= first):
        place = behind if name == first else 0
        while letters := await call.backends.lanes.dead_letters.page(
            name, min(call.query.limit + 1, LETTERS_AT_ONCE), place
        ):
            for letter in letters:
                yield letter
            place = letters[-1].place


async def _retry(call: ApiRequest[None, None]) -> Response:
    id = call.path["id"]  # noqa: A001 - the field's word
    parts = split_id(id)
    if parts is None:
        raise Problem("unknown_message")
    if not call.key.reaches(parts[0]):
        raise Problem("connection_forbidden")
    try:
        record = await call.backends.lanes.dead_letters.retry(id)
    except NotFound:
        raise Problem("unknown_message") from None
    except NotDead as error:
        raise Problem(
            "not_dead", f"The message is {error.status}.", message_status=error.status
        ) from None
    return written(presenters.queued(record), 202)


async def _retry_failed(call: ApiRequest[Retry, None]) -> Response:
    wanted = call.body.connection
    names = _reachable(call) if wanted is None else [await _id_of(call, wanted)]
    retried = 0
    for name in names:
        retried += await call.backends.lanes.dead_letters.retry_all(name)
    return written(response_models.Retried(retried=retried), 202)


async def _redrive(call: ApiRequest[Redrive, After]) -> Response:
    """By connection, and of each the oldest first; one request looks at a bounded number."""
    body, lanes = call.body, call.backends.lanes
    names = _reachable(call) if body.connection is None else [await _id_of(call, body.connection)]
    which = Which(body.chat, body.code, _seconds(body.died_after), _seconds(body.died_before))
    if body.ids is not None:
        if call.query.after is not None:
            raise Problem("invalid_cursor", "With `ids` there is no next page.")
        parts = [each for each in map(split_id, dict.fromkeys(body.ids)) if each is not None]
        redriven = 0
        for name in names:
            ids = [message_id for connection, message_id in parts if connection == name]
            left = body.limit - redriven
            redriven += await lanes.dead_letters.redrive_these(name, ids, which, limit=left)
        return written(response_models.Redriven(redriven=redriven, next=None), 202)
    first, behind = _place(call.query.after, names, body.connection)
    redriven, most = 0, REDRIVE_LETTERS
    names = sorted(name for name in names if name >= first)
    for name in names:
        found = await lanes.dead_letters.redrive(
            name,
            which,
            limit=body.limit - redriven,
            behind=behind if name == first else 0,
            most=most,
        )
        redriven, most = redriven + found.count, most - found.looked
        if found.behind is not None:
            cursor = _cursor(name, found.behind)
            return written(response_models.Redriven(redriven=redriven, next=cursor), 202)
    return written(response_models.Redriven(redriven=redriven, next=None), 202)


def _seconds(moment: datetime | None) -> float | None:
    return None if moment is None else moment.timestamp()


def _cursor(connection: str, place: int) -> str:
    return base64.urlsafe_b64encode(f"{connection} {place}".encode()).decode().rstrip("=")


def _place(cursor: str | None, names: Sequence[str], wanted: str | None) -> tuple[str, int]:
    """The connection and the letter behind which to go on. Problem `invalid_cursor`.

    `names` are the ids of the connections that are listed: of one, where one is `wanted`.
    """
    if cursor is None:
        return "", 0
    name, _, behind = _decoded(cursor).partition(" ")
    if not is_connection(name) or not behind.isascii() or not behind.isdecimal():
        raise Problem("invalid_cursor")
    if wanted is not None and name not in names:
        raise Problem("invalid_cursor", "The cursor is one of another connection's list.")
    return name, int(behind[:18])


def _reachable(
    call: ApiRequest[None, None]
    | ApiRequest[None, ListDead]
    | ApiRequest[Retry, None]
    | ApiRequest[Redrive, After],
) -> list[str]:
    return [each.id for each in call.backends.connections.all() if call.key.reaches(each.id)]


async def _id_of(
    call: ApiRequest[None, ListDead] | ApiRequest[Retry, None] | ApiRequest[Redrive, After],
    connection: str,
) -> str:
    return (await resolve(call, connection)).id


def _decoded(cursor: str) -> str:
    try:
        return base64.b64decode(
            cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True
        ).decode()
    except (binascii.Error, ValueError):
        raise Problem("invalid_cursor") from None


_TAG = "queue"
OPERATIONS = (
    Operation(
        "GET",
        "/api/queue",
        "getQueue",
        "Waiting messages, in all and per connection",
        _TAG,
        _show,
        {200: Gives("The queue.", response_models.Queue)},
        "read",
        refuses=("redis_away",),
    ),
    Operation(
        "GET",
        "/api/queue/dead",
        "listDead",
        "Dead letters, with the reason",
        _TAG,
        _dead,
        {200: Gives("A page of dead letters.", response_models.Messages)},
        "read",
        query=ListDead,
        refuses=("unknown_connection", "invalid_cursor", "redis_away"),
    ),
    *(
        Operation(
            "POST",
            path,
            id_,
            "Send a dead letter again, behind what waits for its chat",
            _TAG,
            _retry,
            {202: Gives("Queued again.", response_models.Message)},
            "send",
            refuses=("unknown_message", "not_dead", "redis_away"),
            instead=instead,
        )
        for path, id_, instead in (
            ("/api/queue/dead/{id}/redrive", "redriveDead", None),
            ("/api/queue/dead/{id}/retry", "retryDead", "POST /api/queue/dead/{id}/redrive"),
        )
    ),
    Operation(
        "POST",
        "/api/queue/redrive",
        "redrive",
        "Send again the dead letters that fit what is given",
        _TAG,
        _redrive,
        {
            202: Gives(
                "Queued again. Dead letters of `reach_out_refused` are left alone unless `code` or `ids` name"
                " them: each repetition can prolong a lock of the account.",
                response_models.Redriven,
            )
        },
        "send",
        body=Redrive,
        query=After,
        body_optional=True,
        refuses=(
            "unknown_connection",
            "invalid_cursor",
            "invalid_number",
            "unsupported_chat",
            "redis_away",
            "store_away",
        ),
    ),
    Operation(
        "POST",
        "/api/queue/retry-failed",
        "retryFailed",
        "Send all dead letters again",
        _TAG,
        _retry_failed,
        {
            202: Gives(
                "Queued again. Dead letters of `reach_out_refused` are left alone: each repetition can prolong"
                " a lock of the account.",
                response_models.Retried,
            )
        },
        "send",
        body=Retry,
        body_optional=True,
        refuses=("unknown_connection", "redis_away", "store_away"),
        instead="POST /api/queue/redrive",
    ),
)
