"""Defines the API's error codes, and `Problem`, the exception that becomes an `application/problem+json` answer.

The form of an answer is RFC 9457's. A code never changes its meaning. Details are written for the person who reads the answer and
never repeat a message's text, a phone number or a key.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from actors.config.rules_in_words import EXAMPLE, rule
from gateway.schemas.examples import field_at, fields_at

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel, ValidationError
    from pydantic_core import ErrorDetails

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER = 2  # seconds; Redis and the state store are normally back within that

# A caller's own name for something is repeated only if it can be nothing but a name: a number or a
# key that stands where a name belongs is not.
_NAME = re.compile(r"base64(?:_limit)?|sha256|[A-Za-z_][A-Za-z_.-]{0,31}", re.ASCII)
_NAMED_CODES = {
    "missing": "missing_field",
    "extra_forbidden": "unknown_field",
    "json_invalid": "malformed_json",
}
_LITERAL_CODES = {"type": "unsupported_type"}


@dataclass(frozen=True, slots=True)
class ProblemKind:
    """One kind of problem: what stays the same whenever it is reported."""

    status: int
    code: str
    title: str


def _kinds(*kinds: ProblemKind) -> dict[str, ProblemKind]:
    return {kind.code: kind for kind in kinds}


PROBLEM_KINDS = _kinds(
    ProblemKind(400, "malformed_request", "This is not an HTTP request that can be read"),
    ProblemKind(400, "malformed_json", "The body is not JSON that can be read"),
    ProblemKind(400, "invalid_cursor", "The cursor is not one that this service gave"),
    ProblemKind(400, "invalid_idempotency_key", "The Idempotency-Key header cannot be used"),
    ProblemKind(401, "unauthorized", "An API key is needed"),
    ProblemKind(403, "missing_scope", "The API key lacks the scope for this"),
    ProblemKind(
        403, "cross_site", "This did not come from a page of this service that is still valid"
    ),
    ProblemKind(403, "connection_forbidden", "The API key is not for this connection"),
    ProblemKind(403, "not_allowed", "WhatsApp does not let the account do this"),
    ProblemKind(404, "not_found", "There is nothing at this path"),
    ProblemKind(404, "unknown_connection", "There is no such connection"),
    ProblemKind(404, "unknown_call", "There is no such call"),
    ProblemKind(404, "unknown_delivery", "There is no such delivery"),
    ProblemKind(404, "unknown_document", "There is no such refused document"),
    ProblemKind(404, "unknown_group", "The account is in no such group"),
    ProblemKind(404, "unknown_invite", "There is no such invitation"),
    ProblemKind(404, "unknown_key", "There is no such API key"),
    ProblemKind(404, "unknown_message", "There is no such message"),
    ProblemKind(404, "unknown_media", "There is no such file"),
    ProblemKind(404, "no_picture", "There is no picture"),
    ProblemKind(404, "not_on_whatsapp", "The number is not on WhatsApp"),
    ProblemKind(404, "no_media", "The message brings no file"),
    ProblemKind(404, "unknown_target", "There is no message to refer to by this id"),
    ProblemKind(404, "unknown_webhook", "There is no such webhook"),
    ProblemKind(405, "method_not_allowed", "This path does not have this method"),
    ProblemKind(406, "not_acceptable", "Nothing that can be given is acceptable"),
    ProblemKind(408, "head_timeout", "The request's head did not arrive in time"),
    ProblemKind(408, "body_timeout", "The body did not arrive in time"),
    ProblemKind(409, "connection_not_open", "The connection is not open"),
    ProblemKind(409, "connection_exists", "A connection with this id exists"),
    ProblemKind(409, "already_linked", "The connection is linked already"),
    ProblemKind(409, "not_pairing", "The connection does not wait to be linked"),
    ProblemKind(409, "other_account", "The connection belongs to another number"),
    ProblemKind(409, "no_passkey_challenge", "Linking waits for no passkey now"),
    ProblemKind(409, "no_pairing_code", "No pairing code is open"),
    ProblemKind(409, "nothing_to_scan", "There is no QR to scan now"),
    ProblemKind(409, "not_incoming", "Only a message of somebody else's can be marked as read"),
    ProblemKind(409, "message_cancelled", "The message was cancelled before it was sent"),
    ProblemKind(409, "not_cancellable", "The message can no longer be cancelled"),
    ProblemKind(409, "target_elsewhere", "The message referred to is in another chat"),
    ProblemKind(409, "not_own_message", "Only the account's own messages can be changed"),
    ProblemKind(409, "not_editable", "Only a text can be edited"),
    ProblemKind(409, "not_forwardable", "A message of this kind cannot be forwarded"),
    ProblemKind(409, "not_a_poll", "Only a poll can be voted in"),
    ProblemKind(409, "poll_unreadable", "The secret of this poll's votes is not known"),
    ProblemKind(409, "target_deleted", "The message referred to was deleted"),
    ProblemKind(409, "target_not_sent", "The message referred to was not sent"),
    ProblemKind(409, "edit_too_late", "The message was sent too long ago to be edited"),
    ProblemKind(
        409, "delete_too_late", "The message was sent too long ago to be deleted for everyone"
    ),
    ProblemKind(409, "group_full", "The group takes no more members"),
    ProblemKind(409, "not_dead", "The message is not a dead letter"),
    ProblemKind(409, "still_waiting", "It is going to be delivered already"),
    ProblemKind(409, "test_running", "A test event is on its way to this webhook"),
    ProblemKind(409, "media_pending", "The file is not here yet"),
    ProblemKind(410, "connection_deleted", "The connection was deleted"),
    ProblemKind(410, "invite_revoked", "The invitation is void"),
    ProblemKind(410, "media_failed", "The file could not be fetched"),
    ProblemKind(410, "media_gone", "The file is not kept any more"),
    ProblemKind(413, "body_too_large", "The body is too large"),
    ProblemKind(413, "media_too_large", "The file is too large"),
    ProblemKind(415, "unsupported_media_type", "The body is not what it must be"),
    ProblemKind(416, "range_not_satisfiable", "The file has nothing of this range"),
    ProblemKind(422, "idempotency_conflict", "The Idempotency-Key was used with another body"),
    ProblemKind(422, "whatsapp_refused", "WhatsApp does not take this"),
    ProblemKind(422, "missing_field", "A field is missing"),
    ProblemKind(422, "duplicate_field", "A field is given twice"),
    ProblemKind(422, "unknown_field", "There is no such field"),
    ProblemKind(422, "invalid_field", "A field has a value that cannot be used"),
    ProblemKind(422, "invalid_number", "The phone number cannot be used"),
    ProblemKind(422, "passkey_refused", "WhatsApp does not take this assertion"),
    ProblemKind(422, "pairing_code_refused", "WhatsApp gives no pairing code for this number"),
    ProblemKind(422, "unsupported_chat", "This kind of chat is not supported"),
    ProblemKind(422, "unsupported_type", "This type of message is not supported"),
    ProblemKind(422, "invalid_url", "The URL cannot be used"),
    ProblemKind(422, "invalid_proxy", "The proxy's URL cannot be used"),
    ProblemKind(422, "private_url", "The URL leads to a private address"),
    ProblemKind(422, "unknown_option", "The poll has no such option"),
    ProblemKind(422, "too_many_options", "The poll does not take so many options"),
    ProblemKind(422, "text_empty", "The text is empty"),
    ProblemKind(422, "text_too_long", "The text is too long"),
    ProblemKind(422, "control_character", "The text has a control character"),
    ProblemKind(422, "media_empty", "The file is empty"),
    ProblemKind(422, "media_type_mismatch", "The file is of another kind than the message"),
    ProblemKind(
        422, "conversion_unavailable", "The file has to be converted, and ffmpeg is not installed"
    ),
    ProblemKind(422, "media_refused", "The URL may not be fetched"),
    ProblemKind(422, "media_unreachable", "The URL cannot be fetched"),
    ProblemKind(422, "unknown_parameter", "There is no such query parameter"),
    ProblemKind(422, "invalid_parameter", "A query parameter has a value that cannot be used"),
    ProblemKind(422, "message_dead", "The message could not be sent, and is a dead letter"),
    ProblemKind(422, "queue_disabled", "Nothing can wait: the queue is disabled"),
    ProblemKind(429, "queue_full", "The connection's messages take all the memory that they may"),
    ProblemKind(
        429,
        "rate_limited",
        "The API key, or a connection of it, asked too often, or an address with wrong keys",
    ),
    ProblemKind(429, "quota_reached", "A connection or the API key has all that it may have"),
    ProblemKind(429, "whatsapp_limited", "WhatsApp lets the account do this less often"),
    ProblemKind(429, "pairing_code_limited", "Too many pairing codes were asked for"),
    ProblemKind(429, "store_full", "The connection keeps all that it may in the state store"),
    ProblemKind(429, "upload_budget_reached", "The connection may upload no more today"),
    ProblemKind(431, "head_too_large", "The request line and the headers are too long"),
    ProblemKind(500, "internal_error", "Something failed that should not"),
    ProblemKind(503, "connection_busy", "Too much is asked of the connection at once"),
    ProblemKind(503, "media_unavailable", "Where files are kept does not answer"),
    ProblemKind(503, "disk_reserve", "The disk has no room for it"),
    ProblemKind(503, "vault_away", "The bucket does not answer"),
    ProblemKind(503, "redis_away", "Redis does not answer"),
    ProblemKind(503, "redis_full", "Redis has no memory left for more messages"),
    ProblemKind(503, "store_away", "The state store does not answer"),
    ProblemKind(503, "whatsapp_away", "WhatsApp cannot be reached now"),
    ProblemKind(503, "not_sent", "The message could not be sent in time, and was cancelled"),
    ProblemKind(503, "too_many_connections", "The limit of connections is reached"),
    ProblemKind(503, "instance_limit_reached", "A limit of the instance is reached"),
    ProblemKind(504, "not_answered", "The connection did not answer in time, or WhatsApp did not"),
)


class Problem(Exception):
    """A refusal with a stable `code`; `detail` is for a person, `extra` members for a program."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(code)
        self.kind = PROBLEM_KINDS[code]
        self.detail = detail or f"{self.kind.title}."
        self.headers = dict(headers or {})
        self.extra = extra

    def response(self) -> Response:
        """The answer as `application/problem+json`; of a 503 with `Retry-After`."""
        headers = self.headers
        if self.kind.status == 503:
            headers = {"Retry-After": str(RETRY_AFTER), **headers}
        content = {
            "type": f"/docs#{self.kind.code}",
            "title": self.kind.title,
            "status": self.kind.status,
            "code": self.kind.code,
            "detail": self.detail,
            **self.extra,
        }
        return Response(
            json.dumps(content, ensure_ascii=False, separators=(",", ":")),
            status_code=self.kind.status,
            headers=headers,
            media_type=PROBLEM_TYPE,
        )


def from_validation(
    error: ValidationError, model: type[BaseModel] | None = None, *, parameters: bool = False
) -> Problem:
    """The problem of the first thing that is wrong; `errors` lists all of them by field, unknown parameters first.

    With `parameters` the names are query parameters. Each message has the rule and, of fields of the `model`, an
    example. Never carries the refused value.
    """
    listed = []
    for found in error.errors(include_url=False, include_input=False):
        code, message, place = _code(found, parameters), rule(found), found["loc"]
        if model is not None:
            place, example = field_at(model, place)
            if found["type"] == "extra_forbidden":
                message = f"{message}; known: {', '.join(fields_at(model, found['loc'][:-1]))}"
            elif example is not None and EXAMPLE not in message:
                message = f"{message}{EXAMPLE}{example}"
        field = ".".join(str(part) if isinstance(part, int) else named(part) for part in place)
        if code == "unsupported_type" and not field:
            field = "type"
        listed.append({"field": field, "code": code, "message": message})
    listed.sort(
        key=lambda one: one["code"] != "unknown_parameter"
    )  # it explains one that is missing
    first = listed[0]
    if first["code"] == "malformed_json":
        return Problem("malformed_json")
    noun, whole = ("parameter", "query") if parameters else ("field", "body")
    subject = f"The {noun} {first['field']}" if first["field"] else f"The {whole}"
    return Problem(first["code"], f"{subject}: {first['message']}.", errors=listed)


def named(name: str) -> str:
    """A name as an answer may repeat it; ``?`` for what may be a number, a text or a key."""
    return name if _NAME.fullmatch(name) else "?"


def _code(found: ErrorDetails, parameters: bool) -> str:
    kind = found["type"]
    if kind in PROBLEM_KINDS:  # raised by this service's own validators
        return "invalid_parameter" if parameters and kind == "invalid_field" else kind
    if parameters:
        return "unknown_parameter" if kind == "extra_forbidden" else "invalid_parameter"
    if kind == "literal_error" and len(found["loc"]) == 1:
        return _LITERAL_CODES.get(str(found["loc"][0]), "invalid_field")
    return _NAMED_CODES.get(kind, "invalid_field")
