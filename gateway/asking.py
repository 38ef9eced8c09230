"""What is asked of an open connection and answered while the caller waits, and what it sees of others.

None of it is durable.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

from starlette.responses import Response

from actors.redis.commands import NoAnswer, TooMany
from actors.redis.keys import is_connection
from gateway import addresses, answers, auth
from gateway.answers import rfc3339
from gateway.endpoint import Call, Gives, Operation, written
from gateway.models import Presence, Subscription, Typing
from gateway.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.redis.lease import Lease
    from actors.redis.presence import Seen

PATIENCE = 10.0  # seconds

_REFUSES = (
    "connection_not_open",
    "connection_busy",
    "not_answered",
    "redis_away",
)


async def number(call: Call[None, None]) -> Response:
    await _reach(call)
    wanted = _chat(call.path["number"])
    told = await _ask(call, "lookup", {"chat": wanted})
    digits = wanted.partition("@")[0]
    return written(
        answers.Number(number=digits, on_whatsapp=told["chat"] is not None, chat=told["chat"])
    )


async def presence(call: Call[Presence, None]) -> Response:
    await _reach(call)
    await _ask(call, "presence", {"presence": call.body.presence})
    return Response(status_code=204)


async def typing(call: Call[Typing, None]) -> Response:
    await _reach(call)
    await _ask(call, "typing", {"chat": _chat(call.path["chat"]), "state": call.body.state})
    return Response(status_code=204)


async def subscribe(call: Call[Subscription, None]) -> Response:
    await _reach(call)
    await _ask(call, "subscribe", {"chat": call.body.chat})
    return Response(status_code=204)


async def seen(call: Call[None, None]) -> Response:
    await _reach(call)
    connection, backends = call.path["connection"], call.backends
    chat = _chat(call.path["who"], addresses.watched)
    told = await backends.presences.read(connection, chat, time.time())
    lease = (await backends.leases.read_all([connection])).get(connection)
    return written(shown(chat, told, lease))


def shown(chat: str, told: Seen, lease: Lease | None) -> answers.Seen:
    """What is known of a chat; a presence that an earlier socket was told of may be over."""
    since = lease.since if lease is not None and lease.state == "open" else None
    known = told.at if since is not None and told.at is not None and told.at >= since else None
    newest = sorted(told.typing.items(), key=lambda pair: pair[1][1], reverse=True)
    typists = [
        answers.Typist(participant=who, typing=cast("Any", state), at=rfc3339(at) or "")
        for who, (state, at) in newest
    ]
    times = [at for _, (_, at) in newest[:1]] + ([] if known is None else [known])
    return answers.Seen(
        chat=chat,
        presence=cast("Any", "unknown" if known is None else told.presence),
        last_seen=rfc3339(told.last_seen),
        typing=typists[0].typing if typists else None,
        at=rfc3339(max(times, default=None)),
        participants=[one for one in typists if one.participant != chat],
    )


async def _reach(call: Call[Any, Any]) -> None:
    """The connection exists, and the key reaches it."""
    connection = call.path["connection"]
    if not is_connection(connection):
        raise Problem("unknown_connection")
    auth.require_connection(call.key, connection)
    if await call.backends.known.find(connection) is None:
        raise Problem("unknown_connection")


async def _ask(call: Call[Any, Any], kind: str, args: Mapping[str, str]) -> dict[str, Any]:
    """What the connection's owner answers. Problems: those of `_REFUSES`."""
    connection, backends = call.path["connection"], call.backends
    lease = (await backends.leases.read_all([connection])).get(connection)
    if lease is None or lease.state != "open":
        raise Problem("connection_not_open")
    try:
        told = await backends.commands.ask(connection, kind, args, PATIENCE)
    except TooMany:
        raise Problem("connection_busy") from None
    except NoAnswer:
        raise Problem("not_answered") from None
    if told.get("error") == "not_connected":
        raise Problem("connection_not_open")
    if "error" in told:
        raise Problem("not_answered", "WhatsApp did not do it.", reason=told["error"])
    return told


def _chat(given: str, read: Callable[[str], str] = addresses.canonical) -> str:
    try:
        return read(given)
    except addresses.InvalidAddress as error:
        raise Problem(error.code, f"The path: {error}.") from None


_TAG = "connections"
OPERATIONS = (
    Operation(
        "GET",
        "/api/connections/{connection}/numbers/{number}",
        "checkNumber",
        "Whether a number is on WhatsApp",
        _TAG,
        number,
        {200: Gives("What WhatsApp says of it.", answers.Number)},
        "send",
        refuses=(*_REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/presence",
        "setPresence",
        "Show the account as online, or not",
        _TAG,
        presence,
        {204: Gives("WhatsApp was told; `available` holds for 24 hours, over reconnections too.")},
        "send",
        body=Presence,
        refuses=_REFUSES,
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/subscriptions",
        "subscribePresence",
        "Ask WhatsApp to tell of a person's presence, for 24 hours",
        _TAG,
        subscribe,
        {
            204: Gives(
                "WhatsApp was asked, and is again after each reconnection. It tells only an account"
                " that is shown as online itself. Of the people watched, 256 at most, the longest"
                " watched make room."
            )
        },
        "send",
        body=Subscription,
        refuses=(*_REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "GET",
        "/api/connections/{connection}/presence/{who}",
        "getPresence",
        "Whether a person is online, and who types",
        _TAG,
        seen,
        {200: Gives("What is known now.", answers.Seen)},
        "read",
        refuses=("redis_away", "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/chats/{chat}/typing",
        "setTyping",
        "Show in a chat that the account writes, or records, or stopped",
        _TAG,
        typing,
        {204: Gives("WhatsApp was told.")},
        "send",
        body=Typing,
        refuses=(*_REFUSES, "invalid_number", "unsupported_chat"),
    ),
)
