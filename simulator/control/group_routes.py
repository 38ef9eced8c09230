"""Serves control API routes that create and show groups, and change members, addressing, timer and receipts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from simulator.contacts.message_builder import seconds_of
from simulator.contacts.people import ADDRESSINGS
from simulator.control.request_parser import ProblemError, body_of, field, optional
from simulator.server.groups.group import MAX_MEMBERS
from simulator.server.rules.properties import GROUP
from simulator.wire.protocol_library import LID_SERVER

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server.groups.group import Group
    from simulator.server_state import ServerState

_MAX_SUBJECT = 100


class GroupRoutes:
    """Endpoints under /groups."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def make(self, request: Request) -> JSONResponse:
        """Creates a group of `creator` and `participants`, and notifies all of them."""
        body, world = await body_of(request), self._world
        subject = field(body, "subject", str)
        if not 0 < len(subject) <= _MAX_SUBJECT:
            raise ProblemError(400, "bad_subject", f"a subject has 1 to {_MAX_SUBJECT} characters")
        server = _server({"addressing": "lid"} | body)
        members = self._people(body, "participants")
        creator = world.people.named(field(body, "creator", str).lstrip("+")).number
        if len({creator, *members}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        with world.store.transaction():
            group = world.groups.make(subject, creator, members, server)
            self._change_properties(group, body)
            world.notifications.group_made(group)
        return JSONResponse(self._described(group), status_code=201)

    async def settings(self, request: Request) -> JSONResponse:
        """Changes addressing mode or receipts, without a notification, or the timer, with one."""
        world, body = self._world, await body_of(request)
        group = world.groups.named(request.path_params["id"])
        with world.store.transaction():
            if "seconds" in body:
                world.group_queries.set_timer(group, seconds_of(body), group.creator)
            elif not self._change_properties(group, body):
                group = world.groups.readdress(group, _server(body))
        return JSONResponse(self._described(group))

    async def group(self, request: Request) -> JSONResponse:
        return JSONResponse(self._described(self._world.groups.named(request.path_params["id"])))

    async def change(self, request: Request) -> JSONResponse:
        """Adds (`add`) and removes (`remove`) members; `by` is the member who does it, by default the creator.

        Nobody is notified if `notify` is false.
        """
        body, world = await body_of(request), self._world
        group = world.groups.named(request.path_params["id"])
        added, removed = self._people(body, "add"), self._people(body, "remove")
        if len({*group.members, *added}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        by = world.people.named(optional(body, "by", group.creator).lstrip("+")).number
        notify = optional(body, "notify", default=True)
        with world.store.transaction():
            group = world.membership.change(group, added, removed, by, notify=notify)
        return JSONResponse(self._described(group))

    async def retry(self, request: Request) -> JSONResponse:
        """Has a person's devices request a message of `account` again, whether or not it was for them."""
        body, world = await body_of(request), self._world
        group = world.groups.named(request.path_params["id"])
        by, account = (
            world.people.named(field(body, name, str).lstrip("+")).number
            for name in ("by", "account")
        )
        message_id, keys = field(body, "message_id", str), optional(body, "keys", default=True)
        with world.store.transaction():
            world.group_messages.request_again(by, account, message_id, group, keys=keys)
        return JSONResponse(self._described(group))

    def _change_properties(self, group: Group, body: dict[str, Any]) -> bool:
        """Changes the properties in a request; returns whether there are any. Raises PropertyError."""
        given = {name: body[name] for name in GROUP if name in body}
        self._world.properties.change(group.chat, given, GROUP)
        return bool(given)

    def _people(self, body: dict[str, Any], name: str) -> list[str]:
        numbers = optional(body, name, [])
        if not all(isinstance(number, str) for number in numbers):
            raise ProblemError(400, "wrong_type", f"{name} must be a list of numbers")
        return [self._world.people.named(number.lstrip("+")).number for number in numbers]

    def _described(self, group: Group) -> dict[str, Any]:
        ranks = group.members.items()
        return {
            "id": group.chat,
            "subject": group.subject,
            "creator": group.creator,
            "addressing": "lid" if group.server == LID_SERVER else "pn",
            "seconds": self._world.chat_timers.timer(group.chat),
            **self._world.properties.described(group.chat, GROUP),
            "participants": [{"number": one, "rank": rank or "member"} for one, rank in ranks],
        }


def _server(body: dict[str, Any]) -> str:
    """Returns the addressing mode of a request, as the server part of addresses."""
    mode = field(body, "addressing", str)
    if mode not in ADDRESSINGS:
        raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
    return ADDRESSINGS[mode]
