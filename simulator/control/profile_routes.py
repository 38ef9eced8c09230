"""Serves control API routes by which a person changes picture and status text, or blocks another person."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from simulator.control.request_parser import ProblemError, body_of, field, optional
from simulator.server.query_errors import QueryError

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class ProfileRoutes:
    """Endpoints about the profile of a person, also of an account's owner on the phone."""

    def __init__(self, world: ServerState) -> None:
        self._world = world
        self._profiles = world.profiles

    async def profile(self, request: Request) -> JSONResponse:
        """The person's profile; POST changes `about` and `picture`, Base64 of a JPEG or null."""
        number = self._number(request)
        if request.method == "POST":
            body = await body_of(request)
            if not body or body.keys() - {"about", "picture"}:
                raise ProblemError(400, "unknown_field", "a profile has about and picture")
            with self._world.store.transaction():
                try:
                    if "about" in body:
                        self._profiles.abouts.change(number, field(body, "about", str))
                    if "picture" in body:
                        self._profiles.pictures.change_own(number, picture_in(body))
                except QueryError as error:
                    raise refused(error) from error
        return JSONResponse(
            {
                "about": self._profiles.abouts.of(number),
                "picture": self._profiles.pictures.id(number),
                "blocked": self._profiles.blocklists.of(number),
            }
        )

    async def block(self, request: Request) -> JSONResponse:
        """Blocks a `contact`, or ends that (`blocked` false); the devices of an account are notified."""
        body, number = await body_of(request), self._number(request)
        contact = self._world.people.named(field(body, "contact", str).lstrip("+")).number
        blocked = optional(body, "blocked", default=True)
        with self._world.store.transaction():
            self._profiles.blocklists.change(number, contact, blocked=blocked)
        return JSONResponse({"blocked": self._profiles.blocklists.of(number)})

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number


def picture_in(body: dict[str, Any]) -> bytes | None:
    """Returns the picture in a request, None where it is null. Raises ProblemError."""
    written = field(body, "picture", (str, type(None)))
    if written is None:
        return None
    try:
        return base64.b64decode(written, validate=True)
    except binascii.Error as error:
        raise ProblemError(400, "bad_picture", "picture must be Base64, or null") from error


def refused(error: QueryError) -> ProblemError:
    """Returns the problem of a change that WhatsApp's server would refuse to the person."""
    return ProblemError(409, "refused", f"the server refuses this: {error.code} {error.text}")
