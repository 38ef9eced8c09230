"""Serves control API routes of phones: steps demanded after a QR scan, history syncs, read marks, presence, typing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse

from simulator.control.request_parser import ProblemError, body_of, field, optional
from simulator.server.groups.group import is_group
from simulator.server.presence import TYPING_MEDIA

if TYPE_CHECKING:
    from starlette.requests import Request

    from simulator.server_state import ServerState


class PhoneRoutes:
    """Endpoints for phones, history syncs, read marks and presence."""

    def __init__(self, world: ServerState) -> None:
        self._world = world

    async def phone(self, request: Request) -> JSONResponse:
        """The account's phone; POST changes its demands on clients, and whether it resends placeholders."""
        world, number = self._world, self._number(request)
        if request.method == "POST":
            body = await body_of(request)
            if not body.keys() & {"linking", "resends"}:
                raise ProblemError(400, "missing_field", "linking or resends is needed")
            resends = optional(body, "resends", world.placeholder_resend.resends(number))
            if "linking" in body:
                world.scan_demands.change(number, field(body, "linking", str))
            world.placeholder_resend.change(number, resends=resends)
        return JSONResponse(
            {
                "number": number,
                "lid": world.people.named(number).lid,
                "linking": world.scan_demands.of(number),
                "resends": world.placeholder_resend.resends(number),
            }
        )

    async def passkey(self, request: Request) -> JSONResponse:
        """Progress of a pairing by passkey; POST answers a challenge as the owner's authenticator."""
        passkeys, number = self._world.passkey_pairing, self._number(request)
        if request.method == "GET":
            return JSONResponse(passkeys.described(number))
        challenge = field(await body_of(request), "challenge", str)
        try:
            return JSONResponse(passkeys.assertion(number, challenge))
        except ValueError as error:
            raise ProblemError(400, "bad_challenge", "a challenge is Base64 for URLs") from error

    async def history(self, request: Request) -> JSONResponse:
        """Sends a history sync to the companions, now or to those that pair later."""
        body, world = await body_of(request), self._world
        number = self._number(request)
        when = optional(body, "when", "now")
        if when not in ("now", "pairing"):
            raise ProblemError(400, "bad_when", "when must be now or pairing")
        companions = world.companions.of(number)
        with world.store.transaction():
            chunk, ids = world.history.chunk(number, body)
            if when == "pairing":
                world.history.at_pairing(number, chunk)
                return JSONResponse({"ids": ids, "told": []}, status_code=201)
            if not companions:
                raise ProblemError(409, "no_companion", "the account has no linked device")
            sent = [world.history.send(companion, chunk) for companion in companions]
        return JSONResponse({"ids": ids, "told": sent}, status_code=201)

    async def read(self, request: Request) -> JSONResponse:
        """Marks messages as read on the phone; receipts follow the account's privacy settings."""
        ids, world = field(await body_of(request), "ids", list), self._world
        with world.store.transaction():
            for message_id in ids:
                if not world.receipts.read_on_phone(self._number(request), str(message_id)):
                    raise ProblemError(404, "no_such_message", "there is no message of that id")
        return JSONResponse({"ids": ids})

    async def presence(self, request: Request) -> JSONResponse:
        """The presence of a person, and those that the person observes; POST changes the former."""
        number = self._number(request)
        if request.method == "POST":
            available = field(await body_of(request), "available", bool)
            self._world.presence.set(number, available=available)
        return JSONResponse(self._world.presence.described(number))

    async def typing(self, request: Request) -> JSONResponse:
        """Shows that the person types, records or stopped, to a chat with an account or in a group."""
        body, number = await body_of(request), self._number(request)
        to, state = field(body, "to", str), optional(body, "state", "composing")
        if state not in TYPING_MEDIA:
            raise ProblemError(400, "bad_state", f"state must be one of {', '.join(TYPING_MEDIA)}")
        if is_group(to):
            to = self._world.groups.named(to).chat
        else:
            to = self._world.people.named(to.lstrip("+")).number
        self._world.presence.type(number, to, state)
        return JSONResponse({"to": to, "state": state})

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number
