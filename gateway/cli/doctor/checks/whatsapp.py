"""WhatsApp: whether its server is reached from here, and has the same time."""

from __future__ import annotations

import asyncio
import ssl
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.cli.doctor.checks.clocks import skew
from gateway.cli.doctor.checks.names import addresses_of
from gateway.cli.doctor.finding import ok, warn

if TYPE_CHECKING:
    from actors.config.settings import Settings
    from gateway.cli.doctor.finding import Finding

ANSWER_SECONDS = 5.0


async def whatsapp(settings: Settings) -> list[Finding]:
    """Whether the server is reached from here, and whether its clock is ours."""
    parts = urlsplit(settings.whatsapp_url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    try:
        address, *_ = await addresses_of(host, port)
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if secure else None
            )
            writer.write(f"HEAD / HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode())
            head = await reader.read(8192)
            writer.close()
    except (OSError, TimeoutError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else type(error).__name__
        do = "the network, the name server or a firewall: it needs TCP and TLS to that port"
        return [warn("whatsapp", f"{host}:{port} is not reached from here: {why}", do)]
    found = [ok("whatsapp", f"{host}:{port} is reached")]
    at = _dated(head)
    wrong = None if at is None else skew("whatsapp clock", at)
    return found if wrong is None else [*found, wrong]


def _dated(head: bytes) -> float | None:
    """When an HTTP server says that it answered."""
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"date":
            try:
                return parsedate_to_datetime(value.decode("ascii").strip()).timestamp()
            except (ValueError, UnicodeError):
                return None
    return None
