"""Serves API routes that request a pairing code from the connection's process, and show the open one from Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.api.lookups import answered
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas import addresses, presenters
from gateway.schemas.request_models import Body

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.responses import Response

    from gateway.schemas.response_models import Connection

BEFORE_PAIRING: Final = frozenset({"pairing", "connecting", "reconnecting"})
"""States in which the connection may come to wait for a phone within the seconds that a caller waits."""

LATER: Final = 60
"""Seconds until another try, where WhatsApp does not say how many."""


def _number(given: str) -> str:
    try:
        return addresses.number(given)
    except addresses.InvalidAddress as error:
        raise PydanticCustomError(error.code, "{reason}", {"reason": str(error)}) from None


PhoneNumber = Annotated[
    str,
    AfterValidator(_number),
    WithJsonSchema(
        {
            "type": "string",
            "minLength": 7,
            "maxLength": addresses.MAX_ADDRESS_CHARACTERS,
            "pattern": addresses.NUMBER_PATTERN,
            "description": "The account's number, international, of 7 to 15 digits (with at most +,"
            " spaces, dashes and parentheses).",
            "examples": ["+15550100001"],
        }
    ),
]


class Phone(Body):
    """On which phone the code is going to be typed."""

    phone: PhoneNumber


class PairingCode(Answer):
    """The code to type on the phone: Linked devices, Link a device, Link with phone number instead."""

    code: str = Field(description="Eight characters in two groups.", examples=["K7RM-2V9D"])
    expires_at: Time = Field(
        description="When it is void at the latest: it is as soon as the connection's socket closes."
    )


async def _request(call: ApiRequest[Phone, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    lease = await call.backends.leases.read(registered.id)
    phone = call.body.phone
    served = lease is not None and lease.owner is not None
    alive = call.backends.liveness.of(registered.id, lease)
    settings = call.backends.settings
    shown = presenters.connection(registered, lease, alive=alive, settings=settings)
    _check(shown, phone, served=served)
    answer = await answered(call, registered, "pairing_code", {"phone": phone})
    if "error" in answer:
        raise _refusal(answer)
    return written(_shown(answer["text"], answer["expires_at"]), 201)


async def _get(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    found = await call.backends.leases.pairing_code(registered.id)
    if found is None:
        raise Problem("no_pairing_code")
    return written(_shown(*found))


def _check(now: Connection, phone: str, *, served: bool) -> None:
    if now.state == "open":
        raise Problem("already_linked")
    if now.state not in BEFORE_PAIRING or not served:
        raise Problem("not_pairing", f"The connection is {now.state}.", state=now.state)
    if now.account not in {None, phone}:
        raise Problem("other_account", "It was linked to another number before.")


def _refusal(answer: Mapping[str, Any]) -> Problem:
    error = answer["error"]
    if error == "not_connected":
        return Problem("whatsapp_away")
    if error == "pairing_code_limited":
        return Problem(error, headers={"Retry-After": str(answer.get("wait", LATER))})
    if error in {"already_linked", "pairing_code_refused"}:
        return Problem(error)
    return Problem("not_answered", "There is no code.", reason=error)


def _shown(text: str, expires_at: float) -> PairingCode:
    expires = rfc3339(expires_at)
    assert expires is not None
    return PairingCode(code=text, expires_at=expires)


_PATH = "/api/connections/{connection}/pairing-code"
_TAG = "connections"
OPERATIONS = (
    Operation(
        "POST",
        _PATH,
        "requestPairingCode",
        "A code to type on the phone in place of scanning; the one before is void",
        _TAG,
        _request,
        {201: Gives("The code.", PairingCode)},
        "admin",
        body=Phone,
        refuses=(
            "already_linked",
            "not_pairing",
            "other_account",
            "invalid_number",
            "pairing_code_refused",
            "pairing_code_limited",
            "connection_busy",
            "not_answered",
            "whatsapp_away",
            "redis_away",
            "store_away",
        ),
    ),
    Operation(
        "GET",
        _PATH,
        "getPairingCode",
        "The code that is open",
        _TAG,
        _get,
        {200: Gives("The code.", PairingCode)},
        "admin",
        refuses=("no_pairing_code", "redis_away", "store_away"),
    ),
)
