"""Connections through a proxy, with a real one of each kind: all that they do, and no way around it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import SendRequest
from actors.connection.proxy.address import parse
from actors.connection.whatsapp_version import VERSION_FILE
from actors.messages.content import Document, pack
from tests.integration.engine.media.test_media import arrived, became, kept, says
from tests.integration.engine.simulated import (
    ACCOUNT,
    CONTACT,
    PATIENCE,
    ROOT,
    Device,
    Simulator,
    chat,
    device,
    message_id,
    pair,
    prepare,
    until,
)
from tests.processes.proxy import HOST, KINDS, USER, Proxy
from tests.processes.tracing import STRACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.processes.proxy import Kind as ProxyKind

CHILD = Path(__file__).with_name("proxied_child.py")


def beyond(simulator: Simulator) -> str:
    """The server under a name that the proxy alone can resolve."""
    return simulator.ws_url.replace("127.0.0.1", HOST)


@asynccontextmanager
async def proxied(
    kind: ProxyKind, simulator: Simulator, tmp_path: Path
) -> AsyncIterator[tuple[Proxy, Device]]:
    """A paired device behind a proxy; the server has an address that only the proxy reaches."""
    with Proxy(kind) as proxy:
        url = beyond(simulator)
        async with device(simulator, tmp_path, proxy=proxy.url, whatsapp_url=url) as phone:
            await pair(simulator, phone)
            yield proxy, phone


async def talk(simulator: Simulator, phone: Device, number: int) -> None:
    """One text each way."""
    await phone.send(number, f"out {number}")
    await arrived(simulator, message_id(number))
    await simulator.say(CONTACT, ACCOUNT, f"in {number}")

    async def here() -> bool:
        return f"in {number}" in [one.text for one in await phone.messages()]

    await until(here)


@pytest.mark.parametrize("kind", KINDS)
async def test_pairing_texts_and_files_both_ways(
    kind: ProxyKind, simulator: Simulator, tmp_path: Path
) -> None:
    async with proxied(kind, simulator, tmp_path) as (proxy, phone):
        await talk(simulator, phone, 1)
        sockets = len(proxy.tunnels)
        assert {host for host, _ in proxy.tunnels} == {HOST}
        data = secrets.token_bytes(300_000)
        assert (await became(phone, await says(simulator, phone, "image", data))).error is None
        fetched = proxy.tunnels[sockets:]
        assert len(fetched) == 1, "the media server"
        file = Document(await kept(tmp_path, data, "application/pdf"))
        before = proxy.carried
        await phone.engine.send(SendRequest(message_id(9), chat(CONTACT), file))
        await arrived(simulator, message_id(9))
        assert proxy.carried - before > 300_000
        assert set(proxy.tunnels[sockets:]) == set(fetched)
    assert proxy.refused == []


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_dies_and_comes_back(
    kind: ProxyKind, simulator: Simulator, tmp_path: Path
) -> None:
    async with proxied(kind, simulator, tmp_path) as (proxy, phone):
        phone.causes.clear()
        proxy.stop()
        assert proxy.open == 0
        await until(lambda: len(phone.causes) > 2)
        first, *others = phone.causes
        assert first.kind is Kind.NETWORK
        assert {str(each) for each in others} == {"proxy_unreachable: connect"}
        proxy.start()
        await asyncio.wait_for(phone.opened.wait(), PATIENCE)
        await talk(simulator, phone, 1)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_that_refuses_is_the_cause_and_is_never_bypassed(
    kind: ProxyKind,
    simulator: Simulator,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Though the server could be reached directly."""
    with Proxy(kind) as proxy:
        wrong = proxy.url_of(USER, "n0t-the-passw0rd")
        async with device(simulator, tmp_path, proxy=wrong) as phone:
            await until(lambda: len(phone.causes) > 1)
            proxy.refuses = True
            await phone.engine.use_proxy(parse(proxy.url))
            await until(lambda: Kind.PROXY_REFUSED in {each.kind for each in phone.causes})
            assert not phone.opened.is_set()
            assert phone.qrs.empty()
            proxy.refuses = False
            await pair(simulator, phone)
    kinds = list(dict.fromkeys(each.kind for each in phone.causes))
    assert kinds[0] is Kind.PROXY_AUTHENTICATION
    assert Kind.PROXY_REFUSED in kinds
    assert {"password", "target"} == set(proxy.refused)
    assert "n0t-the-passw0rd" not in caplog.text
    assert "n0t-the-passw0rd" not in repr([vars(phone.engine), phone.causes])


@pytest.mark.parametrize("kind", KINDS)
async def test_a_proxy_at_a_private_address_that_it_may_not_have_is_never_reached(
    kind: ProxyKind, simulator: Simulator, tmp_path: Path
) -> None:
    with Proxy(kind) as proxy, Proxy(kind) as other:
        async with device(simulator, tmp_path, proxy=other.url) as phone:
            await pair(simulator, phone)
            phone.causes.clear()
            await phone.engine.use_proxy(parse(proxy.url, private=False))
            await until(lambda: len(phone.causes) > 2)
            assert {str(each) for each in phone.causes[1:]} == {"proxy_private_address: connect"}
            assert proxy.came == 0
            phone.opened.clear()
            await phone.engine.use_proxy(parse(proxy.url))
            await asyncio.wait_for(phone.opened.wait(), PATIENCE)
            assert proxy.came > 0


async def test_another_proxy_while_it_runs(simulator: Simulator, tmp_path: Path) -> None:
    """From none to one, to another kind, and back: each time the old way carries nothing more."""
    with Proxy("http") as first, Proxy("socks5") as second:
        async with device(simulator, tmp_path) as phone:
            await pair(simulator, phone)
            await talk(simulator, phone, 1)
            assert (first.came, second.came) == (0, 0)
            for number, way in enumerate((first, second, None), 2):
                phone.causes.clear()
                phone.opened.clear()
                await phone.engine.use_proxy(None if way is None else parse(way.url))
                await asyncio.wait_for(phone.opened.wait(), PATIENCE)
                assert [str(each) for each in phone.causes] == ["restart_required: proxy_changed"]
                carried = first.carried, second.carried
                await talk(simulator, phone, number)
                grew = first.carried > carried[0], second.carried > carried[1]
                assert grew == (way is first, way is second)
            await phone.engine.use_proxy(None)
            await talk(simulator, phone, 9)
            assert len(phone.causes) == 1, "the same again is no change"


async def test_a_change_reaches_a_login_that_is_under_way(
    simulator: Simulator, tmp_path: Path
) -> None:
    with Proxy("http") as silent, Proxy("socks5") as proxy:
        silent.mute = True
        async with device(
            simulator,
            tmp_path,
            proxy=silent.url,
            whatsapp_version="2.3000.1050000000",
        ) as phone:
            await until(lambda: silent.came > 0)
            async with asyncio.timeout(5):
                await phone.engine.use_proxy(parse(proxy.url))
                await pair(simulator, phone)
        assert silent.tunnels == []


@pytest.mark.skipif(STRACE is None, reason="no strace here: its connections cannot be counted")
@pytest.mark.parametrize("kind", [*KINDS, None])
async def test_every_connection_of_the_process_goes_to_the_proxy(
    kind: ProxyKind | None, simulator: Simulator, tmp_path: Path
) -> None:
    """Counted in the kernel's calls: a login, a file each way. Without a proxy none does."""
    await prepare(simulator, tmp_path, talked=True)
    data = secrets.token_bytes(10_000)
    file = Document(await kept(tmp_path, data, "application/pdf"))
    await simulator.says(CONTACT, ACCOUNT, type="document", size=1000)
    (tmp_path / VERSION_FILE).unlink()  # the page is read again
    trace = tmp_path / "connects"
    with Proxy(kind or "http") as proxy:
        asked = {
            "settings": {
                "data": str(tmp_path),
                "whatsapp_url": simulator.ws_url,
                "whatsapp_root_key": simulator.root_key,
                "whatsapp_media_authority": simulator.media_authority,
            },
            "directory": str(tmp_path),
            "epoch": 2,
            "chat": chat(CONTACT),
            "content": pack(file),
            "proxy": None if kind is None else proxy.url,
        }
        strace = [
            str(STRACE),
            "-f",
            "--seccomp-bpf",
            "-o",
            str(trace),
            "-e",
            "trace=connect,sendto,sendmsg",
        ]
        done = await asyncio.to_thread(
            subprocess.run,
            [*strace, sys.executable, str(CHILD), json.dumps(asked)],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
    assert done.stdout.split() == ["opened", "done"], done.stderr
    calls = re.findall(r"sa_family=AF_INET6?, sin6?_port=htons\((\d+)\)", trace.read_text())
    to_proxy = [each for each in calls if int(each) == proxy.port]
    print(f"{kind}: {len(calls)} connections, {len(to_proxy)} of them to the proxy")
    assert len(calls) >= 3, "the page, the socket, the media server"
    assert to_proxy == ([] if kind is None else calls)
    assert len(proxy.tunnels) == len(to_proxy)
