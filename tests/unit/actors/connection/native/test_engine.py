"""The engine's announced version and its steps after a refusal, on scripted sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.connection import whatsapp_version
from actors.connection.disconnects.causes import Cause, Kind, from_failure
from actors.connection.engine import EngineEvents
from actors.connection.native.engine import NativeEngine
from actors.connection.native.transport.socket import Socket
from actors.connection.protocol.request_errors import ConnectionLost
from actors.connection.protocol.wire_format.nodes import parse, proto
from actors.connection.session.session import Session
from actors.connection.trace.recorder import Recorder
from actors.connection.whatsapp_version import BUILT_IN, NoVersion

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.connection.native.transport.noise import Login
    from actors.connection.protocol.wire_format.nodes import Node

NEWER = "2.3000.1999999999"


class RefusingSocket:
    """A socket that WhatsApp closes with this cause."""

    server_key = b"k" * 32

    def __init__(self, cause: Cause) -> None:
        self.cause = cause

    async def receive(self) -> Node:
        raise ConnectionLost(self.cause, written=True)

    async def close(self, cause: Cause) -> None:
        pass


class Made:
    """An engine, the versions of its logins, and the version that the page names."""

    def __init__(self, engine: NativeEngine) -> None:
        self.engine = engine
        self.cause = Cause(Kind.OUTDATED, "failure_405")
        self.announced: list[str] = []
        self.page: str | None = None
        self.asked = 0

    async def open(self, _: str, words: Login, *_more: object) -> RefusingSocket:
        version = parse(proto.ClientPayload, words.payload).userAgent.appVersion
        self.announced.append(f"{version.primary}.{version.secondary}.{version.tertiary}")
        return RefusingSocket(self.cause)

    def newest(self, *_: object) -> str:
        self.asked += 1
        if self.page is None:
            raise NoVersion("away")
        return self.page


@pytest.fixture
async def made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Made]:
    settings = resolve_settings(data=tmp_path, **getattr(request, "param", {}))
    engine = NativeEngine(
        settings,
        Session.open(tmp_path / "session.db", 1),
        EngineEvents(),
        recorder=Recorder(tmp_path / "trace.jsonl", "native"),
    )
    found = Made(engine)
    monkeypatch.setattr(Socket, "open", found.open)
    monkeypatch.setattr(whatsapp_version, "newest", found.newest)
    yield found
    await engine.close()


async def test_a_refused_version_is_looked_up_and_another_one_tried(made: Made) -> None:
    assert (await made.engine.run()).kind is Kind.OUTDATED
    assert made.asked == 2
    made.page = NEWER
    again = await made.engine.run()
    assert str(again) == "restart_required: another_version"
    assert (await made.engine.run()).kind is Kind.OUTDATED
    assert made.announced == [BUILT_IN, BUILT_IN, NEWER]


async def test_another_cause_asks_nothing(made: Made) -> None:
    made.page, made.cause = NEWER, Cause(Kind.BAD_SESSION)
    assert (await made.engine.run()).kind is Kind.BAD_SESSION
    assert (await made.engine.run()).kind is Kind.BAD_SESSION
    assert made.asked == 1


@pytest.mark.parametrize("made", [{"whatsapp_version": "2.3000.7"}], indirect=True)
async def test_a_version_that_is_set_is_refused_for_good(made: Made) -> None:
    made.page = NEWER
    assert (await made.engine.run()).kind is Kind.OUTDATED
    assert (made.announced, made.asked) == (["2.3000.7"], 0)


@pytest.mark.parametrize(
    ("reason", "kind", "kept"), [("403", Kind.LOCKED, True), ("406", Kind.LOGGED_OUT, False)]
)
async def test_a_locked_account_keeps_its_keys(
    made: Made, reason: str, kind: Kind, kept: bool
) -> None:
    made.cause = from_failure({"reason": reason}, 0.0)
    assert (await made.engine.run()).kind is kind
    assert (made.engine._session.credentials.read() is not None) is kept


async def test_an_engine_that_is_closed_waits_for_no_look_up(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking, never = asyncio.Event(), asyncio.Event()

    async def another(_: object) -> bool:
        asking.set()
        return await never.wait()

    monkeypatch.setattr(whatsapp_version.Versions, "another", another)
    running = asyncio.create_task(made.engine.run())
    async with asyncio.timeout(10):
        await asking.wait()
        await made.engine.close()
        assert (await running).kind is Kind.CLOSED
