"""Bodies: a name that is there twice is found, and one that stops coming is not waited for."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from gateway.http import body
from gateway.http.problems import Problem


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b'{"to":"a","to":"b"}', 1),
        (b'{"to":"a","\\u0074o":"b"}', 1),
        (b'{"to":"a","to":"a","text":"b"}', 2),
        (b'{"to":"a","text":"b:c","text":"b:c"}', 2),
        (b'{"a":{"b":1,"b":2}}', 1),
    ],
)
def test_a_name_that_is_there_twice_is_refused(content: bytes, fields: int) -> None:
    with pytest.raises(Problem) as refused:
        body.require_each_once(content, fields)
    assert refused.value.kind.code == "duplicate_field"


@pytest.mark.parametrize(
    ("content", "fields"),
    [
        (b"{}", 0),
        (b'{"to":"a","text":"b"}', 2),
        (b'{"to":"a","text":"at 10:30: \\"c\\":"}', 2),
        (b'{"a":{"b":1},"c":[{"b":1},{"b":2}]}', 2),
    ],
)
def test_names_that_differ_are_let_through(content: bytes, fields: int) -> None:
    body.require_each_once(content, fields)


def request(*messages: dict[str, Any]) -> Request:
    """One whose body comes in these messages, and then not at all."""
    waiting = list(messages)

    async def receive() -> dict[str, Any]:
        if not waiting:
            await asyncio.sleep(60)
        return waiting.pop(0)

    return Request({"type": "http", "headers": []}, receive)


def part(content: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": content, "more_body": more}


async def test_a_body_comes_as_it_arrives() -> None:
    whole = request(part(b"te"), part(b"a", more=False))
    assert b"".join([chunk async for chunk in body.chunks(whole)]) == b"tea"


async def test_a_body_that_stops_coming_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.05)
    chunks = body.chunks(request(part(b"te")))
    assert await anext(chunks) == b"te"
    with pytest.raises(Problem) as refused:
        await anext(chunks)
    assert refused.value.kind.code == "body_timeout"


@pytest.mark.parametrize(
    ("size", "waited", "left"),
    [
        (0, 0, body.BODY_SECONDS),
        (0, 15, body.BODY_SECONDS - 15),
        (100 * body.LEAST_RATE, 100, body.BODY_SECONDS),
        (100 * body.LEAST_RATE, 10, body.BODY_SECONDS),
        (100 * body.LEAST_RATE, 115, body.BODY_SECONDS - 15),
        (100 * body.LEAST_RATE, 100 + body.BODY_SECONDS, 0),
    ],
)
def test_an_upload_has_a_least_rate(size: int, waited: float, left: float) -> None:
    assert body.patience(size, waited) == left


async def test_a_body_that_comes_too_slowly_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of 1 000 pieces none is late by itself."""
    monkeypatch.setattr(body, "BODY_SECONDS", 1.0)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.01)
        return part(b"t")

    async def read() -> None:
        pieces = 0
        async for _ in body.chunks(Request({"type": "http", "headers": []}, receive)):
            pieces += 1
            assert pieces < 1000

    with pytest.raises(Problem) as refused:
        await read()
    assert refused.value.kind.code == "body_timeout"


async def test_the_time_of_its_reader_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 1.0)
    left = 4

    async def receive() -> dict[str, Any]:
        nonlocal left
        await asyncio.sleep(0.001)
        left -= 1
        return part(b"t", more=left > 0)

    came = b""
    async for chunk in body.chunks(Request({"type": "http", "headers": []}, receive)):
        came += chunk
        await asyncio.sleep(0.6)
    assert came == b"tttt"


async def test_a_body_that_breaks_off_is_none() -> None:
    chunks = body.chunks(request(part(b"te"), {"type": "http.disconnect"}))
    assert await anext(chunks) == b"te"
    with pytest.raises(ClientDisconnect):
        await anext(chunks)
