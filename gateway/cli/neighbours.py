"""What an instance needs that is somewhere else: Redis, the state store, the bucket, WhatsApp."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
import threading
import time
from contextlib import suppress
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from redis.exceptions import ResponseError

from actors.connection.vault.bucket import BucketAway, Conflict
from actors.connection.vault.keyring import WrongKey
from actors.connection.vault.opening import open_bucket, open_vault
from actors.redis.client import RedisAway, connect, durability, reach
from actors.state.documents import API_KEYS, StoreAway, open_documents
from actors.state.webhooks import Webhooks
from gateway import keys
from gateway.cli.finding import fail, ok, warn
from gateway.reach import is_private_host, is_public
from supervision.jobs.copies import verified

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from actors.settings import Settings
    from actors.state.documents import Documents
    from actors.state.webhooks import Webhook
    from gateway.cli.finding import Finding

SKEW = 30.0
"""Seconds by which clocks may disagree: what others signed is refused beyond minutes."""
PROBE = "probe/doctor"
TRIED = 3
"""Connections whose newest copies are opened, to see whether the key is theirs."""
NAME_SECONDS, ANSWER_SECONDS = 3.0, 5.0


async def redis(settings: Settings) -> list[Finding]:
    client = connect(settings)
    where = _where(settings)
    try:
        async with reach():
            begun = time.perf_counter()
            await client.ping()
            took = (time.perf_counter() - begun) * 1000
            seconds, microseconds = await client.time()
            held = await _held(client)
        durable = await durability(client)
    except RedisAway as away:
        if str(away) == "AuthenticationError":
            return [
                fail(
                    "redis",
                    f"{where} does not take the password",
                    "set REDIS_PASSWORD, or the one in REDIS_URL, to the server's `requirepass`",
                )
            ]
        return [
            fail(
                "redis",
                f"{where} does not answer",
                "start it (`redis-cli -h HOST -p PORT ping`), or correct REDIS_URL or REDIS_HOST;"
                " its `bind` and a firewall may keep this machine out",
            )
        ]
    finally:
        await client.aclose()
    found = [ok("redis", f"{where} answers within {took:.1f} ms{held}")]
    if (skew := _skew("redis clock", seconds + microseconds / 1e6)) is not None:
        found.append(skew)
    if durable.reason is None:
        kept = "what is accepted is on disk before the answer (G1)"
        return [*found, ok("durability", kept)]
    unknown = None in {durable.appendonly, durable.appendfsync, durable.maxmemory_policy}
    told = warn if unknown else fail
    do = "`CONFIG SET appendonly yes`, `appendfsync always`, `maxmemory-policy noeviction`, and the same in its file"
    return [*found, told("durability", durable.reason, do)]


async def _held(client: Redis) -> str:
    """How much it holds in memory, as a part of a sentence; nothing where it does not tell."""
    try:
        told: Any = await client.info("memory")
    except ResponseError:
        return ""
    most = f" of {told['maxmemory_human']}" if told.get("maxmemory") else ""
    return f" and holds {told['used_memory_human']}{most}"


async def store(settings: Settings) -> list[Finding]:
    """The state store, and of what is in it what keeps callers out: keys and webhooks."""
    if not settings.on_firestore and not settings.state_file.exists():
        return []  # the first start makes it
    documents = open_documents(settings)
    try:
        return [
            await _answers(settings, documents),
            await _keys(settings, documents),
            *await _webhooks(settings, documents),
        ]
    except StoreAway as away:
        return [_away(settings, str(away))]
    finally:
        await documents.close()


async def bucket(settings: Settings) -> list[Finding]:
    """Whether copies can be written there, and opened again."""
    place = settings.bucket_directory
    if place is not None and not place.exists() and not settings.state_file.exists():
        return [ok("bucket", f"{place} is made by the first start")]
    reached = open_bucket(settings)
    try:
        await reached.list("probe/")
        with suppress(Conflict):  # what is left of a doctor who was killed
            await reached.write(PROBE, b"teimoso doctor")
        await reached.delete(PROBE)
    except BucketAway as away:
        return [fail("bucket", f"it does not answer: {away.reason}", _remedy(away.reason))]
    good = ok("bucket", "it is written and read; `teimoso backup verify` reads all that is in it")
    return [good, await _opens(settings)]


async def whatsapp(settings: Settings) -> list[Finding]:
    """Whether the server is reached from here, and whether its clock is ours."""
    parts = urlsplit(settings.whatsapp_url)
    host, secure = parts.hostname or "", parts.scheme == "wss"
    port = parts.port or (443 if secure else 80)
    context = ssl.create_default_context() if secure else None
    try:
        address, *_ = await _addresses(host, port)
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
    skew = None if at is None else _skew("whatsapp clock", at)
    return found if skew is None else [*found, skew]


async def _answers(settings: Settings, documents: Documents) -> Finding:
    await documents.query(API_KEYS, limit=1)
    return ok("state store", f"{settings.state_store} answers")


def _away(settings: Settings, reason: str) -> Finding:
    if settings.firestore_emulator_host is not None:
        do = "start the emulator, or take FIRESTORE_EMULATOR_HOST away"
    elif settings.on_firestore:
        do = (
            "GOOGLE_APPLICATION_CREDENTIALS names a service account with roles/datastore.user of"
            " GOOGLE_CLOUD_PROJECT, whose FIRESTORE_DATABASE exists"
        )
    else:
        do = "see that the file is whole and can be written; a disk that is full or hangs is away"
    return fail("state store", f"{settings.state_store} does not answer: {reason}", do)


async def _keys(settings: Settings, documents: Documents) -> Finding:
    there = {key["hash"] for key in (await documents.query(API_KEYS)).items}
    given = settings.teimoso_api_key
    make = "`teimoso keys create NAME` makes one"
    if not there:
        return fail("api keys", "there is none, so nobody gets in", make)
    if given is not None and keys.digest(given.get_secret_value()) not in there:
        return fail(
            "api keys", "TEIMOSO_API_KEY is none of this instance's", f"set another one; {make}"
        )
    return ok("api keys", f"{len(there)}")


async def _webhooks(settings: Settings, documents: Documents) -> list[Finding]:
    if settings.webhook_url_private:
        return []
    found = await asyncio.gather(*(_webhook(one) for one in await Webhooks(documents).list()))
    return [one for one in found if one is not None]


async def _webhook(webhook: Webhook) -> Finding | None:
    parts = urlsplit(webhook.url)
    host = parts.hostname or ""
    do = "give it a public address, or set WEBHOOK_URL_PRIVATE=true"
    if is_private_host(host):
        return fail("webhook", f"{webhook.id} leads to {host}, a private address", do)
    try:
        addresses = await _addresses(host, parts.port or 443)
    except (OSError, UnicodeError, TimeoutError):
        return warn("webhook", f"{webhook.id}: {host} has no address here", "correct its URL")
    if not all(map(is_public, addresses)):
        return fail("webhook", f"{webhook.id}: {host} has a private address", do)
    return None


async def _addresses(host: str, port: int) -> list[str]:
    """The addresses of a host. Raises OSError, UnicodeError or, in time, TimeoutError.

    A name server that is away holds up its thread for a minute, and nobody may wait for that one.
    """
    found: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def settle(addresses: list[str] | None, error: Exception | None) -> None:
        if found.done():
            return
        if error is not None:
            found.set_exception(error)
        else:
            found.set_result(addresses or [])

    def ask() -> None:
        addresses, failure = None, None
        try:
            asked = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = [str(address[0]) for *_, address in asked]
        except (OSError, UnicodeError) as error:
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=ask, daemon=True).start()
    async with asyncio.timeout(NAME_SECONDS):
        return await found


async def _opens(settings: Settings) -> Finding:
    vault = open_vault(settings, open_bucket(settings))
    newest = {copy.connection: copy for copy in await vault.copies()}
    with tempfile.TemporaryDirectory(prefix="teimoso-doctor-") as scratch:
        for copy in list(newest.values())[:TRIED]:
            try:
                found = await verified(vault, copy, Path(scratch))
            except BucketAway as away:
                return fail("bucket", f"it stopped to answer: {away.reason}", _remedy(away.reason))
            if not found["ok"]:
                do = (
                    "put the former key behind the new one, with a comma; without it they are lost"
                    if found["code"] == WrongKey.code
                    else f"`teimoso backup verify {copy.connection} --all` says which others are whole"
                )
                return fail("session key", f"the copy of {copy.connection}: {found['why']}", do)
    return ok("session key", f"it opens the copies of {min(TRIED, len(newest))} connections")


def _remedy(reason: str) -> str:
    remedies = {
        "no_such_bucket": "make it, or correct STORAGE_BUCKET",
        "ENOENT": "mount it, or correct STORAGE_BUCKET",
        "ENOTDIR": "STORAGE_BUCKET names a file: name a directory",
        "Forbidden": "its service account needs roles/storage.objectAdmin on it",
        "EACCES": "let whoever runs the service write there",
        "EROFS": "let whoever runs the service write there",
        "DefaultCredentialsError": "GOOGLE_APPLICATION_CREDENTIALS names a service account's file",
    }
    return remedies.get(reason, "the network, STORAGE_BUCKET, and Google's status page")


def _skew(check: str, theirs: float) -> Finding | None:
    ahead = time.time() - theirs
    if abs(ahead) <= SKEW:
        return None
    direction = "ahead of" if ahead > 0 else "behind"
    return fail(
        check,
        f"this machine's clock is {abs(ahead):.0f} s {direction} theirs",
        "set the wrong one of the two: `timedatectl set-ntp true`",
    )


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


def _where(settings: Settings) -> str:
    """The server as a person may know it: without the password."""
    if settings.redis_url is None:
        return f"{settings.redis_host or '127.0.0.1'}:{settings.redis_port}"
    parts = urlsplit(settings.redis_url.get_secret_value())
    return parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}"
