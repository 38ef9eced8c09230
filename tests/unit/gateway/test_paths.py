"""An operation without parameters in its path is found at once, where the router would find it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route, Router

from gateway.app import Paths
from gateway.http.endpoint import Endpoint, Gives, Operation

if TYPE_CHECKING:
    from starlette.types import Message


async def named(call: Any) -> Response:
    return Response(f"{call.request.scope['endpoint'].path} {call.path}")


def route(path: str, *methods: str) -> Route:
    operations = {
        each: Operation(each, path, "id", "", "", named, {200: Gives("")}, None) for each in methods
    }
    return Route(path, Endpoint(path, operations), methods=list(methods))


class App:
    class state:  # noqa: N801 - as Starlette has it
        backends = None


async def asked(routes: list[Route], method: str, path: str, kind: type) -> str:
    router = Router(routes, redirect_slashes=False)
    answer = b""
    scope = {"type": "http", "method": method, "path": path, "headers": [], "app": App}
    scope["query_string"] = b""

    async def send(message: Message) -> None:
        nonlocal answer
        answer += message.get("body", b"")

    async def receive() -> Message:
        return {"type": "http.request"}

    try:
        await (Paths(router) if kind is Paths else router)(scope, receive, send)
    except HTTPException as refusal:
        return str(refusal.status_code)
    return answer.decode()


ROUTES = [
    route("/a", "GET", "POST"),
    route("/a/{b}", "GET"),
    route("/a/b", "GET"),  # behind one that fits
    route("/c", "GET"),
    route("/c", "POST"),  # the same path a second time
]


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", "/a", "/a {}"),
        ("HEAD", "/a", "/a {}"),
        ("POST", "/a", "/a {}"),
        ("GET", "/a/b", "/a/{b} {'b': 'b'}"),
        ("GET", "/c", "/c {}"),
        ("POST", "/c", "/c {}"),
        ("DELETE", "/a", "405"),
        ("GET", "/a/", "404"),
        ("GET", "/b", "404"),
    ],
)
@pytest.mark.parametrize("kind", [Paths, Router])
async def test_what_is_at(method: str, path: str, answer: str, kind: type) -> None:
    assert await asked(ROUTES, method, path, kind) == answer
