"""Serves control API routes that create and show groups, and change members, texts, settings, timer and receipts."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

from starlette.responses import JSONResponse

from simulator.contacts.message_builder import seconds_of
from simulator.contacts.people import ADDRESSINGS
from simulator.control.profile_routes import picture_in, refused
from simulator.control.request_parser import ProblemError, body_of, field, optional
from simulator.server.groups.group import ADMIN, MAX_MEMBERS
from simulator.server.groups.info import MAX_SUBJECT
from simulator.server.groups.invites import LINK_PREFIX
from simulator.server.groups.settings import SETTINGS
from simulator.server.query_errors import QueryError
from simulator.server.rules.properties import GROUP_PROPERTIES
from simulator.wire.protocol_library import LID_SERVER

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server.groups.group import Group
    from simulator.server_state import ServerState

_CHANGEABLE: Final = {
    *("by", "subject", "description", "picture", "seconds", "addressing"),
    *SETTINGS,
    *GROUP_PROPERTIES,
}


class GroupRoutes:
    """Endpoints under /groups. `by` is the member who changes a group, by default its creator."""

    def __init__(self, world: ServerState) -> None:
        self._world = world
        self._management = world.group_management

    async def make(self, request: Request) -> JSONResponse:
        """Creates a group of `creator` and `participants`, and notifies all of them."""
        body, world = await body_of(request), self._world
        subject = field(body, "subject", str)
        if not 0 < len(subject) <= MAX_SUBJECT:
            raise ProblemError(400, "bad_subject", f"a subject has 1 to {MAX_SUBJECT} characters")
        server = _server({"addressing": "lid"} | body)
        members = self._people(body, "participants")
        creator = world.people.named(field(body, "creator", str).lstrip("+")).number
        if len({creator, *members}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        with world.store.transaction():
            group = world.groups.make(subject, creator, members, server)
            self._change_properties(group, body)
            self._management.notifications.made(group)
        return JSONResponse(self._described(group), status_code=201)

    async def change(self, request: Request) -> JSONResponse:
        """Changes subject, description, picture, settings or timer, with a notification; addressing or receipts, without one."""
        world, body = self._world, await body_of(request)
        group, info = self._group(request), self._management.info
        if not body or body.keys() - _CHANGEABLE:
            names = ", ".join(sorted(_CHANGEABLE))
            raise ProblemError(400, "unknown_field", f"a change is of {names}")
        by, settings = self._by(group, body), {one: body[one] for one in SETTINGS if one in body}
        with world.store.transaction():
            try:
                if "subject" in body:
                    group = info.rename(group, field(body, "subject", str), by)
                if "description" in body:
                    now = group.description
                    previous = "" if now is None else now.id
                    text = field(body, "description", str)
                    text_id = secrets.token_hex(8).upper() if text else ""
                    group = info.describe(group, text, by, text_id=text_id, previous=previous)
                if "picture" in body:
                    world.profiles.pictures.change_groups(group, by, picture_in(body))
                if settings:
                    info.set(group, settings, by)
                if "seconds" in body:
                    info.set_timer(group, seconds_of(body), by)
            except QueryError as error:
                raise refused(error) from error
            self._change_properties(group, body)
            if "addressing" in body:
                group = world.groups.readdress(group, _server(body))
        return JSONResponse(self._described(group))

    async def group(self, request: Request) -> JSONResponse:
        return JSONResponse(self._described(self._group(request)))

    async def members(self, request: Request) -> JSONResponse:
        """Adds, removes, promotes and demotes members, whatever their rights and those of `by` are.

        Nobody is notified of those added and removed if `notify` is false.
        """
        body, world = await body_of(request), self._world
        group, membership = self._group(request), self._management.membership
        added, removed = self._people(body, "add"), self._people(body, "remove")
        promoted, demoted = self._people(body, "promote"), self._people(body, "demote")
        if len({*group.members, *added}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        by, notify = self._by(group, body), optional(body, "notify", default=True)
        with world.store.transaction():
            group = membership.admit(group, added, by, notify=notify)
            group = membership.dismiss(group, removed, by, notify=notify)
            group = membership.rank(group, promoted, ADMIN, by)
            group = membership.rank(group, demoted, "", by)
        return JSONResponse(self._described(group))

    async def invite(self, request: Request) -> JSONResponse:
        """Returns the group's link, another one with `renew`; with `number` a private invite of that person."""
        body, world = await body_of(request), self._world
        group = self._group(request)
        by = self._by(group, body)
        with world.store.transaction():
            if "number" in body:
                number = world.people.named(field(body, "number", str).lstrip("+")).number
                invite = self._management.invites.private(group, number, by)
                return JSONResponse({"code": invite.code, "expires": invite.expires})
            try:
                code = self._management.entry.code(group, by, renew=optional(body, "renew", False))
            except QueryError as error:
                raise refused(error) from error
        return JSONResponse({"code": code, "link": f"{LINK_PREFIX}{code}"})

    async def join(self, request: Request) -> JSONResponse:
        """Lets a person join by a `code`, of the link or of a private invite; `joined` is false while they wait."""
        body, world = await body_of(request), self._world
        group, entry, code = self._group(request), self._management.entry, field(body, "code", str)
        number = world.people.named(field(body, "number", str).lstrip("+")).number
        invite = self._management.invites.find(code)
        with world.store.transaction():
            try:
                if invite is not None and invite.number:
                    group, joined = entry.admit(group, code, number), True
                else:
                    group, joined = entry.join(code, number)
            except QueryError as error:
                raise refused(error) from error
        return JSONResponse(self._described(group) | {"joined": joined})

    async def requests(self, request: Request) -> JSONResponse:
        """Approves (`approve`) and rejects (`reject`) people who wait for it."""
        body, world = await body_of(request), self._world
        group, entry = self._group(request), self._management.entry
        by = self._by(group, body)
        with world.store.transaction():
            try:
                entry.decide(group, self._people(body, "approve"), by, approve=True)
                entry.decide(group, self._people(body, "reject"), by, approve=False)
            except QueryError as error:
                raise refused(error) from error
        return JSONResponse(self._described(self._group(request)))

    async def retry(self, request: Request) -> JSONResponse:
        """Has a person's devices request a message of `account` again, whether or not it was for them."""
        body, world = await body_of(request), self._world
        group = self._group(request)
        by, account = (
            world.people.named(field(body, name, str).lstrip("+")).number
            for name in ("by", "account")
        )
        message_id, keys = field(body, "message_id", str), optional(body, "keys", default=True)
        with world.store.transaction():
            world.group_messages.request_again(by, account, message_id, group, keys=keys)
        return JSONResponse(self._described(group))

    def _group(self, request: Request) -> Group:
        return self._world.groups.named(request.path_params["id"])

    def _by(self, group: Group, body: dict[str, Any]) -> str:
        return self._world.people.named(optional(body, "by", group.creator).lstrip("+")).number

    def _change_properties(self, group: Group, body: dict[str, Any]) -> None:
        """Changes the properties in a request. Raises PropertyError."""
        given = {name: body[name] for name in GROUP_PROPERTIES if name in body}
        self._world.properties.change(group.chat, given, GROUP_PROPERTIES)

    def _people(self, body: dict[str, Any], name: str) -> list[str]:
        numbers = optional(body, name, [])
        if not all(isinstance(number, str) for number in numbers):
            raise ProblemError(400, "wrong_type", f"{name} must be a list of numbers")
        return [self._world.people.named(number.lstrip("+")).number for number in numbers]

    def _described(self, group: Group) -> dict[str, Any]:
        ranks, description = group.members.items(), group.description
        return {
            "id": group.chat,
            "subject": group.subject.text,
            "description": "" if description is None else description.text,
            "picture": self._world.profiles.pictures.id(group.chat),
            "creator": group.creator,
            "addressing": "lid" if group.server == LID_SERVER else "pn",
            "seconds": self._world.chat_timers.timer(group.chat),
            **self._management.settings.of(group),
            **self._world.properties.described(group.chat, GROUP_PROPERTIES),
            "participants": [{"number": one, "rank": rank or "member"} for one, rank in ranks],
            "requests": [one["number"] for one in self._management.entry.requests(group)],
        }


def _server(body: dict[str, Any]) -> str:
    """Returns the addressing mode of a request, as the server part of addresses."""
    mode = field(body, "addressing", str)
    if mode not in ADDRESSINGS:
        raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
    return ADDRESSINGS[mode]
