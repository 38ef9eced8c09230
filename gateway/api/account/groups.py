"""Serves the API route that shows a group with its members' names, which the connection's process returns through Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.api.lookups import REFUSES, request_owner
from gateway.connection_access import resolve
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.schemas import addresses
from gateway.schemas.people import groups
from gateway.schemas.people.groups import OfGroup

if TYPE_CHECKING:
    from starlette.responses import Response


def group_in_path(call: ApiRequest[Any, Any]) -> str:
    """The address of the group that the path names. Problem `unsupported_chat`."""
    chat = call.path["group"]
    if not addresses.is_group(chat):
        raise Problem(
            "unsupported_chat",
            "The path: name a group by its whole address, as in 120363000000000001@g.us.",
        )
    return chat


async def _one(call: ApiRequest[None, OfGroup]) -> Response:
    chat = group_in_path(call)
    registered = await resolve(call, call.query.connection)
    return written(groups.group(await request_owner(call, registered, "group", {"chat": chat})))


OPERATIONS = (
    Operation(
        "GET",
        "/api/groups/{group}",
        "getGroup",
        "A group that the account is in, with its settings and the names of its members",
        "account",
        _one,
        {
            200: Gives(
                "The group, as the connection knows it: a day old at most.", groups.NamedGroup
            )
        },
        "read",
        query=OfGroup,
        waits=True,
        refuses=(*REFUSES, "unknown_connection", "unknown_group", "unsupported_chat"),
    ),
)
