"""Tunnels through real proxies: each way in which one lets nothing through has a cause."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from actors.connection.disconnects.causes import Kind as Cause
from actors.connection.disconnects.consequences import Reconnect, consequence
from actors.connection.protocol.media.http_client import HttpClient, ServerUnreachable
from actors.connection.proxy import tunnel
from actors.connection.proxy.address import parse
from actors.connection.whatsapp_version import NoVersion, newest
from tests.processes.proxy import HOST, KINDS, PASSWORD, USER, Proxy
from tests.unit.actors.connection.test_whatsapp_version import soon
from tests.whatsapp_page import PAGE, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.processes.proxy import Kind

pytestmark = pytest.mark.parametrize("kind", KINDS)


async def failed(proxy: Proxy, url: str | None = None) -> Cause:
    """The kind of cause with which no tunnel comes about."""
    with pytest.raises(tunnel.ProxyFailed) as failure:
        await tunnel.connect(parse(url or proxy.url), HOST, 9)
    assert isinstance(consequence(failure.value.cause), Reconnect)
    assert PASSWORD not in str(failure.value)
    assert failure.value.__cause__ is None
    return failure.value.cause.kind


async def test_the_proxy_resolves_the_name_and_carries_both_ways(kind: Kind) -> None:
    with Proxy(kind) as proxy, serving(page=PAGE) as server:
        port = int(server.url.rpartition(":")[2].split("/")[0])
        made = await tunnel.connect(parse(proxy.url), HOST, port)
        reader, writer = await asyncio.open_connection(sock=made)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert PAGE in await reader.read()
        writer.close()
        assert (proxy.tunnels, proxy.refused) == ([(HOST, port)], [])


async def test_a_proxy_without_a_password_needs_none(kind: Kind) -> None:
    with Proxy(kind, user=None) as proxy, serving(page=PAGE) as server:
        port = int(server.url.rpartition(":")[2].split("/")[0])
        (await tunnel.connect(parse(proxy.url), HOST, port)).close()
        assert proxy.tunnels == [(HOST, port)]


async def test_a_wrong_or_missing_password_is_a_cause_of_its_own(kind: Kind) -> None:
    with Proxy(kind) as proxy:
        for user, password in ((USER, "wrong"), ("nobody", PASSWORD), (None, "")):
            url = proxy.url_of(user, password)
            assert await failed(proxy, url) is Cause.PROXY_AUTHENTICATION
        assert proxy.refused == ["password"] * 3


async def test_a_proxy_that_lets_nobody_through_refuses(kind: Kind) -> None:
    with Proxy(kind) as proxy:
        proxy.refuses = True
        assert await failed(proxy) is Cause.PROXY_REFUSED
        assert proxy.refused == ["target"]


async def test_a_proxy_that_is_away_or_none_is_unreachable(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Proxy(kind) as proxy:
        monkeypatch.setattr(tunnel, "PROXY_CONNECT_SECONDS", 0.3)
        proxy.mute = True
        assert await failed(proxy) is Cause.PROXY_UNREACHABLE
        proxy.mute = False
        proxy.stop()
        assert await failed(proxy) is Cause.PROXY_UNREACHABLE
        assert await failed(proxy, f"{kind}://no-such-host.example:9") is Cause.PROXY_UNREACHABLE
    with socket.create_server(("127.0.0.1", 0)) as other:  # takes what comes, and hangs up
        port = other.getsockname()[1]

        def hang_up() -> None:
            other.accept()[0].close()

        hanging = asyncio.get_running_loop().run_in_executor(None, hang_up)
        assert await failed(proxy, f"{kind}://127.0.0.1:{port}") is Cause.PROXY_UNREACHABLE
        await hanging


async def test_the_page_with_the_version_is_read_through_the_proxy_alone(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # somebody else's
    with Proxy(kind) as proxy, serving(page=PAGE) as server:
        url = server.url.replace("127.0.0.1", HOST)
        found = await asyncio.to_thread(newest, url, soon(), parse(proxy.url))
        assert found == "2.3000.1999999999"
        assert [host for host, _ in proxy.tunnels] == [HOST, HOST]
        proxy.stop()
        asked = len(server.asked)
        with pytest.raises(NoVersion, match="proxy_unreachable: connect"):
            await asyncio.to_thread(newest, server.url, soon(), parse(proxy.url))
        assert len(server.asked) == asked, "not directly either"


async def test_files_pass_through_the_proxy_and_break_off_when_it_changes(kind: Kind) -> None:
    with Proxy(kind) as proxy, serving(page=PAGE + b"\0" + PAGE) as server:
        web, url = HttpClient(), server.url.replace("ws:", "http:").replace("/ws/chat", "/")
        named = url.replace("127.0.0.1", HOST)
        await web.use(parse(proxy.url))
        assert await read(web, named) == (200, PAGE + PAGE)
        assert proxy.tunnels[0][0] == HOST
        await web.use(None)
        with pytest.raises(ServerUnreachable):  # nobody else can resolve it
            await read(web, named)
        # One that is under way on another way breaks off, in the words of a network that broke.
        with pytest.raises(ServerUnreachable):
            await read(web, url, lambda: web.use(parse(proxy.url)))
        for wrong in (proxy.url_of(USER, "wrong"), f"{kind}://127.0.0.1:9"):
            await web.use(parse(wrong))
            with pytest.raises(ServerUnreachable) as failure:
                await read(web, url)
            assert "wrong" not in str(failure.value)
        await web.close()


async def read(
    web: HttpClient, url: str, between: Callable[[], Awaitable[None]] | None = None
) -> tuple[int, bytes]:
    """The answer; `between` comes between its status and its bytes."""
    async with web.get(url) as (status, chunks):
        if between is not None:
            await between()
        return status, b"".join([part async for part in chunks])


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_proxy_that_may_not_be_private_is_not_reached_at_such_an_address(
    kind: Kind, host: str
) -> None:
    with Proxy(kind) as proxy, serving(page=PAGE) as server:
        port = int(server.url.rpartition(":")[2].split("/")[0])
        guarded = parse(proxy.url.replace("127.0.0.1", host), private=False)
        with pytest.raises(tunnel.ProxyFailed) as failure:
            await tunnel.connect(guarded, HOST, port)
        with pytest.raises(tunnel.ProxyFailed) as blocking:
            await asyncio.to_thread(tunnel.connect_blocking, guarded, HOST, port, 5.0)
        async with httpx.AsyncClient(transport=tunnel.transport(guarded)) as client:
            with pytest.raises(tunnel.ProxyFailed) as asked:
                await client.get(f"http://{HOST}:{port}/")
        for each in (failure, blocking, asked):
            assert str(each.value.cause) == "proxy_private_address: connect"
        assert proxy.came == 0


async def test_a_name_is_asked_once_and_what_was_judged_is_reached(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding: public when it is judged, private when it would be asked again."""
    answers = ["9.9.9.9", "127.0.0.1"]

    def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return [(2, 1, 6, "", (answers.pop(0), 1))]

    reached: list[str] = []

    async def dial(self: object, *, sock: object, address: tuple[str, int]) -> None:
        reached.append(address[0])
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(asyncio.get_running_loop().__class__, "sock_connect", dial)
    with pytest.raises(tunnel.ProxyFailed):
        await tunnel.connect(parse(f"{kind}://proxy.example:1080", private=False), HOST, 9)
    assert (reached, answers) == (["9.9.9.9"], ["127.0.0.1"])
