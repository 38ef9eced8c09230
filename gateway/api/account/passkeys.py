"""Serves API routes for linking by passkey: show the challenge (Redis), hand assertion and confirmation to the connection.

A passkey of WhatsApp's signs on WhatsApp's own site alone, so a person carries challenge and assertion
between a browser there and this API.
"""

# ruff: noqa: N815
# The names of fields are WebAuthn's.

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import ConfigDict, Field
from starlette.responses import Response

from actors.runtime.text_pattern import TextPattern
from gateway.api.lookups import answered
from gateway.connection_access import resolve_path
from gateway.http.endpoint import ApiRequest, Gives, Operation, written
from gateway.http.problems import Problem
from gateway.http.response_base import Answer, Time, rfc3339
from gateway.schemas.request_models import Body

if TYPE_CHECKING:
    from actors.state.connections import Connection as Registered

Bytes = Annotated[
    str,
    TextPattern(
        r"^[A-Za-z0-9_-]+={0,2}$",
        "write at most 16384 characters of base64 with - and _, as in AAECAwQ",
        longest=16_384,
    ),
]
"""Base64 as WebAuthn's JSON has it: of the URL's alphabet, mostly without padding."""


class Signed(Body):
    """The data that the authenticator signed, and its signature; other fields of a browser are left out."""

    model_config = ConfigDict(extra="ignore")

    clientDataJSON: Bytes = Field(
        description="The challenge and the site, as JSON.",
        examples=["eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0"],
    )
    authenticatorData: Bytes = Field(
        description="The authenticator's flags and counter.",
        examples=["SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAA"],
    )
    signature: Bytes = Field(description="Over both.", examples=["MEUCIQDx"])
    userHandle: Bytes | None = Field(None, description="The passkey's user.", examples=["AAECAwQ"])


class Assertion(Body):
    """A WebAuthn assertion, as `PublicKeyCredential.toJSON()` gives it."""

    id: Bytes = Field(description="The passkey's id.", examples=["AAECAwQFBgcICQoLDA0ODw"])
    rawId: Bytes = Field(description="The same.", examples=["AAECAwQFBgcICQoLDA0ODw"])
    type: Annotated[str, TextPattern("^public-key$", "write public-key")] = Field(
        examples=["public-key"]
    )
    response: Signed = Field(
        description="The signature, and the data that it is over.",
        examples=[
            {
                "clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uZ2V0In0",
                "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MFAAAAAA",
                "signature": "MEUCIQDx",
            }
        ],
    )
    authenticatorAttachment: (
        Annotated[
            str,
            TextPattern(
                "^[a-z-]+$",
                "write at most 64 lower-case letters and -, as in platform",
                longest=64,
            ),
        ]
        | None
    ) = Field(None, description="Not used.")
    clientExtensionResults: dict[str, Any] | None = Field(
        None, description="Not used.", examples=[{}]
    )


class Passkey(Answer):
    """The step that linking by passkey waits for."""

    step: Literal["assertion", "confirmation"] = Field(
        description="`assertion`: POST the assertion that answers `options`. `confirmation`: compare"
        " `code` with that on the phone, then POST `…/confirm`."
    )
    options: dict[str, Any] | None = Field(
        description="For `PublicKeyCredential.parseRequestOptionsFromJSON`.",
        examples=[{"challenge": "AAECAwQFBgcICQoLDA0ODw", "rpId": "whatsapp.com"}],
    )
    code: str | None = Field(examples=["K7RM2V9D"])
    expires_at: Time


async def _get(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    found = await call.backends.leases.passkey(registered.id)
    if found is None:
        raise Problem("no_passkey_challenge")
    return written(_shown(*found))


async def _answer(call: ApiRequest[Assertion, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    assertion = call.body.model_dump_json(include={"id", "rawId", "type", "response"})
    return await _run_command(call, registered, "passkey_assertion", {"assertion": assertion})


async def _confirm(call: ApiRequest[None, None]) -> Response:
    registered = await resolve_path(call, fresh=True)
    return await _run_command(call, registered, "confirm_passkey", {})


async def _run_command(
    call: ApiRequest[Any, None], registered: Registered, kind: str, args: dict[str, str]
) -> Response:
    """The owner of a connection that has no challenge is not asked."""
    if await call.backends.leases.passkey(registered.id) is None:
        raise Problem("no_passkey_challenge")
    answer = await answered(call, registered, kind, args)
    match answer.get("error"):
        case None:
            return Response(status_code=204)
        case "no_passkey_challenge" | "not_connected":
            raise Problem("no_passkey_challenge")
        case "passkey_refused":
            raise Problem("passkey_refused")
        case error:
            raise Problem("not_answered", "WhatsApp did not carry out the request.", reason=error)


def _shown(text: str, expires_at: float) -> Passkey:
    state, expires = json.loads(text), rfc3339(expires_at)
    assert expires is not None
    return Passkey(
        step="confirmation" if state.get("options") is None else "assertion",
        options=state.get("options"),
        code=state.get("code"),
        expires_at=expires,
    )


_PATH = "/api/connections/{connection}/passkey"
_TAG = "connections"
_REFUSES = ("no_passkey_challenge", "redis_away", "store_away")
_REFUSES_STEP = (*_REFUSES, "passkey_refused", "connection_busy", "not_answered")
OPERATIONS = (
    Operation(
        "GET",
        _PATH,
        "getPasskey",
        "The step that linking by passkey waits for",
        _TAG,
        _get,
        {200: Gives("A challenge to sign, or a code to compare.", Passkey)},
        "admin",
        refuses=_REFUSES,
    ),
    Operation(
        "POST",
        _PATH,
        "answerPasskey",
        "Answer the challenge with the assertion of the account's passkey",
        _TAG,
        _answer,
        {204: Gives("Handed to WhatsApp; the account is linked, or a code is to be compared.")},
        "admin",
        body=Assertion,
        refuses=_REFUSES_STEP,
    ),
    Operation(
        "POST",
        f"{_PATH}/confirm",
        "confirmPasskey",
        "Confirm that the phone shows the same code",
        _TAG,
        _confirm,
        {204: Gives("Handed to WhatsApp.")},
        "admin",
        refuses=_REFUSES_STEP,
    ),
)
