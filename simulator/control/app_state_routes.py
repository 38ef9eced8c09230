"""Serves control API routes that show and change app state settings of an account's phone, and renew sync keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulator.control.request_parser import body_of, optional

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class AppStateRoutes:
    """Endpoints for settings of the phone's owner and of the companions."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def settings(self, request: Request) -> JSONResponse:
        """All settings, keys and versions; POST changes one setting."""
        world, number = self._world, self._number(request)
        if request.method == "GET":
            return JSONResponse(world.app_state.settings.shown(number))
        body = await body_of(request)
        with world.store.transaction():
            setting = world.app_state.actions.described(body)
            version = world.app_state.settings.change(
                number,
                setting,
                notify=optional(body, "notify", True),
                external=optional(body, "external", False),
            )
        name = setting.kind.collection
        return JSONResponse({"collection": name, "version": version}, status_code=201)

    async def keys(self, request: Request) -> JSONResponse:
        """Creates a new key of the phone; `share`: its companions get it at once."""
        world, number = self._world, self._number(request)
        share = optional(await body_of(request), "share", True)
        with world.store.transaction():
            world.app_state.settings.renew_key(number, share=share)
        return JSONResponse(
            {"keys": world.app_state.settings.shown(number)["keys"]}, status_code=201
        )

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number
