"""The control API's part about rules: which are switched on, and which versions are accepted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulator.control.requests import ProblemError, body_of, field, optional
from simulator.server.rules.properties import EVERYONE

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import World


class RuleRoutes:
    """Endpoints of what the server demands."""

    def __init__(self, world: World) -> None:
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

    async def account(self, request: Request) -> JSONResponse:
        """How WhatsApp treats the account; where its logins are refused from now on, its sockets close."""
        world, body = self._world, await body_of(request)
        number = world.people.named(request.path_params["number"].lstrip("+")).number
        with world.store.transaction():
            for name in body:
                match name:
                    case "standing":
                        world.standings.change(number, field(body, name, str))
                    case "migrated":
                        world.migrations.change(number, done=field(body, name, bool))
                    case _:
                        raise ProblemError(400, "unknown_field", f"unknown field {name!r}")
        if world.standings.refusal(number) is not None:
            for connection in world.switchboard.of(number):
                connection.retire()
        return JSONResponse(
            {
                "number": number,
                "standing": world.standings.of(number),
                "migrated": world.migrations.done(number),
            }
        )

    async def migrate(self, request: Request) -> JSONResponse:
        """The account migrates, and its phone tells its devices the LIDs of `contacts`."""
        world, body = self._world, await body_of(request)
        number = world.people.named(request.path_params["number"].lstrip("+")).number
        contacts = optional(body, "contacts", [])
        if not all(isinstance(one, str) for one in contacts):
            raise ProblemError(400, "wrong_type", "contacts must be a list of numbers")
        with world.store.transaction():
            told = world.migration_sync.migrate(number, contacts)
        return JSONResponse({"number": number, "migrated": True, "told": told})

    async def version(self, request: Request) -> JSONResponse:
        """Which version is current, which is the oldest, and when those below the current one end."""
        world = self._world
        if request.method == "POST":
            world.versions.change(await body_of(request))
        requests = {"page_requests": world.web_page.requests}
        return JSONResponse(world.versions.described() | requests)
