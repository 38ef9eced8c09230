"""Checks for `teimoso doctor` WhatsApp's reachability and clock, and the WhatsApp Web version of the next login."""

from __future__ import annotations

import asyncio
import ssl
import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from actors.connection import whatsapp_version
from actors.connection.disconnects.causes import Kind
from actors.connection.proxy import tunnel
from actors.connection.proxy.address import parse
from gateway.cli.doctor.check_result import ok, warn
from gateway.cli.doctor.checks.clocks import skew
from gateway.cli.doctor.checks.host_names import addresses_of

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from actors.connection.proxy.address import ProxyAddress
    from gateway.cli.doctor.check_result import CheckResult

WHATSAPP_REPLY_SECONDS = 5.0

PROXIES = {
    Kind.PROXY_UNREACHABLE: "see that the proxy of WHATSAPP_PROXY runs, and that it is reached from here",
    Kind.PROXY_AUTHENTICATION: "the user and the password in WHATSAPP_PROXY",
    Kind.PROXY_REFUSED: "have the proxy of WHATSAPP_PROXY let connections through to that host and port",
}
"""Remedies for a proxy that lets nothing through."""


async def whatsapp(settings: Settings) -> list[CheckResult]:
    """Whether the server is reached from here, whether its clock is ours, and what is announced."""
    parts = urlsplit(settings.whatsapp_url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    proxy = _proxy(settings)
    through = "" if proxy is None else f" through the proxy {proxy.shown}"
    try:
        async with asyncio.timeout(WHATSAPP_REPLY_SECONDS):
            reader, writer = await asyncio.open_connection(
                **await _way(host, port, proxy),
                ssl=context,
                server_hostname=host if secure else None,
            )
            writer.write(f"HEAD / HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            head = await reader.read(8192)
            writer.close()
    except tunnel.ProxyFailed as failed:
        sentence = f"{host}:{port} is not reached{through}: {failed.cause}"
        return [warn("whatsapp", sentence, PROXIES[failed.cause.kind])]
    except (OSError, TimeoutError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else type(error).__name__
        do = "the network, the name server or a firewall: it needs TCP and TLS to that port"
        return [warn("whatsapp", f"{host}:{port} is not reached from here{through}: {why}", do)]
    found = [ok("whatsapp", f"{host}:{port} is reached{through}")]
    at = _dated(head)
    wrong = None if at is None else skew("whatsapp clock", at)
    found += [] if wrong is None else [wrong]
    return [*found, await asyncio.to_thread(_version, settings)]


def _proxy(settings: Settings) -> ProxyAddress | None:
    of_all = settings.whatsapp_proxy
    return None if of_all is None else parse(of_all.get_secret_value())


async def _way(host: str, port: int, proxy: ProxyAddress | None) -> dict[str, Any]:
    if proxy is not None:
        return {"sock": await tunnel.connect(proxy, host, port)}
    address, *_ = await addresses_of(host, port)
    return {"host": address, "port": port}


def _version(settings: Settings) -> CheckResult:
    """The version of WhatsApp Web for the next login, and its end."""
    name, now = "whatsapp version", time.time()
    versions = whatsapp_version.read(settings.data / whatsapp_version.VERSION_FILE)
    announced, whence = settings.whatsapp_version, "set by WHATSAPP_VERSION"
    page = why = None
    if announced is None:
        try:
            until = time.monotonic() + WHATSAPP_REPLY_SECONDS
            page = whatsapp_version.newest(settings.whatsapp_url, until, _proxy(settings))
        except whatsapp_version.NoVersion as no:
            why = str(no)
        announced = versions.after_lookup(page, now).announced()
        whence = "as WhatsApp's page says"
    if (end := versions.ends.get(announced)) is not None:
        at = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        do = "a connection that is restarted announces a newer one"
        if settings.whatsapp_version is not None:
            do = "set WHATSAPP_VERSION to a newer one, or to nothing"
        return warn(name, f"{announced} ({whence}); WhatsApp accepts it until {at}", do)
    if why is not None:
        do = "HTTPS from here to that host, or a proxy in between; else set WHATSAPP_VERSION"
        return warn(name, f"WhatsApp's page names none ({why}); {announced} is announced", do)
    return ok(name, f"{announced}, {whence}")


def _dated(head: bytes) -> float | None:
    """The date header of an HTTP server's answer."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                return parsedate_to_datetime(value.decode("ascii").strip()).timestamp()
            except (ValueError, UnicodeError):
                return None
    return None
