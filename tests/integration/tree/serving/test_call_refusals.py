"""Calls are refused as the settings say, and each caller is written to once, whatever dies (G2, G3)."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from actors.connection.abilities import call_refusals
from actors.connection.abilities.port import Call
from actors.connection.engine import NotConnected, SendError
from actors.messages.content import Text
from actors.runtime.connection_options import ConnectionOptions
from tests.integration.tree.scripted import ScriptedEngine
from tests.waits import eventually

if TYPE_CHECKING:
    import pytest

    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey

CALLER = "15550100002@s.whatsapp.net"
SAID = "No calls here, please write."
REFUSES = ConnectionOptions(reject_calls=True, reject_calls_text=SAID)


def ring(id_: str = "A", *, ago: float = 0.0, group: str | None = None) -> Call:
    return Call(id_, CALLER, int(time.time() - ago), "offered", group=group)


class Phone(ScriptedEngine):
    """An engine that notes which calls it refused, and what was queued for their callers by then."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served
        self.refused: list[str] = []
        self.before: list[int] = []
        self.hangs = asyncio.Event()
        self.hung = False
        self.error: SendError | None = None

    async def reject_call(self, call: str) -> None:
        self.before.append(len(await queued(self._served)))
        if self.hung:
            self.hangs.set()
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.refused.append(call)


async def queued(served: Served) -> list[str]:
    """The texts that Redis has for the caller, each once, in whatever status."""
    found = []
    async for key in served.redis.scan_iter("*"):
        if await served.redis.type(key) in (b"hash", "hash"):
            fields = await served.redis.hgetall(key)
            texts = {each.decode() if isinstance(each, bytes) else each for each in fields.values()}
            found += [key] if SAID in texts or "another" in texts else []
    return found


async def phone(served: Served, options: ConnectionOptions = REFUSES, **more: object) -> Phone:
    served.engine = made = Phone(served)
    served.options = options
    for name, value in more.items():
        setattr(made, name, value)
    await served.begin()
    await served.state("open")
    return made


def sent(served: Served) -> list[tuple[str, object]]:
    return [(each.chat, each.content) for each in served.engine.sent]


async def refused(made: Phone, *ids: str) -> None:
    await eventually(f"{ids} are refused", lambda: tuple(made.refused) == ids, 10)


async def test_a_call_is_refused_and_its_caller_written_to_once(served: Served) -> None:
    made = await phone(served)
    call = ring()
    for each in (call, call, replace(call, state="ended")):
        await made.events.on_call(each)
    await refused(made, "A", "A")
    await eventually("it is sent", lambda: sent(served), 10)
    await asyncio.sleep(0.3)
    assert sent(served) == [(CALLER, Text(SAID))]
    assert made.before[0] == 1, "the text was on disk before the call was refused"
    await made.events.on_call(ring("B"))
    await eventually("another call, another text", lambda: len(sent(served)) == 2, 10)
    assert served.shelf.calls, "it is reported all the same"


async def test_settings_say_whether_and_what(served: Served) -> None:
    made = await phone(served, ConnectionOptions(reject_calls_text=SAID))
    await made.events.on_call(ring("off"))
    served.options = ConnectionOptions(reject_calls=True)
    await made.events.on_call(ring("no text"))
    await refused(made, "no text")
    served.options = REFUSES
    await made.events.on_call(ring("group", group="120363000000000001@g.us"))
    await made.events.on_call(ring("missed", ago=call_refusals.RINGS + 60))
    await made.events.on_call(ring("on"))
    await refused(made, "no text", "group", "on")
    await eventually("it is sent", lambda: sent(served), 10)
    await asyncio.sleep(0.3)
    assert sent(served) == [(CALLER, Text(SAID))]


async def test_g2_an_owner_that_dies_between_the_text_and_the_refusal(served: Served) -> None:
    """The call rings on; the next owner gets it again, refuses it, and sends no second text."""
    first = await phone(served, hung=True)
    call = ring()
    await first.events.on_call(call)
    await asyncio.wait_for(first.hangs.wait(), 10)
    assert (first.before, first.refused) == ([1], [])
    await eventually("it is sent", lambda: sent(served), 10)
    before = served.serving
    before.lose("lost")  # as of a process that is gone: nothing is finished
    await before.ended()
    second = await phone(served)
    await second.events.on_call(call)
    await refused(second, "A")
    served.options = replace(REFUSES, reject_calls_text="another")
    await second.events.on_call(call)
    await refused(second, "A", "A")
    await asyncio.sleep(0.3)
    assert (len(first.sent), sent(served)) == (1, [])
    assert len(await queued(served)) == 1


async def test_a_refusal_that_fails_breaks_nothing(served: Served) -> None:
    made = await phone(served, error=NotConnected())
    await made.events.on_call(ring())
    await eventually("it was tried", lambda: made.before, 10)
    made.error = SendError("unknown_call", permanent=True)
    await made.events.on_call(ring("B"))
    await eventually("it was tried", lambda: len(made.before) == 2, 10)
    made.error = None
    await made.events.on_call(ring("C"))
    await refused(made, "C")
    await eventually("all are sent", lambda: len(sent(served)) == 3, 10)


async def test_g11_while_redis_is_away_calls_are_refused_and_texts_follow(
    served_apart: Served, own_server: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = served_apart
    monkeypatch.setattr(Phone, "reject_call", _note)
    made = await phone(served)
    own_server.kill()
    await made.events.on_call(ring())
    await refused(made, "A")
    await made.events.on_call(ring("B"))
    await refused(made, "A", "B")
    assert sent(served) == []
    own_server.start()
    await eventually("both texts follow", lambda: len(sent(served)) == 2, 20)


async def _note(self: Phone, call: str) -> None:
    self.refused.append(call)
