"""Serves control API routes that switch server rules, and set the accepted versions of WhatsApp Web."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulator.control.request_parser import ProblemError, body_of
from simulator.server.rules.properties import EVERYONE

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class RuleRoutes:
    """Endpoints for rules of the server."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def rules(self, request: Request) -> JSONResponse:
        """Each rule and whether it is on; POST switches those that it names, all or none."""
        world, number = self._world, EVERYONE
        if "number" in request.path_params:
            number = world.people.named(request.path_params["number"].lstrip("+")).number
        if request.method == "POST":
            body = await body_of(request)
            with world.store.transaction():
                for name, on in body.items():
                    if on is not None and not isinstance(on, bool):
                        raise ProblemError(400, "wrong_type", f"{name} has the wrong type")
                    world.switches.turn(number, name, on)
        return JSONResponse(world.switches.described(number))

    async def version(self, request: Request) -> JSONResponse:
        """Set the current version, the oldest one, and the end of those below the current one."""
        world = self._world
        if request.method == "POST":
            world.versions.change(await body_of(request))
        requests = {"page_requests": world.web_page.requests}
        return JSONResponse(world.versions.described() | requests)
