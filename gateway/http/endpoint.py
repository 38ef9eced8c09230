"""Runs declared API operations: checks key, rate, scope, query, place and body, then calls the handler.

An `Operation` is both what runs and what the OpenAPI document is made from: it cannot promise
what it does not do. The order of refusals is fixed: method, key, rate, scope, query, place, body.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import RootModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from actors.connection.backup.bucket.port import BucketAway
from actors.media.store import StoreUnavailable
from actors.redis.client import RedisAway
from actors.runtime.limits.keyed_semaphores import NoTurn
from actors.runtime.limits.limits import LimitReached
from actors.state.documents import InvalidCursor, StoreAway
from gateway.http import auth, body, limit_problems, problems, rate_limiter
from gateway.http.problems import Problem, from_validation
from gateway.schemas.request_models import After, WaitParameters

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from pydantic import BaseModel
    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from gateway.backends import Backends
    from gateway.http.api_keys import ApiKey, Scope
    from gateway.http.header_fields import Fields
    from gateway.http.response_base import Answer

TURN_SECONDS = 20.0
"""The longest wait of a read for others of its tenant: while the state store hangs, each of those takes seconds."""

B = TypeVar("B")
Q = TypeVar("Q")


@dataclass(frozen=True, slots=True)
class ApiRequest(Generic[B, Q]):
    """A request that was let in: its key, and its validated body and query."""

    backends: Backends
    request: Request
    key: ApiKey
    body: B
    query: Q

    @property
    def path(self) -> dict[str, str]:
        return self.request.path_params

    @property
    def fields(self) -> Fields:
        """The header fields."""
        found: Fields = self.request.scope["headers"]
        return found


@dataclass(frozen=True, slots=True)
class Gives:
    """One answer: its description and its model, or models that differ by their fields.

    `media_types` where it is not JSON alone; `headers` are answer headers by description.
    """

    description: str
    model: type[Answer] | tuple[type[Answer], ...] = ()
    media_types: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def models(self) -> tuple[type[Answer], ...]:
        return self.model if isinstance(self.model, tuple) else (self.model,)


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path. `scope` None: anybody may. `refuses` adds to what is evident.

    With `optional_key` anybody may, and who shows a key sees more. `body_optional` reads an empty
    body as ``{}``; with `upload` the handler reads any body as it arrives; one that `waits` does so for WhatsApp, a file
    or an event. `headers` are request headers: description, and pattern of what they may hold.
    `instead` marks a former name, which stays: it is the method and path to use. `own_path`: no parameter of another
    path may have the value that this path has there, so that any other method is refused.
    """

    method: str
    path: str
    id: str
    summary: str
    tag: str
    handler: Callable[[ApiRequest[Any, Any]], Awaitable[Response]]
    gives: Mapping[int, Gives]
    scope: Scope | None
    optional_key: bool = False
    body: type[BaseModel] | None = None
    body_optional: bool = False
    upload: bool = False
    waits: bool = False
    query: type[BaseModel] | None = None
    headers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    instead: str | None = None
    own_path: bool = False

    @property
    def lists(self) -> bool:
        """Whether it answers with a page of a list, which costs a gateway more than any other answer."""
        return self.query is not None and issubclass(self.query, After)


class Endpoint:
    """The ASGI application of one path; refuses every other method with HTTPException 405."""

    def __init__(self, path: str, operations: Mapping[str, Operation]) -> None:
        self.path = path
        self.operations = dict(operations)
        if "GET" in operations:
            self.operations["HEAD"] = operations["GET"]

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        operation = self.operations.get(scope["method"])
        if operation is None:
            raise HTTPException(405, headers={"Allow": ", ".join(self.operations)})
        try:
            with outages_as_problems:
                call = await _let_in(operation, Request(scope, receive))
                response = await handled(operation, call)
        except Problem as problem:
            response = problem.response()
        await response(scope, receive, send)


class _OutagesAsProblems:
    """Turns errors of unreachable services, and limits that are reached, into the `Problem` that names them."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, LimitReached):
            raise limit_problems.limit_problem(error) from None
        if error is not None:
            for kind, (code, detail) in _AWAY.items():
                if isinstance(error, kind):
                    raise Problem(code, detail) from None


_AWAY: Mapping[type[Exception], tuple[str, str | None]] = {
    RedisAway: ("redis_away", "Redis does not answer; try again soon."),
    StoreAway: ("store_away", "The state store does not answer; try again soon."),
    StoreUnavailable: ("media_unavailable", "The disk does not answer; try again soon."),
    BucketAway: ("vault_away", "The bucket does not answer; try again soon."),
    NoTurn: ("store_away", "Earlier requests of the caller have no answer yet; try again soon."),
    InvalidCursor: ("invalid_cursor", None),
}
outages_as_problems = _OutagesAsProblems()


async def handled(operation: Operation, call: ApiRequest[Any, Any]) -> Response:
    """Return the handler's answer. Reads of one tenant wait for each other, so that others' answers come between.

    Raises `NoTurn` for one that waits longer than `TURN_SECONDS`.
    """
    if operation.method != "GET" or operation.scope is None or operation.waits:
        return await operation.handler(call)
    turns = call.backends.list_turns if operation.lists else call.backends.read_turns
    async with turns.of(call.key.tenant, TURN_SECONDS):
        return await operation.handler(call)


async def _let_in(operation: Operation, request: Request) -> ApiRequest[Any, Any]:
    backends: Backends = request.app.state.backends
    key: Any = None
    if operation.scope is not None:
        key = await auth.authenticate(backends.ring, request)
        request.scope[rate_limiter.QUOTA_FIELDS], refusal = backends.rates.take(key)
        if refusal is not None:
            raise refusal
        auth.require(key, operation.scope)
    query = _query(operation.query, request) if operation.scope is not None else None
    if key is not None:
        waits = isinstance(query, WaitParameters) and backends.waits_for_outcome(query.wait)
        (backends.waits if waits else backends.requests).enter(request.scope, key)
    given = b"" if operation.body is None else await body.read(request)
    if key is not None and operation.method != "GET":
        turn = backends.write_turns.turn(key.tenant)
        if turn is not None:
            await turn
    content = None if operation.body is None else _body(operation, operation.body, request, given)
    return ApiRequest(backends, request, key, content, query)


def _query(model: type[BaseModel] | None, request: Request) -> BaseModel | None:
    given: dict[str, str] = {}
    if request.scope["query_string"]:
        for name, value in request.query_params.multi_items():
            if name in given:
                raise Problem(
                    "invalid_parameter",
                    f"The parameter {problems.named(name)}: it is given twice.",
                    errors=[
                        {
                            "field": problems.named(name),
                            "code": "invalid_parameter",
                            "message": "it is given twice",
                        }
                    ],
                )
            given[name] = value
        if model is None:
            raise Problem("unknown_parameter", "This takes no query parameters.")
    return None if model is None else validated_query(model, given)


def validated_query(model: type[BaseModel], given: Mapping[str, Any]) -> BaseModel:
    """The query parameters. Problems `unknown_parameter` and `invalid_parameter`."""
    try:
        return model.model_validate(given) if given else _defaults(model)
    except ValidationError as error:
        raise from_validation(error, model, parameters=True) from None


@cache
def _defaults(model: type[BaseModel]) -> BaseModel:
    """The request model of a call without parameters; raises ValidationError."""
    return model.model_validate({})


def _body(
    operation: Operation, model: type[BaseModel], request: Request, content: bytes
) -> BaseModel:
    if not content and operation.body_optional:
        return model()
    body.require_json(request)
    validated = validated_body(model, content)
    one = validated.root if isinstance(validated, RootModel) else validated
    body.require_each_once(content, len(one.model_fields_set))
    return validated


def validated_body(model: type[BaseModel], content: bytes | str) -> BaseModel:
    """The body in JSON. Problem `malformed_json`, and those of a field that is missing, unknown or invalid."""
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise from_validation(error, model) from None


class Json(Response):
    """An answer whose JSON is written already, so that nothing is to be found out of its headers."""

    def __init__(self, content: bytes, status: int, headers: Mapping[str, str]) -> None:
        self.status_code, self.body, self.background = status, content, None
        self.raw_headers = [
            *((name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()),
            (b"content-length", b"%d" % len(content)),
            (b"content-type", b"application/json"),
        ]


def written(answer: Answer, status: int = 200, **headers: str) -> Response:
    """An answer as JSON; `headers` with underscores for dashes."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Json(answer.__pydantic_serializer__.to_json(answer), status, named)
