"""The control API's part about groups: making them, and who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from simulator.contacts.people import ADDRESSINGS
from simulator.control.requests import ProblemError, body_of, field, optional
from simulator.server.groups.group import MAX_MEMBERS
from simulator.wire.protocol import LID_SERVER

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server.groups.group import Group
    from simulator.server_state import World

_MAX_SUBJECT = 100


class GroupRoutes:
    """Endpoints under /groups."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def make(self, request: Request) -> JSONResponse:
        """A new group of `creator` and `participants`, all of whom are told."""
        body, world = await body_of(request), self._world
        subject = field(body, "subject", str)
        if not 0 < len(subject) <= _MAX_SUBJECT:
            raise ProblemError(400, "bad_subject", f"a subject has 1 to {_MAX_SUBJECT} characters")
        mode = optional(body, "addressing", "lid")
        if mode not in ADDRESSINGS:
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        members = self._people(body, "participants")
        creator = world.people.named(field(body, "creator", str).lstrip("+")).number
        if len({creator, *members}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        with world.store.transaction():
            group = world.groups.make(subject, creator, members, ADDRESSINGS[mode])
            world.notices.group_made(group)
        return JSONResponse(_described(group), status_code=201)

    async def readdress(self, request: Request) -> JSONResponse:
        """The members are addressed in another way from now on; nobody is told."""
        mode = field(await body_of(request), "addressing", str)
        if mode not in ADDRESSINGS:
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        world = self._world
        group = world.groups.named(request.path_params["id"])
        with world.store.transaction():
            return JSONResponse(_described(world.groups.readdress(group, ADDRESSINGS[mode])))

    async def group(self, request: Request) -> JSONResponse:
        return JSONResponse(_described(self._world.groups.named(request.path_params["id"])))

    async def change(self, request: Request) -> JSONResponse:
        """Members join (`add`) and leave (`remove`); `by` whom, the creator unless it is said."""
        body, world = await body_of(request), self._world
        group = world.groups.named(request.path_params["id"])
        added, removed = self._people(body, "add"), self._people(body, "remove")
        if len({*group.members, *added}) > MAX_MEMBERS:
            raise ProblemError(400, "too_many", f"a group has at most {MAX_MEMBERS} members")
        by = world.people.named(optional(body, "by", group.creator).lstrip("+")).number
        with world.store.transaction():
            group = world.membership.change(group, added, removed, by)
        return JSONResponse(_described(group))

    def _people(self, body: dict[str, Any], name: str) -> list[str]:
        numbers = optional(body, name, [])
        if not all(isinstance(number, str) for number in numbers):
            raise ProblemError(400, "wrong_type", f"{name} must be a list of numbers")
        return [self._world.people.named(number.lstrip("+")).number for number in numbers]


def _described(group: Group) -> dict[str, Any]:
    return {
        "id": group.chat,
        "subject": group.subject,
        "creator": group.creator,
        "addressing": "lid" if group.server == LID_SERVER else "pn",
        "participants": [
            {"number": number, "rank": rank or "member"} for number, rank in group.members.items()
        ],
    }
