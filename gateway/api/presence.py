"""Serves API routes that subscribe to a contact's presence, and show presence and typing from Redis."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import Field
from starlette.responses import Response

from gateway.api.lookups import REFUSES, canonical, request_owner
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas import addresses
from gateway.schemas.address_fields import Person  # noqa: TC001 - pydantic reads it
from gateway.schemas.request_models import Body

if TYPE_CHECKING:
    from actors.redis.leases.leases import Lease
    from actors.redis.presence import ChatPresence


class Subscription(Body):
    """The chat whose presence is subscribed to."""

    chat: Person


class Typist(Answer):
    """A member who types in a group."""

    participant: str
    typing: Literal["composing", "recording"]
    at: Time


class Chat(Answer):
    """The activity of a contact now."""

    chat: str
    presence: Literal["available", "unavailable", "unknown"] = Field(
        description="`unknown` where WhatsApp has reported nothing since the connection opened."
    )
    last_seen: Time | None = Field(description="When they were last online, where they show it.")
    typing: Literal["composing", "recording"] | None = Field(
        description="It ends by itself some seconds after its last report."
    )
    at: Time | None = Field(description="When the newest of it was reported.")
    participants: list[Typist] = Field(description="Members who type in a group, the newest first.")


async def _subscribe(call: ApiRequest[Subscription, None]) -> Response:
    await request_owner(call, await resolve_path(call), "subscribe", {"chat": call.body.chat})
    return Response(status_code=204)


async def _read_presence(call: ApiRequest[None, None]) -> Response:
    connection, backends = (await resolve_path(call)).id, call.backends
    chat = canonical(call.path["who"], addresses.chat)
    chat = (await backends.lanes.reader.names(connection, [chat]))[chat]
    presence = await backends.presences.read(connection, chat, time.time())
    lease = (await backends.leases.read_all([connection])).get(connection)
    alive = backends.liveness.of(connection, lease)
    return written(shown(chat, presence, lease if alive else None))


def shown(chat: str, presence: ChatPresence, lease: Lease | None) -> Chat:
    """Presence and typing in a chat; a presence that an earlier socket reported may be over."""
    since = lease.since if lease is not None and lease.state == "open" else None
    own = (
        presence.at
        if since is not None and presence.at is not None and presence.at >= since
        else None
    )
    newest = sorted(presence.typing.items(), key=lambda pair: pair[1][1], reverse=True)
    typists = [
        Typist(participant=who, typing=cast("Any", state), at=rfc3339(at) or "")
        for who, (state, at) in newest
    ]
    times = [at for _, (_, at) in newest[:1]] + ([] if own is None else [own])
    return Chat(
        chat=chat,
        presence=cast("Any", "unknown" if own is None else presence.presence),
        last_seen=rfc3339(presence.last_seen),
        typing=typists[0].typing if typists else None,
        at=rfc3339(max(times, default=None)),
        participants=[one for one in typists if one.participant != chat],
    )


_TAG = "connections"
OPERATIONS = (
    Operation(
        "POST",
        "/api/connections/{connection}/subscriptions",
        "subscribePresence",
        "Ask WhatsApp to tell of a person's presence, for 24 hours",
        _TAG,
        _subscribe,
        {
            204: Gives(
                "WhatsApp was asked, and is again after each reconnection. It tells only an account"
                " that is shown as online itself. Of the people watched, 256 at most, the longest"
                " watched make room."
            )
        },
        "send",
        body=Subscription,
        refuses=(*REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "GET",
        "/api/connections/{connection}/presence/{who}",
        "getPresence",
        "Whether a person is online, and who types",
        _TAG,
        _read_presence,
        {200: Gives("The presence that is known now.", Chat)},
        "read",
        refuses=("redis_away", "invalid_number", "unsupported_chat"),
    ),
)
