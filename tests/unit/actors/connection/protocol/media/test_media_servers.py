"""Which media servers there are: asked once, for as long as WhatsApp's answer holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.protocol.media.media_servers import MediaServers, NoLink, connection
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.whatsmeow.media_queries import servers
from actors.connection.whatsmeow.program.frames import Frame

if TYPE_CHECKING:
    from actors.connection.whatsmeow.login_channel import Link


class Wire:
    """The link to the program, which has other words for each query."""

    def __init__(self) -> None:
        self.asked = 0

    async def call(self, do: str, **_: object) -> Frame:
        assert do == "media_hosts"
        await asyncio.sleep(0)
        self.asked += 1
        names = ["one.example", "two.example"]
        return Frame(
            {"hosts": names, "auth": f"word {self.asked}", "ttl": 300, "auth_ttl": 600}, b""
        )


def hosts() -> tuple[MediaServers, Wire]:
    made, wire = MediaServers(), Wire()
    made.attach(servers(cast("Link", wire)))
    return made, wire


async def test_who_asks_meanwhile_waits_for_the_same_answer() -> None:
    made, wire = hosts()
    found = await asyncio.gather(*(made.get() for _ in range(5)))
    assert len(set(found)) == wire.asked == 1
    made.attach(None)
    assert await made.get() == found[0], "it holds without a socket"


async def test_a_server_that_failed_comes_last() -> None:
    made, wire = hosts()
    await made.get()
    made.avoid("one.example")
    assert (await made.get()).hosts == ("two.example", "one.example")
    assert wire.asked == 1


async def test_who_is_not_let_in_asks_anew() -> None:
    made, wire = hosts()
    first = await made.get()
    made.refuse(first)
    second = await made.get()
    assert (second.auth, wire.asked) == ("word 2", 2)
    made.refuse(first)  # a late refusal
    assert await made.get() is second
    made.avoid("one.example")
    made.refuse(second)
    assert (await made.get()).auth == "word 3", "in whatever order they are tried"


async def test_without_a_socket_nobody_knows() -> None:
    with pytest.raises(NoLink):
        await MediaServers().get()


def test_it_holds_as_long_as_the_shorter_of_the_two() -> None:
    def until(*seconds: int | None, now: float = 0.0) -> float:
        return connection(["one.example"], "word", seconds, now).until

    assert until(300, 600, now=100.0) == 400.0
    assert until(0, None, now=100.0) == 130.0
    assert until(4_000_000_000, 4_000_000_000) == 86_400


def test_what_is_no_host_is_not_asked() -> None:
    listed = ["a/b", "127.0.0.1:4443", "x@y", "", "evil.example?x", "mmg.example"]
    assert connection(listed, "word", (), 0.0).hosts == ("127.0.0.1:4443", "mmg.example")


@pytest.mark.parametrize(
    ("listed", "auth"), [([], "word"), (["a/b"], "word"), (["one.example"], "")]
)
def test_an_answer_without_servers_is_none(listed: list[str], auth: str) -> None:
    with pytest.raises(RequestFailed):
        connection(listed, auth, (), 0.0)
