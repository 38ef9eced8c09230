"""Serves control API routes that start and stop the flight recorder of stanzas, and list the recorded trace files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class TraceRoutes:
    """Endpoints that switch recording, for one account or for all."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def trace(self, request: Request) -> JSONResponse:
        """The state and the files of the recording; POST starts it, DELETE stops it."""
        recorder, number = self._world.recorder, None
        if "number" in request.path_params:
            number = self._world.people.named(request.path_params["number"].lstrip("+")).number
        if request.method == "POST":
            recorder.start(number)
        if request.method == "DELETE":
            recorder.stop(number)
        return JSONResponse(recorder.described(number))
