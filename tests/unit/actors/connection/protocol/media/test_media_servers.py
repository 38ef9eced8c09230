"""Which media servers there are: asked once, for as long as WhatsApp's answer holds."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from actors.connection.native.media_queries import servers
from actors.connection.protocol.media.media_servers import MediaServers, NoLink, read
from actors.connection.protocol.request_errors import RequestFailed
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from actors.connection.native.transport.socket import Socket


def reply(*names: str, **attrs: str) -> Node:
    hosts = tuple(Node("host", {"hostname": name}) for name in names)
    given = {"auth": "word", "ttl": "300", "auth_ttl": "600", **attrs}
    return Node("iq", {}, (Node("media_conn", given, hosts),))


class Wire:
    def __init__(self) -> None:
        self.asked = 0

    async def request(self, node: Node) -> Node:
        assert (node.attrs["xmlns"], node.attrs["type"]) == ("w:m", "set")
        await asyncio.sleep(0)
        self.asked += 1
        return reply("one.example", "two.example", auth=f"word {self.asked}")


def hosts() -> tuple[MediaServers, Wire]:
    made, wire = MediaServers(), Wire()
    made.attach(servers(cast("Socket", wire)))
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
    assert read(reply("one.example"), 100.0).until == 400.0
    assert read(reply("one.example", ttl="0", auth_ttl=""), 100.0).until == 130.0
    assert read(reply("one.example", ttl="4000000000", auth_ttl="4000000000"), 0.0).until == 86_400


def test_what_is_no_host_is_not_asked() -> None:
    found = read(reply("a/b", "127.0.0.1:4443", "x@y", "", "evil.example?x", "mmg.example"), 0.0)
    assert found.hosts == ("127.0.0.1:4443", "mmg.example")


@pytest.mark.parametrize(
    "said", [Node("iq"), reply(), reply("a/b"), reply("one.example", auth=""), Node("iq", {}, b"x")]
)
def test_an_answer_without_servers_is_none(said: Node) -> None:
    with pytest.raises(RequestFailed):
        read(said, 0.0)
