"""The control API: what a person with a phone would do, over HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from simulator.contacts import NoCompanionError
from simulator.faults import FaultError
from simulator.pairing import ScanError
from simulator.people import RECEIPTS, UnknownNumberError

if TYPE_CHECKING:
    from simulator.world import World

# WhatsApp's own limit for a text.
MAX_TEXT: Final = 65536
_MAX_BODY: Final = 1 << 20


class ProblemError(Exception):
    """An error that the caller is told: a status, a stable code, a sentence."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


def _problem(status: int, code: str, detail: str) -> JSONResponse:
    return JSONResponse(
        {"status": status, "code": code, "detail": detail},
        status_code=status,
        media_type="application/problem+json",
    )


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    if len(raw) > _MAX_BODY:
        raise ProblemError(413, "too_large", "the body is larger than 1 MiB")
    try:
        body = json.loads(raw) if raw else {}
    except ValueError as error:
        raise ProblemError(400, "malformed_json", "the body is not JSON") from error
    if not isinstance(body, dict):
        raise ProblemError(400, "malformed_json", "the body must be an object")
    return body


def _field(body: dict[str, Any], name: str, kind: type | tuple[type, ...]) -> Any:
    if name not in body:
        raise ProblemError(400, "missing_field", f"{name} is needed")
    value = body[name]
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ProblemError(400, "wrong_type", f"{name} has the wrong type")
    return value


class Control:
    """The API's endpoints over one world."""

    def __init__(self, world: World, ws_url: Callable[[], str]) -> None:
        self._world = world
        self._ws_url = ws_url

    async def root(self, _: Request) -> JSONResponse:
        return JSONResponse({"ws_url": self._ws_url(), "root_key": self._world.root_key.hex()})

    async def create_phone(self, request: Request) -> JSONResponse:
        body = await _body(request)
        person = self._world.people.named(_field(body, "number", str).lstrip("+"))
        return JSONResponse({"number": person.number, "lid": person.lid}, status_code=201)

    async def scan(self, request: Request) -> JSONResponse:
        body = await _body(request)
        number = self._number(request)
        companion = await self._world.pairing.scan(number, _field(body, "qr", str))
        return JSONResponse(
            {
                "number": number,
                "device": companion.device,
                "jid": f"{number}:{companion.device}@s.whatsapp.net",
            }
        )

    async def change_contact(self, request: Request) -> JSONResponse:
        body = await _body(request)
        number = self._number(request)
        kinds: dict[str, type | tuple[type, ...]] = {
            "name": str,
            "receipts": str,
            "registered": bool,
            "delivered_after": (int, float),
            "read_after": (int, float),
        }
        for name in body:
            if name not in kinds:
                raise ProblemError(400, "unknown_field", f"unknown field {name!r}")
            _field(body, name, kinds[name])
        if body.get("receipts", "read") not in RECEIPTS:
            raise ProblemError(
                400, "bad_receipts", f"receipts must be one of {', '.join(RECEIPTS)}"
            )
        person = self._world.people.change(number, body)
        return JSONResponse(
            {
                "number": person.number,
                "lid": person.lid,
                **{name: getattr(person, name) for name in kinds},
            }
        )

    async def say(self, request: Request) -> JSONResponse:
        body = await _body(request)
        number = self._number(request)
        text = _field(body, "text", str)
        if not 0 < len(text) <= MAX_TEXT:
            raise ProblemError(400, "bad_text", f"text must have 1 to {MAX_TEXT} characters")
        addressing = body.get("addressing", "pn")
        if addressing not in ("pn", "lid"):
            raise ProblemError(400, "bad_addressing", "addressing must be pn or lid")
        to = self._world.people.named(_field(body, "to", str).lstrip("+")).number
        try:
            with self._world.store.transaction():
                message_id = self._world.contacts.say(number, to, text, addressing)
        except NoCompanionError as error:
            raise ProblemError(
                409, "no_companion", "the account has no linked device to receive it"
            ) from error
        return JSONResponse({"id": message_id})

    async def reinstall(self, request: Request) -> JSONResponse:
        body = await _body(request)
        number = self._number(request)
        identity = body.get("identity", "new")
        if identity not in ("new", "same"):
            raise ProblemError(400, "bad_identity", "identity must be new or same")
        if identity == "new" and self._world.companions.of(number):
            raise ProblemError(409, "has_companions", "linked devices would lose their signatures")
        with self._world.store.transaction():
            self._world.contacts.reinstall(number, same_identity=identity == "same")
        return JSONResponse({"number": number, "identity": identity})

    async def inbox(self, request: Request) -> JSONResponse:
        number = self._number(request)
        return JSONResponse({"items": self._world.contacts.inbox.received(number)})

    async def said(self, request: Request) -> JSONResponse:
        return JSONResponse({"items": self._world.contacts.said(self._number(request))})

    async def copies(self, request: Request) -> JSONResponse:
        number = self._number(request)
        return JSONResponse({"items": self._world.contacts.inbox.copies(number)})

    async def account(self, request: Request) -> JSONResponse:
        world, number = self._world, self._number(request)
        devices = []
        for companion in world.companions.of(number):
            waiting = world.queue.counts(companion.key)
            devices.append(
                {
                    "device": companion.device,
                    "online": world.switchboard.live(companion.key) is not None,
                    "unacknowledged": sum(waiting.values()),
                    "waiting": waiting,
                    "prekeys": world.companions.prekey_count(companion),
                    "logins": companion.logins,
                    "paired_at": companion.paired_at,
                }
            )
        return JSONResponse(
            {
                "number": number,
                "online": any(device["online"] for device in devices),
                **{
                    total: sum(int(device[total]) for device in devices)  # type: ignore[call-overload]
                    for total in ("unacknowledged", "prekeys", "logins")
                },
                "devices": devices,
            }
        )

    async def faults(self, request: Request) -> JSONResponse:
        if request.method == "DELETE":
            account = request.query_params.get("account")
            fault_id = request.query_params.get("id")
            if fault_id is not None and not fault_id.isdecimal():
                raise ProblemError(400, "bad_fault", "id must be a number")
            ended = self._world.clear(account, None if fault_id is None else int(fault_id))
            return JSONResponse({"ended": ended})
        if request.method == "GET":
            return JSONResponse({"items": self._world.faults.everything()})
        body = await _body(request)
        if isinstance(body.get("account"), str):
            body["account"] = self._world.people.named(body["account"].lstrip("+")).number
        fault = self._world.faults.request(body)
        reached = self._world.strike(fault)
        return JSONResponse({**fault.described(), "reached": reached}, status_code=201)

    def _number(self, request: Request) -> str:
        return self._world.people.named(request.path_params["number"].lstrip("+")).number


def application(world: World, ws_url: Callable[[], str]) -> Starlette:
    """The Starlette application of the control API; every error is problem+json."""
    control = Control(world, ws_url)

    async def known(_: Request, error: Exception) -> JSONResponse:
        match error:
            case ProblemError() | ScanError():
                return _problem(error.status, error.code, str(error))
            case UnknownNumberError():
                return _problem(400, "bad_number", str(error))
            case FaultError():
                return _problem(400, "bad_fault", str(error))
            case HTTPException():
                code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "error")
                return _problem(error.status_code, code, str(error.detail))
            case _:
                return _problem(500, "internal_error", "the simulator failed; see its log")

    handled: tuple[type[Exception], ...] = (
        ProblemError,
        ScanError,
        UnknownNumberError,
        FaultError,
        HTTPException,
        Exception,
    )
    endpoint = Callable[[Request], Awaitable[JSONResponse]]
    routes: list[tuple[str, endpoint, list[str]]] = [
        ("/", control.root, ["GET"]),
        ("/phones", control.create_phone, ["POST"]),
        ("/phones/{number}/scan", control.scan, ["POST"]),
        ("/contacts/{number}", control.change_contact, ["POST"]),
        ("/contacts/{number}/say", control.say, ["POST"]),
        ("/contacts/{number}/reinstall", control.reinstall, ["POST"]),
        ("/contacts/{number}/inbox", control.inbox, ["GET"]),
        ("/contacts/{number}/said", control.said, ["GET"]),
        ("/accounts/{number}", control.account, ["GET"]),
        ("/accounts/{number}/copies", control.copies, ["GET"]),
        ("/faults", control.faults, ["GET", "POST", "DELETE"]),
    ]
    return Starlette(
        routes=[Route(path, handler, methods=methods) for path, handler, methods in routes],
        exception_handlers=dict.fromkeys(handled, known),
    )
