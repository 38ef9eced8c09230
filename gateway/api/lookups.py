"""Serves number check, groups, presence and typing routes; passes all routes' commands to the owner through Redis."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field
from starlette.responses import Response

from actors.redis.commands import MAX_COMMAND_BYTES, NoAnswer, TooLong, TooMany
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer
from gateway.schemas import addresses
from gateway.schemas.people import groups
from gateway.schemas.request_models import Presence, TypingChange

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from actors.state.connections import Connection as Registered

LOOKUP_TIMEOUT = 10.0  # seconds


FINAL_CODES: Final = frozenset(
    {
        *("unsupported_chat", "unknown_group", "not_allowed", "unknown_invite"),
        *("invite_revoked", "group_full", "whatsapp_refused", "whatsapp_limited"),
        *("not_on_whatsapp", "unknown_call", "unknown_media", "media_unavailable", "disk_reserve"),
    }
)
"""Codes of the owner that are the API's too: asked again at once, it is answered the same."""


class Number(Answer):
    """A phone number, and whether it is on WhatsApp."""

    number: str
    on_whatsapp: bool
    chat: str | None = Field(description="The address to write to, if it is on WhatsApp.")


REFUSES = (
    "connection_not_open",
    "connection_busy",
    "not_answered",
    "redis_away",
)


async def _number(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call)
    wanted = _chat(call.path["number"])
    answer = await request_owner(call, registered, "lookup", {"chat": wanted})
    digits = wanted.partition("@")[0]
    return written(
        Number(number=digits, on_whatsapp=answer["chat"] is not None, chat=answer["chat"])
    )


async def _groups(call: ApiRequest[None, None]) -> Response:
    answer = await request_owner(call, await resolve_path(call), "groups", {})
    found = [groups.Group.model_validate(one) for one in answer["groups"]]
    return written(groups.Groups(items=sorted(found, key=lambda one: (one.subject, one.chat))))


async def _presence(call: ApiRequest[Presence, None]) -> Response:
    await request_owner(
        call, await resolve_path(call), "presence", {"presence": call.body.presence}
    )
    return Response(status_code=204)


async def _typing(call: ApiRequest[TypingChange, None]) -> Response:
    registered = await resolve_path(call)
    args = {"chat": _typed(call.path["chat"]), "state": call.body.state}
    await request_owner(call, registered, "typing", args)
    return Response(status_code=204)


async def request_owner(
    call: ApiRequest[Any, Any], registered: Registered, kind: str, args: Mapping[str, Any]
) -> dict[str, Any]:
    """The answer of the connection's owner. Problems: those of `REFUSES`, and where asking again is no use."""
    connection = registered.id
    lease = (await call.backends.leases.read_all([connection])).get(connection)
    alive = lease is not None and call.backends.liveness.of(connection, lease)
    if registered.desired != "running" or lease is None or lease.state != "open" or not alive:
        raise Problem("connection_not_open")
    answer = await answered(call, registered, kind, args)
    if answer.get("error") == "not_connected":
        raise Problem("connection_not_open")
    if answer.get("error") in FINAL_CODES:
        # Asked again at once, it is answered the same.
        wait = {"Retry-After": str(answer["wait"])} if "wait" in answer else None
        raise Problem(answer["error"], headers=wait)
    if "error" in answer:
        raise Problem(
            "not_answered", "WhatsApp did not carry out the request.", reason=answer["error"]
        )
    return answer


async def answered(
    call: ApiRequest[Any, Any], registered: Registered, kind: str, args: Mapping[str, Any]
) -> dict[str, Any]:
    """The owner's answer, whatever it is. Problems `connection_busy` and `not_answered`, and of a long body `body_too_large`.

    The time counts in which it waits for others of the connection.
    """
    backends, until = call.backends, asyncio.get_running_loop().time() + LOOKUP_TIMEOUT
    try:
        async with AsyncExitStack() as turn:
            async with asyncio.timeout_at(until):
                await turn.enter_async_context(backends.question_turns.of(registered.id))
            left = until - asyncio.get_running_loop().time()
            return await backends.commands.request(registered.id, kind, args, left)
    except TimeoutError:
        raise Problem("not_answered") from None
    except TooMany:
        raise Problem("connection_busy") from None
    except TooLong:
        raise Problem("body_too_large", f"It has at most {MAX_COMMAND_BYTES} bytes.") from None
    except NoAnswer:
        raise Problem("not_answered") from None


def _chat(given: str) -> str:
    return canonical(given, addresses.canonical)


def _typed(given: str) -> str:
    return canonical(given, addresses.chat)


def canonical(given: str, of: Callable[[str], str]) -> str:
    """The address of `given` by `of`; raises `Problem` for an invalid one."""
    try:
        return of(given)
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
        _number,
        {200: Gives("WhatsApp's answer on the number.", Number)},
        "send",
        waits=True,
        refuses=(*REFUSES, "invalid_number", "unsupported_chat"),
    ),
    Operation(
        "GET",
        "/api/connections/{connection}/groups",
        "listGroups",
        "The groups that the account is in",
        _TAG,
        _groups,
        {200: Gives("Groups of the account, as WhatsApp lists them.", groups.Groups)},
        "read",
        waits=True,
        refuses=REFUSES,
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/presence",
        "setPresence",
        "Show the account as online, or not",
        _TAG,
        _presence,
        {204: Gives("WhatsApp has it; `available` holds for 24 hours, over reconnections too.")},
        "send",
        body=Presence,
        refuses=REFUSES,
    ),
    Operation(
        "POST",
        "/api/connections/{connection}/chats/{chat}/typing",
        "setTyping",
        "Show in a chat that the account writes, or records, or stopped",
        _TAG,
        _typing,
        {204: Gives("WhatsApp has it.")},
        "send",
        body=TypingChange,
        refuses=(*REFUSES, "invalid_number", "unsupported_chat"),
    ),
)
