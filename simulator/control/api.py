"""Builds the control API's Starlette application from all routes; serves routes for scans, codes, media and faults.

`docs/simulator.md` lists the requests, with their fields and pages.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, get_args

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from simulator.contacts.devices import HostedDeviceError, NoDeviceError
from simulator.contacts.message_content import media_in
from simulator.contacts.people import UnknownNumberError
from simulator.control.account_routes import AccountRoutes
from simulator.control.answer_routes import AnswerRoutes
from simulator.control.app_state_routes import AppStateRoutes
from simulator.control.call_routes import CallRoutes
from simulator.control.contact_routes import ContactRoutes
from simulator.control.group_routes import GroupRoutes
from simulator.control.phone_routes import PhoneRoutes
from simulator.control.profile_routes import ProfileRoutes
from simulator.control.request_parser import (
    ProblemError,
    body_of,
    field,
    number_in,
    optional,
    problem,
)
from simulator.control.rule_routes import RuleRoutes
from simulator.control.trace_routes import TraceRoutes
from simulator.faults import FaultError
from simulator.phones.pairing import ScanError
from simulator.phones.scan_demands import DemandError
from simulator.server.groups.group import NoGroupError
from simulator.server.rules.number_redirects import AnsweringNumberError
from simulator.server.rules.properties import PropertyError
from simulator.server.rules.switches import UnknownRuleError
from simulator.server.rules.versions import VersionError
from simulator.wire.proto_schema import Message
from simulator.wire.protocol_library import PN_SERVER
from simulator.wire.static_key import Certificate

if TYPE_CHECKING:
    from simulator.media.store import StoredFile
    from simulator.server.companions import Companion
    from simulator.server_state import ServerState


# Codes of invalid requests, by their exceptions.
_BAD: Final[dict[type[Exception], str]] = {
    UnknownNumberError: "bad_number",
    FaultError: "bad_fault",
    DemandError: "bad_linking",
    AnsweringNumberError: "bad_answered_by",
    PropertyError: "bad_property",
    UnknownRuleError: "bad_rule",
    VersionError: "bad_version",
}


class Control:
    """Endpoints of the control API."""

    def __init__(self, world: ServerState, ws_url: Callable[[], str]) -> None:
        self._world = world
        self._ws_url = ws_url

    async def root(self, _: Request) -> JSONResponse:
        """Serves what a client needs to connect: addresses, and public keys to check the server by."""
        return JSONResponse(
            {
                "ws_url": self._ws_url(),
                "root_key": self._world.static_key.root_key.hex(),
                "static_key": self._world.static_key.identity.static_public.hex(),
                "media_host": self._world.media.host,
                "media_authority": self._world.media.authority,
                "pid": os.getpid(),
            }
        )

    async def rotate(self, request: Request) -> JSONResponse:
        """Rotates the server's static key, so that clients that resume have to fall back.

        `certificate`: valid, expired or forged.
        """
        certificate = optional(await body_of(request), "certificate", "valid")
        if certificate not in get_args(Certificate):
            raise ProblemError(
                400, "bad_certificate", f"certificate must be one of {get_args(Certificate)}"
            )
        self._world.static_key.rotate(certificate)
        return JSONResponse({"static_key": self._world.static_key.identity.static_public.hex()})

    async def create_phone(self, request: Request) -> JSONResponse:
        """Gives a number to a person with a phone; a second time it changes nothing."""
        body = await body_of(request)
        person = self._world.people.named(field(body, "number", str).lstrip("+"))
        return JSONResponse({"number": person.number, "lid": person.lid}, status_code=201)

    async def scan(self, request: Request) -> JSONResponse:
        """Scans a QR with the phone, which links the client that shows it."""
        body = await body_of(request)
        number = self._number(request)
        return _linked(await self._world.pairing.scan(number, field(body, "qr", str)))

    async def link_code(self, request: Request) -> JSONResponse:
        """Enters the code of a client on the phone of this number."""
        body = await body_of(request)
        code = field(body, "code", str)
        return _linked(await self._world.code_pairing.enter(self._number(request), code))

    async def file(self, request: Request) -> Response:
        """Returns the file of a message as a phone shows it."""
        kind, part, _ = self._media(request)
        content = self._world.media.plaintext(kind, part)
        if content is None:
            raise ProblemError(404, "no_such_media", "a phone could not fetch that file")
        return Response(content, media_type="application/octet-stream")

    async def media(self, request: Request) -> JSONResponse:
        """Sets the `status` of downloads of a message's file, or deletes the file."""
        body, world = await body_of(request), self._world
        status, lost = optional(body, "status", 410), optional(body, "lost", False)
        if not 200 <= status <= 599:
            raise ProblemError(400, "bad_status", "status must be one of HTTP's")
        _, part, held = self._media(request)
        world.media.answer_by(part.direct_path, status)
        if lost:
            world.media.file(held.token).unlink(missing_ok=True)
        return JSONResponse({"status": status, "lost": lost})

    def _media(self, request: Request) -> tuple[str, Any, StoredFile]:
        """Returns the kind and the part of the message with this id, and its stored file."""
        found = self._world.store.row(
            "SELECT content FROM said WHERE id = ?1 UNION ALL"
            " SELECT content FROM inbox WHERE id = ?1",
            request.path_params["id"],
        )
        message = Message.FromString(bytes(found["content"]) if found is not None else b"")
        part = media_in(message)
        held = None if part is None else self._world.media.at(part[1].direct_path)
        if part is None or held is None:
            raise ProblemError(404, "no_such_media", "there is no message of that id with a file")
        return *part, held

    async def faults(self, request: Request) -> JSONResponse:
        """Requests a fault (POST), shows faults with the times they struck (GET), or ends them (DELETE)."""
        faults, query = self._world.faults, request.query_params
        account, fault_id = query.get("account"), number_in(request, "id", "bad_fault")
        if request.method == "DELETE":
            return JSONResponse({"ended": self._world.fault_injector.clear(account, fault_id)})
        if request.method == "GET":
            return JSONResponse({"items": faults.everything(account, fault_id)})
        body = await body_of(request)
        for name in ("account", "contact"):
            if isinstance(body.get(name), str):
                body[name] = self._world.people.named(body[name].lstrip("+")).number
        fault = faults.request(body)
        reached = self._world.fault_injector.strike(fault)
        return JSONResponse({**fault.described(), "reached": reached}, status_code=201)

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number


def _linked(companion: Companion) -> JSONResponse:
    number, device = companion.key
    jid = f"{number}:{device}@{PN_SERVER}"
    return JSONResponse({"number": number, "device": device, "jid": jid})


def application(world: ServerState, ws_url: Callable[[], str]) -> Starlette:
    """The Starlette application of the control API; every error is problem+json."""
    control = Control(world, ws_url)

    async def problem_of(_: Request, error: Exception) -> JSONResponse:
        if type(error) in _BAD:
            return problem(400, _BAD[type(error)], str(error))
        match error:
            case ProblemError() | ScanError():
                return problem(error.status, error.code, str(error))
            case NoDeviceError():
                return problem(404, "no_such_device", "the person has no such device")
            case HostedDeviceError():
                return problem(409, "has_hosted_device", "the person has a hosted device already")
            case NoGroupError():
                return problem(
                    404, "no_such_group", "there is no such group, or not of that person"
                )
            case HTTPException():
                code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
                return problem(error.status_code, code, str(error.detail))
            case _:
                return problem(500, "internal_error", "the simulator failed; see its log")

    handled: tuple[type[Exception], ...] = (
        ProblemError,
        ScanError,
        *_BAD,
        NoDeviceError,
        HostedDeviceError,
        NoGroupError,
        HTTPException,
        Exception,
    )
    endpoint = Callable[[Request], Awaitable[Response]]
    contacts, groups, phones = ContactRoutes(world), GroupRoutes(world), PhoneRoutes(world)
    app_state, profiles = AppStateRoutes(world), ProfileRoutes(world)
    accounts, rules = AccountRoutes(world), RuleRoutes(world)
    answers, traces, calls = AnswerRoutes(world), TraceRoutes(world), CallRoutes(world)
    routes: list[tuple[str, endpoint, list[str]]] = [
        ("/", control.root, ["GET"]),
        ("/rotate", control.rotate, ["POST"]),
        ("/phones", control.create_phone, ["POST"]),
        ("/phones/{number}", phones.phone, ["GET", "POST"]),
        ("/phones/{number}/passkey", phones.passkey, ["GET", "POST"]),
        ("/phones/{number}/scan", control.scan, ["POST"]),
        ("/phones/{number}/link-code", control.link_code, ["POST"]),
        ("/phones/{number}/say", contacts.phone_say, ["POST"]),
        ("/phones/{number}/inbox", contacts.copies, ["GET"]),
        ("/phones/{number}/history", phones.history, ["POST"]),
        ("/phones/{number}/app-state", app_state.settings, ["GET", "POST"]),
        ("/phones/{number}/app-state/keys", app_state.keys, ["POST"]),
        ("/phones/{number}/read", phones.read, ["POST"]),
        ("/contacts/{number}/presence", phones.presence, ["GET", "POST"]),
        ("/contacts/{number}/typing", phones.typing, ["POST"]),
        ("/contacts/{number}", contacts.change, ["POST"]),
        ("/contacts/{number}", contacts.contact, ["GET"]),
        ("/contacts/{number}/say", contacts.say, ["POST"]),
        ("/contacts/{number}/timer", contacts.timer, ["POST"]),
        ("/contacts/{number}/token", contacts.token, ["POST"]),
        ("/contacts/{number}/status", contacts.status, ["POST"]),
        ("/contacts/{number}/profile", profiles.profile, ["GET", "POST"]),
        ("/contacts/{number}/block", profiles.block, ["POST"]),
        ("/contacts/{number}/call", calls.call, ["GET", "POST", "DELETE"]),
        ("/contacts/{number}/devices", contacts.link, ["POST"]),
        ("/contacts/{number}/devices/{device:int}", contacts.unlink, ["DELETE"]),
        ("/contacts/{number}/reinstall", contacts.reinstall, ["POST"]),
        ("/contacts/{number}/forget", contacts.forget, ["POST"]),
        ("/contacts/{number}/addressing", contacts.addressing, ["POST"]),
        ("/contacts/{number}/inbox", contacts.inbox, ["GET"]),
        ("/contacts/{number}/said", contacts.said, ["GET"]),
        ("/accounts/{number}", accounts.account, ["GET", "POST"]),
        ("/accounts/{number}/migrate", accounts.migrate, ["POST"]),
        ("/accounts/{number}/prekeys", accounts.prekeys, ["POST"]),
        ("/accounts/{number}/rules", rules.rules, ["GET", "POST"]),
        ("/rules", rules.rules, ["GET", "POST"]),
        ("/version", rules.version, ["GET", "POST"]),
        ("/groups", groups.make, ["POST"]),
        ("/groups/{id}", groups.group, ["GET"]),
        ("/groups/{id}", groups.change, ["POST"]),
        ("/groups/{id}/participants", groups.members, ["POST"]),
        ("/groups/{id}/invite", groups.invite, ["POST"]),
        ("/groups/{id}/join", groups.join, ["POST"]),
        ("/groups/{id}/requests", groups.requests, ["POST"]),
        ("/groups/{id}/retry", groups.retry, ["POST"]),
        ("/media/{id}", control.file, ["GET"]),
        ("/media/{id}", control.media, ["POST"]),
        ("/answers", answers.answers, ["GET", "POST"]),
        ("/unanswered", answers.unanswered, ["GET", "DELETE"]),
        ("/accounts/{number}/trace", traces.trace, ["GET", "POST", "DELETE"]),
        ("/trace", traces.trace, ["GET", "POST", "DELETE"]),
        ("/faults", control.faults, ["GET", "POST", "DELETE"]),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=methods) for path, handler, methods in routes],
        exception_handlers=dict.fromkeys(handled, problem_of),
    )
