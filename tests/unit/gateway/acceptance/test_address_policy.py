"""Which addresses may be reached, however they are written and whatever a name leads to."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest

from actors.runtime.public_addresses import is_public
from gateway.acceptance.address_policy import Guarded, is_private_host
from gateway.webhooks.requests.body import DeliveryBody
from gateway.webhooks.requests.http_post import Poster
from tests import resets
from tests.integration.gateway.receiver import Receiver

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PUBLIC = ("93.184.216.34", "8.8.8.8", "2606:4700::1111")
PRIVATE = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "192.0.0.192",
    "192.88.99.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
)


@pytest.mark.parametrize("address", PUBLIC)
def test_public(address: str) -> None:
    assert is_public(address)
    assert not is_private_host(address)


@pytest.mark.parametrize("address", [*PRIVATE, "", "example.com", "127.0.0.1%lo"])
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host",
    [*PRIVATE, "localhost", "LOCALHOST.", "x.localhost", "127.1", "0x7f000001", "2130706433", "0"],
)
def test_a_host_that_is_private_on_its_face(host: str) -> None:
    assert is_private_host(host)


@pytest.mark.parametrize("host", ["example.com", "localhost.example.com", "a.b", "10.example.com"])
def test_a_name_says_nothing_by_itself(host: str) -> None:
    assert not is_private_host(host)


class Names:
    """Answers each question with the next of these; the last stays."""

    def __init__(self, *answers: list[str] | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        assert (host, port) == ("hook.example.com", self.port)
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    port = 0


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as started:
        started.secrets.append("whsec_" + "A" * 44)
        yield started


async def post(receiver: Receiver, names: Names, *, private: bool) -> int | str:
    names.port = receiver.port
    poster = Poster(Guarded(private=private, resolve=names))
    try:
        return await poster.post(
            f"http://hook.example.com:{receiver.port}/", DeliveryBody(b"{}"), []
        )
    finally:
        await poster.close()


async def test_a_name_that_leads_to_a_private_address_reaches_nothing(receiver: Receiver) -> None:
    names = Names(["127.0.0.1"])
    assert await post(receiver, names, private=False) == "private_address"
    assert (receiver.forged, names.asked) == (0, 1)
    # That there was something to reach: with the setting it is.
    assert await post(receiver, Names(["127.0.0.1"]), private=True) == 401
    assert receiver.forged == 1


async def test_one_private_address_among_public_ones_is_too_much(receiver: Receiver) -> None:
    names = Names(["93.184.216.34", "127.0.0.1"])
    assert await post(receiver, names, private=False) == "private_address"
    assert receiver.forged == 0


async def test_a_name_that_changes_is_asked_once_and_what_was_judged_is_reached(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: public when it is judged, private when it would be asked again."""
    monkeypatch.setattr(
        "gateway.acceptance.address_policy.is_public", lambda address: address == "127.0.0.1"
    )
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    assert await post(receiver, names, private=False) == 401
    assert names.asked == 1
    names = Names(["127.0.0.2"], ["127.0.0.1"])
    assert await post(receiver, names, private=False) == "private_address"
    assert names.asked == 1


async def test_what_does_not_answer_has_a_code(receiver: Receiver) -> None:
    assert await post(receiver, Names(OSError()), private=True) == "unknown_host"
    assert await post(receiver, Names([]), private=True) == "unknown_host"
    receiver.stop()
    assert await post(receiver, Names(["127.0.0.1"]), private=True) == "unreachable"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (b"", "malformed_answer"),
        (b"SSH-2.0-x\r\n", "malformed_answer"),
        (b"HTTP/1.1 302 x\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n", 302),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", 200),  # its status was said
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * 999_999, 200),
        (None, "timeout"),
    ],
    ids=["nothing", "another protocol", "redirect", "half", "long", "silence"],
)
async def test_odd_answers(answer: bytes | None, code: int | str) -> None:
    async with serving(answer, b"{}") as port:
        poster = Poster(Guarded(private=True), whole=0.5 if answer is None else 15.0)
        try:
            assert await poster.post(f"http://127.0.0.1:{port}/", DeliveryBody(b"{}"), []) == code
        finally:
            await poster.close()


async def test_an_answer_that_never_ends_is_what_its_status_says() -> None:
    """It arrived: repeating it for ever would hold up all events behind it."""
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"
    async with serving(begun, b"{}", leaves=False) as port:
        poster = Poster(Guarded(private=True), whole=0.5)
        try:
            assert await poster.post(f"http://127.0.0.1:{port}/", DeliveryBody(b"{}"), []) == 200
        finally:
            await poster.close()


async def test_an_answer_that_is_no_tls_has_an_error_of_its_own() -> None:
    async with serving(b"no TLS at all\r\n", b"\x16") as port:
        poster = Poster(Guarded(private=True))
        try:
            assert (
                await poster.post(f"https://127.0.0.1:{port}/", DeliveryBody(b"{}"), [])
                == "tls_failed"
            )
        finally:
            await poster.close()


@asynccontextmanager
async def serving(answer: bytes | None, after: bytes, *, leaves: bool = True) -> AsyncIterator[int]:
    """Answers once it read `after`, and `leaves` or waits until the caller does. Gives its port."""
    served = set[asyncio.Task[None]]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.add(task)
        with suppress(OSError):
            await reader.readuntil(after)
            writer.write(answer or b"")
            if answer is None or not leaves:
                await reader.read()
            writer.close()
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        if served:
            await asyncio.wait(served, timeout=5)


async def test_a_server_that_resets_at_once_is_unreachable() -> None:
    poster = Poster(Guarded(private=True))
    outcomes = await resets.asked(lambda url: poster.post(url, DeliveryBody(b"{}"), []))
    await poster.close()
    assert set(outcomes) <= {"unreachable", "malformed_answer"}
    assert "unreachable" in outcomes
