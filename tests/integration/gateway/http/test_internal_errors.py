"""An unexpected error is a 500 with an id that the log explains, and never a 400."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gateway as package
from actors.redis import keys
from actors.state.documents import CONNECTIONS, HEALTH_STATUS, MESSAGES
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from tests.integration.gateway.served import SHOP
from tests.waits import eventually

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.state.documents import Documents
    from tests.integration.gateway.served import Api, Gateway

SECRET = "psst 15550100077"
STRAY = f"{SHOP}.in." + "0" * 24
DEAD = f"{SHOP}.3EB0" + "0" * 18


@pytest.fixture
async def _broken(documents: Documents, redis: Redis) -> None:
    """Documents and keys that no code of this service writes."""
    await documents.set(MESSAGES, STRAY, {"connection": SHOP, "type": "text", SECRET: SECRET})
    await documents.set(CONNECTIONS, "broken", {"deleted": False, SECRET: SECRET})
    await redis.set(keys.of(SHOP).message(DEAD.partition(".")[2]), SECRET)  # a hash is expected


@pytest.mark.usefixtures("_broken")
async def test_such_an_error_is_an_alert(api: Api, documents: Documents) -> None:
    assert api.get(f"/api/messages/{STRAY}").status_code == 500

    async def noted() -> bool:
        found = await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT)
        return found is not None and found["action"] == "internal_error"

    await eventually("it is noted", noted, 10)


@pytest.mark.usefixtures("_broken")
@pytest.mark.parametrize(
    ("method", "path", "type_"),
    [
        ("GET", f"/api/messages/{STRAY}", "KeyError"),
        ("GET", f"/api/messages/{DEAD}", "ResponseError"),
        ("DELETE", f"/api/messages/{DEAD}", "ResponseError"),
        ("POST", f"/api/queue/dead/{DEAD}/retry", "ResponseError"),
        ("GET", "/api/connections/broken", "KeyError"),
        ("POST", "/api/connections/broken/stop", "KeyError"),
        ("GET", "/api/connections/broken/qr", "KeyError"),
    ],
)
def test_an_error_that_nobody_expected(
    gateway: Gateway, api: Api, method: str, path: str, type_: str
) -> None:
    answer = api.request(method, path)
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] == "internal_error"
    identity = answer.headers["x-request-id"]
    assert problem["detail"] == f"The log names it as {identity}."
    assert type_ not in answer.text
    assert SECRET not in answer.text
    lines = [line for line in gateway.log().splitlines() if identity in line]
    [told] = [found for line in lines if (found := json.loads(line))["action"] == "internal_error"]
    assert type_ in json.dumps(told)
    assert told["request_id"] == identity
    assert SECRET not in gateway.log()
    # and it is nobody else's trouble
    assert api.get("/api/connections/shop").status_code == 200
    sent = api.post("/api/messages", json={"connection": "shop", "to": "15550100002", "text": "hi"})
    assert sent.status_code == 202


def test_nothing_turns_every_error_into_an_answer() -> None:
    """Handlers that catch everything are named here: the one that answers 500, and tasks that go on."""
    found = {
        (file.relative_to(Path(package.__path__[0])).as_posix(), name)
        for file in Path(package.__path__[0]).rglob("*.py")
        for name in _catches_all(ast.parse(file.read_text()))
    }
    assert found == {
        ("acceptance/link_previews.py", "_fetch"),  # the text goes out without its preview
        ("http/access_log.py", "__call__"),  # the 500
        ("console/page_stream.py", "_look"),  # the 500 of a page that lies open
        ("console/page_stream.py", "_is_allowed"),  # the look that follows meets the same error
        ("console/page_app.py", "_stream"),  # the same, before the first look
        ("http/api_keys.py", "_read"),  # in the background; callers get the last known keys
        ("connection_cache.py", "run"),  # in the background
        ("connection_cache.py", "_listen"),  # in the background
        ("redis_probe.py", "_hangs"),  # in the background; a call meets the same error itself
        ("webhooks/dispatcher.py", "run"),  # in the background; what waits stays in the outbox
        ("webhooks/event_tail.py", "run"),  # in the background; readers go on where they were
        ("cli/file_transfer.py", "_write"),  # leaves no half of a file, and raises it
        (
            "cli/instance/instance_state.py",
            "_connections",
        ),  # closing a client whose answer was read
    }


def _catches_all(tree: ast.AST) -> set[str]:
    names = set()
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for node in ast.walk(function):
            caught = node.type if isinstance(node, ast.ExceptHandler) else None
            bare = isinstance(node, ast.ExceptHandler) and node.type is None
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "suppress":
                caught = ast.Tuple(node.args)
            if caught is None and not bare:
                continue
            kinds = {getattr(each, "id", "") for each in ast.walk(caught)} if caught else set()
            if bare or kinds & {"Exception", "BaseException"}:
                names.add(function.name)
    return names
