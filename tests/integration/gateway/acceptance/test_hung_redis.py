"""A Redis that hangs, or begins to: no page and no answer waits for it."""

from __future__ import annotations

import json
import re
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from gateway.console.routes import ROOMS
from tests.api_document import DOCUMENT
from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    import httpx

    from tests.processes.valkey import Valkey
    from tests.run.figures import Figure

LONGEST_ANSWER = 0.5
"""Seconds: much less than the least that a call of Redis itself would wait."""

TRIES = 3
"""Most tries of an address on a busy machine: one that waits for Redis does so each time."""

STREAMS = {"/api/events"}
"""Answers that last for as long as their reader."""


VALUES = {
    "code": "AbCdEfGhIjKlMnOpQrStUv",
    "connection": "shop",
    "group": "120363000000000001@g.us",
    "name": "console.css",
    "number": "15550100002",
    "participants": "15550100002",
    "rest:path": "no",
}


def filled(path: str, message: str, operation: Mapping[str, Any] | None = None) -> str:
    """The path with the connection, a message of it, and names for the rest; with the query that the operation requires."""
    values = {**VALUES, "id": message}
    path = re.sub(
        r"{([\w:]+)}", lambda found: values.get(found[1], "15550100002@s.whatsapp.net"), path
    )
    parameters = [] if operation is None else operation.get("parameters", [])
    required = [each["name"] for each in parameters if each["in"] == "query" and each["required"]]
    return path + "?" * bool(required) + urlencode({name: VALUES[name] for name in required})


def looks(message: str) -> Iterator[str]:
    """Every address of the API and of the console that can be read."""
    for path, methods in DOCUMENT["paths"].items():
        if "get" in methods and path not in STREAMS:
            yield filled(path, message, methods["get"])
    for room in ROOMS:
        for path, methods in room.ROUTES.items():
            if "GET" in methods:
                yield filled(path, message)


def changes(message: str) -> Iterator[tuple[str, str, Any]]:
    """Every operation that is no look: method, path, and the body of its first example.

    The connection stays, and nothing leads out of this machine.
    """
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if method == "get" or (method, path) == ("delete", "/api/connections/{connection}"):
                continue
            media = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            examples: dict[str, dict[str, Any]] = media.get("examples", {})
            example = next((each.get("value") for each in examples.values()), None)
            text = json.dumps(example).replace("https://example.com", "http://127.0.0.1:9")
            yield method.upper(), filled(path, message, operation), json.loads(text)


@pytest.fixture
def own_gateway(own_valkey: Valkey, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway whose sends do not wait for Redis."""
    with Gateway(tmp_path / "gateway", own_valkey, redis_wait=0) as gateway:
        gateway.connect()
        yield gateway


@pytest.fixture
def message(own_gateway: Gateway) -> str:
    body = {"connection": "shop", "to": "15550100002", "text": "hi"}
    answer = own_gateway.api.post("/api/messages", json=body)
    accepted: dict[str, Any] = answer.raise_for_status().json()
    identity: str = accepted["id"]
    return identity


def timed(ask: Callable[[], httpx.Response]) -> tuple[int, float]:
    """The status of an answer, and the seconds until it came."""
    began = time.monotonic()
    return ask().status_code, time.monotonic() - began


def is_back(gateway: Gateway, times: int) -> bool:
    """Whether the gateway noted as many times that Redis answers again."""
    return gateway.log().count("redis back") == times


def quickest(ask: Callable[[], httpx.Response]) -> float:
    """Seconds until the answer, which is no internal error; of up to `TRIES` until one is in time."""
    seconds = []
    for _ in range(TRIES):
        began = time.monotonic()
        answer = ask()
        seconds.append(time.monotonic() - began)
        assert answer.status_code != 500, answer.url
        assert "#missing_field" not in answer.text, f"refused before Redis is asked: {answer.url}"
        if seconds[-1] <= LONGEST_ANSWER:
            break
    return min(seconds)


def test_no_answer_waits_for_a_redis_that_hangs(
    own_gateway: Gateway, own_valkey: Valkey, message: str, figure: Figure
) -> None:
    body = {"connection": "shop", "to": "15550100003", "text": "while it hangs"}
    took: dict[str, float] = {}
    with Person(own_gateway, KEY) as person:
        own_valkey.signal(signal.SIGSTOP)
        try:
            own_gateway.until(lambda: "redis hangs" in own_gateway.log(), 20)
            with own_gateway.client(KEY, timeout=20) as caller:
                assert caller.post("/api/messages", json=body).status_code == 503
                away = caller.get("/health").json()
                for path in looks(message):
                    ask = partial(person.get, path, headers={"X-Api-Key": KEY})
                    took[f"GET {path}"] = quickest(ask)
                for method, path, example in changes(message):
                    ask = partial(caller.request, method, path, json=example)
                    took[f"{method} {path}"] = quickest(ask)
        finally:
            own_valkey.signal(signal.SIGCONT)
        slowest = max(took, key=lambda path: took[path])
        figure(f"Redis hung: {len(took)} answers, the slowest after {took[slowest] * 1000:.0f} ms")
    waited = {path: seconds for path, seconds in took.items() if seconds > LONGEST_ANSWER}
    assert (waited, len(took) > 80) == ({}, True)
    assert away["status"] != "healthy"
    own_gateway.until(lambda: "redis back" in own_gateway.log(), 20)
    shown = own_gateway.api.get(f"/api/messages/{message}")
    assert shown.json()["status"] in {"queued", "cancelled"}, "it was asked to be, among all else"


def test_no_answer_waits_for_a_redis_that_begins_to_hang(
    own_gateway: Gateway, own_valkey: Valkey, message: str, figure: Figure
) -> None:
    body = {"connection": "shop", "to": "15550100003", "text": "as it begins to hang"}
    headers = {"X-Api-Key": KEY}
    slowest = []
    with Person(own_gateway, KEY) as person, own_gateway.client(KEY, timeout=20) as caller:
        asks: tuple[Callable[[], httpx.Response], ...] = (
            partial(caller.get, f"/api/messages/{message}"),
            partial(caller.get, "/api/queue"),
            partial(person.get, "/console/queue", headers=headers),
            partial(caller.get, "/health"),
            partial(caller.post, "/api/messages", json=body),
        )
        for tried in range(1, TRIES + 1):
            own_valkey.signal(signal.SIGSTOP)
            try:
                with ThreadPoolExecutor(len(asks)) as threads:
                    asked = [threads.submit(timed, ask) for ask in asks]
                    answers, seconds = zip(*[each.result(20) for each in asked], strict=True)
            finally:
                own_valkey.signal(signal.SIGCONT)
            assert (answers[0], answers[1], answers[-1]) == (503, 503, 503)
            assert 500 not in answers
            own_gateway.until(partial(is_back, own_gateway, tried), 20)
            slowest.append(max(seconds))
            if slowest[-1] <= LONGEST_ANSWER:
                break
    figure(
        f"Redis begins to hang: the slowest of {len(asks)} answers after {min(slowest) * 1000:.0f} ms"
    )
    assert min(slowest) <= LONGEST_ANSWER
