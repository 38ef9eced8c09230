"""Serves control API routes by which a contact calls an account, or hangs up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulator.contacts.people import ADDRESSINGS
from simulator.control.request_parser import ProblemError, body_of, field, optional

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class CallRoutes:
    """Endpoints by which a contact calls accounts."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def call(self, request: Request) -> JSONResponse:
        """The contact's calls; POST begins one, DELETE hangs up."""
        world = self._world
        number = world.people.named(request.path_params["number"].lstrip("+")).number
        if request.method == "GET":
            return JSONResponse({"items": world.calls.of(number)})
        if request.method == "DELETE":
            with world.store.transaction():
                return JSONResponse({"ended": world.calls.end(number)})
        body = await body_of(request)
        to = world.people.named(field(body, "to", str).lstrip("+")).number
        video, addressing = optional(body, "video", False), optional(body, "addressing", "")
        if addressing and addressing not in ADDRESSINGS:
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        if not world.companions.of(to):
            raise ProblemError(409, "no_companion", "the account has no linked device that rings")
        with world.store.transaction():
            id_ = world.calls.ring(number, to, video=video, addressing=addressing or None)
        return JSONResponse({"id": id_}, status_code=201)
