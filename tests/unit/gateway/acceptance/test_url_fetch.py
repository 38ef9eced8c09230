"""URLs that may be fetched, and their addresses: a name whose address changes reaches nothing."""

# ruff: noqa: ARG002, ASYNC109
# The signatures are those of httpcore.

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.public_addresses import is_public
from gateway.acceptance.url_fetch import (
    DownloadTooLarge,
    UrlFetcher,
    UrlRefused,
    UrlUnreachable,
    checked,
)
from gateway.schemas.content.outbound_messages import URL

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

PUBLIC, OTHER = "93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 3\r\n\r\ntea"


class Network(httpcore.AsyncNetworkBackend):
    """A network in which every address answers; `reached` has those that were connected to."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = list(answers)
        self.reached: list[tuple[str, int]] = []
        self.asked: list[bytes] = []
        self.named: list[str | None] = []

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self.reached.append((host, port))
        if not self.answers:
            raise httpcore.ConnectError
        return Stream(self, self.answers.pop(0))

    async def sleep(self, seconds: float) -> None:
        raise AssertionError


class Stream(httpcore.AsyncNetworkStream):
    def __init__(self, network: Network, answer: bytes) -> None:
        self._network = network
        self._rest = answer

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        part, self._rest = self._rest[:max_bytes], self._rest[max_bytes:]
        return part

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._network.asked.append(buffer)

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        self._network.named.append(server_hostname)
        return self

    async def aclose(self) -> None:
        pass


class Names:
    """A name server whose answers follow one another."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append(host)
        return self.answers.pop(0)


async def fetch(url: str, names: Names, network: Network, *, private: bool = False) -> bytes:
    fetcher = UrlFetcher(private=private, resolve=names, network=network)
    async with fetcher.fetch(url, limit=100) as found:
        return b"".join([chunk async for chunk in found.chunks])


async def test_the_address_that_was_judged_is_the_one_that_is_reached() -> None:
    """DNS rebinding: the second answer would be private, and nobody asks for it."""
    names, network = Names([PUBLIC], ["127.0.0.1"]), Network(OK)
    assert await fetch("http://rebinds.example/x", names, network) == b"tea"
    assert network.reached == [(PUBLIC, 80)]
    assert names.asked == ["rebinds.example"]
    assert b"Host: rebinds.example\r\n" in network.asked[0]
    with pytest.raises(UrlRefused):
        await fetch("http://rebinds.example/x", names, network)
    assert network.reached == [(PUBLIC, 80)]


async def test_a_certificate_is_asked_of_the_name_and_not_of_the_address() -> None:
    network = Network(OK)
    assert await fetch("https://secure.example/x", Names([PUBLIC]), network) == b"tea"
    assert (network.reached, network.named) == ([(PUBLIC, 443)], ["secure.example"])


async def test_one_private_address_among_others_is_enough() -> None:
    network = Network(OK)
    with pytest.raises(UrlRefused):
        await fetch("http://mixed.example/", Names([PUBLIC, "10.0.0.1"]), network)
    assert network.reached == []
    assert await fetch("http://x.example/", Names(["10.0.0.1"]), network, private=True) == b"tea"


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    class Half(Network):
        async def connect_tcp(self, host: str, port: int, *more: Any, **named: Any) -> Any:
            if host == PUBLIC:
                self.reached.append((host, port))
                raise httpcore.ConnectError
            return await super().connect_tcp(host, port, *more, **named)

    network = Half(OK)
    assert await fetch("http://two.example/", Names([PUBLIC, OTHER]), network) == b"tea"
    assert network.reached == [(PUBLIC, 80), (OTHER, 80)]


async def test_a_redirect_is_judged_like_the_first() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://inside.example/\r\nContent-Length: 0\r\n\r\n"
    names, network = Names([PUBLIC], ["169.254.169.254"]), Network(moved, OK)
    with pytest.raises(UrlRefused):
        await fetch("http://outside.example/", names, network)
    assert network.reached == [(PUBLIC, 80)]
    assert names.asked == ["outside.example", "inside.example"]


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (b"", UrlUnreachable),
        (b"no HTTP\r\n\r\n", UrlUnreachable),
        (OK[:-1], UrlUnreachable),
        (OK.replace(b"200", b"404"), UrlUnreachable),
        (OK.replace(b"Content-Type: image/png", b"Content-Encoding: gzip"), UrlUnreachable),
        (OK.replace(b"Length: 3", b"Length: 101"), DownloadTooLarge),
        (b"HTTP/1.1 302 Found\r\nLocation: gopher://x/\r\n\r\n", UrlRefused),
        (b"HTTP/1.1 302 Found\r\nLocation: http://a:b@x/\r\n\r\n", UrlRefused),
    ],
)
async def test_answers_that_are_no_file(answer: bytes, raised: type[Exception]) -> None:
    with pytest.raises(raised):
        await fetch("http://a.example/", Names([PUBLIC], [PUBLIC]), Network(answer))


@pytest.mark.parametrize(
    "address", [PUBLIC, OTHER, "8.8.8.8", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_world(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.100.100.200"),
        *("169.254.169.254", "168.63.129.16", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1"),
        *("255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:db8::1"),
        *("2001::1", "fec0::1", "localhost", ""),
    ],
)
def test_addresses_that_are_not(address: str) -> None:
    assert not is_public(address)


@given(st.from_regex(URL, fullmatch=True).filter(str.isascii))
@settings(deadline=None)
def test_any_url_is_refused_or_asked_for_as_it_is(url: str) -> None:
    try:
        asked = checked(url)
    except UrlRefused:
        return
    assert asked.isascii()
    assert not set(asked) & set(" \r\n\t")
    httpcore.URL(asked)


@given(st.from_regex(URL, fullmatch=True).filter(str.isascii))
@settings(deadline=None)
async def test_no_url_breaks_anything(url: str) -> None:
    names, network = Names([PUBLIC]), Network(OK)
    try:
        await fetch(url, names, network)
    except (UrlRefused, UrlUnreachable):
        return
    assert [host for host, _ in network.reached] == [PUBLIC]
