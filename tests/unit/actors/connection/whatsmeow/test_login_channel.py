"""The link to the program, against a scripted other end of its pipe."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Cause, Kind
from actors.connection.protocol.request_errors import ConnectionLost, RequestFailed
from actors.connection.whatsmeow.login_channel import AnsweredByAnother, Link
from actors.connection.whatsmeow.program import frames
from actors.connection.whatsmeow.program.pipe import Pipe
from actors.connection.whatsmeow.request_pause import RequestPause

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from actors.connection.whatsmeow.program.frames import Frame

REMOVED = {
    "by": "stream_error",
    "attrs": {},
    "children": {"conflict": {"type": "device_removed"}},
}


class Other:
    """The program's end: it reads a request, and writes what the test has it say."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._arriving = frames.Frames()

    async def asked(self) -> int:
        """The number of the next request."""
        while True:
            for frame in self._arriving.take(await self._reader.read(4096)):
                number: int = frame.header["id"]
                return number

    def say(self, header: dict[str, Any]) -> None:
        self._writer.write(frames.encode(header, b""))

    def close(self) -> None:
        self._writer.close()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Link, Other]]:
    ours, theirs = socket.socketpair()
    other = Other(*await asyncio.open_connection(sock=theirs))

    async def on_request(number: int, do: str, frame: Frame) -> None:
        raise AssertionError(f"nothing is asked here: {do} {number} {frame}")

    async def on_event(event: str, frame: Frame) -> None:
        from actors.connection.whatsmeow.causes import from_ended

        assert event == "ended"
        link.fail(from_ended(frame.header, 0.0))

    pipe = Pipe(*await asyncio.open_connection(sock=ours), on_request=on_request, on_event=on_event)
    link = Link(pipe, RequestPause())
    reading = asyncio.ensure_future(pipe.run())
    yield link, other
    pipe.close()
    other.close()
    await reading


@pytest.mark.parametrize("code", ["disconnected", "not_connected"])
async def test_a_question_that_found_the_socket_gone_knows_why(
    ends: tuple[Link, Other], code: str
) -> None:
    """A device that was unlinked is not taken for a network that failed."""
    link, other = ends
    asking = asyncio.ensure_future(link.call("groups"))
    other.say({"id": await other.asked(), "error": {"code": code, "uncertain": True}})
    await asyncio.sleep(0.05)
    other.say({"event": "ended", **REMOVED})
    with pytest.raises(ConnectionLost) as caught:
        await asking
    assert caught.value.cause == Cause(Kind.LOGGED_OUT, "device_removed")
    assert caught.value.written
    with pytest.raises(ConnectionLost) as again:
        await link.call("groups")
    assert (again.value.cause, again.value.written) == (caught.value.cause, False)


async def test_a_refusal_of_whatsapp_ends_nothing(ends: tuple[Link, Other]) -> None:
    link, other = ends
    asking = asyncio.ensure_future(link.call("groups"))
    other.say({"id": await other.asked(), "error": {"code": "refused", "number": 403}})
    with pytest.raises(RequestFailed) as caught:
        await asking
    assert (caught.value.code, link.cause) == (403, None)


async def test_a_number_that_another_one_answers_comes_with_both_addresses(
    ends: tuple[Link, Other],
) -> None:
    link, other = ends
    sending = asyncio.ensure_future(link.post("send", lambda: 0.0, within=1.0))
    told = {"code": "other_number", "phone": "15550100001@s.whatsapp.net", "lid": "77@lid"}
    other.say({"id": await other.asked(), "error": told})
    with pytest.raises(AnsweredByAnother) as caught:
        await sending
    found = caught.value
    assert (found.phone, found.lid) == (told["phone"], told["lid"])
    assert (found.permanent, found.uncertain) == (False, False)


async def test_a_program_that_died_is_the_network(ends: tuple[Link, Other]) -> None:
    link, other = ends
    asking = asyncio.ensure_future(link.call("groups"))
    await other.asked()
    other.close()
    with pytest.raises(ConnectionLost) as caught:
        await asking
    assert (caught.value.cause, caught.value.written) == (
        Cause(Kind.NETWORK, "program_lost"),
        True,
    )


async def test_a_question_of_a_program_that_died_knows_that(ends: tuple[Link, Other]) -> None:
    """Its process is seen to be over a moment after its pipe."""
    link, other = ends
    asking = asyncio.ensure_future(link.call("groups"))
    await other.asked()
    other.close()
    asyncio.get_running_loop().call_later(0.05, link.fail, Cause(Kind.NETWORK, "program_died"))
    with pytest.raises(ConnectionLost) as caught:
        await asking
    assert caught.value.cause == Cause(Kind.NETWORK, "program_died")
