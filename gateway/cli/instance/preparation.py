"""Validates settings, ports, disk and Redis before a start; creates data directory and API key; starts the keeper."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import subprocess
import tempfile
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dotenv.parser import parse_stream

from actors.config.sections.bucket_address import directory_of
from actors.config.settings import InvalidSettings, Settings
from actors.runtime.private_directory import make_private
from actors.state.caches.local_copies import copy_of
from actors.state.documents import API_KEYS, StoreAway
from actors.state.open_store import open_documents
from gateway.cli.instance import missing_extras
from gateway.http import api_keys
from supervision.keeper import process
from supervision.keeper.manifest import Plan
from supervision.keeper.parts import ports, python_module
from supervision.keeper.parts.process_specs import PROCESSES
from supervision.reports import process_files

if TYPE_CHECKING:
    from dotenv.parser import Binding


ROOM = 1_048_576  # bytes that a start takes on the disk at least


class CannotStart(Exception):
    """An instance cannot start; the message is the reason, a sentence for a person."""


@dataclass(frozen=True)
class Wish:
    """The flags of `teimoso up`; ``None`` keeps the value of the last time."""

    simulate: bool | None = None
    port: int | None = None
    control_port: int | None = None
    settings_file: Path | None = None


def make_directory(data: Path) -> bool:
    """Make the data directory private, and see that it can be written; whether it is new.

    Raises `CannotStart`.
    """
    try:
        os.umask(0o077)
        new = not data.is_dir()
        make_private(data)
        with tempfile.NamedTemporaryFile(dir=data):
            return new
    except OSError as error:
        raise _unwritable(data, error) from None


def check_room(data: Path) -> None:
    """Refuse a full disk, on which a file can be made but not filled; raises `CannotStart`."""
    try:
        with tempfile.NamedTemporaryFile(dir=data) as probe:
            probe.write(bytes(ROOM))
            probe.flush()
    except OSError as error:
        raise _unwritable(data, error) from None


def check_authorities(data: Path) -> None:
    """Refuse an SSL_CERT_FILE without a certificate that can be read; raises `CannotStart`.

    Processes read it at their first HTTPS request alone, a webhook's of tomorrow maybe. They run in the
    data directory, from where a relative path counts.
    """
    name = os.environ.get("SSL_CERT_FILE")
    if not name:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=data.absolute() / name)
    except ssl.SSLError:
        raise CannotStart(f"SSL_CERT_FILE, {name}, has no certificates in PEM.") from None
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotStart(f"SSL_CERT_FILE, {name}, cannot be read: {reason}.") from None


def check_redis(settings: Settings) -> None:
    """Refuse a Redis that cannot be used; one that is away may come back. Raises `CannotStart`."""
    if settings.redis_url is None and settings.redis_host is None:
        return
    from actors.redis.client import RedisAway, connect, is_cluster  # noqa: PLC0415 - heavy, used once

    async def look() -> bool:
        client = connect(settings)
        try:
            return await is_cluster(client)
        except RedisAway:
            return False
        finally:
            await client.aclose()

    if asyncio.run(look()):
        name = "REDIS_HOST" if settings.redis_url is None else "REDIS_URL"
        raise CannotStart(
            f"{name} names a server that is a node of a Redis Cluster: name a single primary,"
            " which may have replicas."
        )


def make_bucket(settings: Settings) -> None:
    """Make directories that are to be the bucket, or the target of backups, from now on; raises `CannotStart`.

    One that was it before and is not there is a disk that is not mounted: it is away.
    """
    before = _settings_before(settings.data)
    for name in ("storage_bucket", "backup_target"):
        address = getattr(settings, name)
        if address is None or getattr(before, name, None) == address:
            continue
        if (bucket := directory_of(address)) is None:
            continue
        try:
            bucket.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=bucket, prefix=".tmp-"):
                pass
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise CannotStart(f"{name.upper()}, {bucket}, cannot be written: {reason}.") from None


def _settings_before(data: Path) -> Settings | None:
    try:
        return Settings.load(data)
    except (OSError, ValueError):
        return None


def _unwritable(data: Path, error: OSError) -> CannotStart:
    reason = error.strerror or type(error).__name__
    return CannotStart(f"The data directory {data} cannot be written: {reason}.")


def exists(path: Path) -> bool:
    """Whether it is there; a file that may not be looked at is not."""
    try:
        return path.exists()
    except OSError:
        return False


def could_be_made(data: Path) -> str | None:
    """The reason for which a missing data directory cannot be made; it is missing afterwards, too."""
    there = next(parent for parent in data.parents if exists(parent))
    place = there / data.relative_to(there).parts[0]
    try:
        place.mkdir()
    except OSError as error:
        return f"{data} cannot be made: {error.strerror or type(error).__name__}"
    place.rmdir()
    return None


def wanted(data: Path, wish: Wish, stored: Plan | None) -> tuple[Settings, Plan]:
    """Settings and plan of the next start; raises `CannotStart` with what is wrong.

    A setting without a value in flags, environment and settings file stays as `stored` has it.
    """
    from actors.config.sources import (  # noqa: PLC0415 - heavy, used once
        check_environment,
        resolve_settings,
    )

    file = wish.settings_file
    if file is None and stored is not None and stored.settings_file is not None:
        file = Path(stored.settings_file)
    try:
        check_environment(os.environ)
        if file is not None:
            _check_lines(file)
        settings = resolve_settings(file, data=data, port=wish.port)
        if settings.teimoso_api_key is not None:
            api_keys.check(settings.teimoso_api_key.get_secret_value())
    except InvalidSettings as error:
        raise CannotStart(str(error)) from None
    except api_keys.InvalidKey as error:
        raise CannotStart(f"TEIMOSO_API_KEY is not valid: {error}") from None
    plan = stored or Plan(port=settings.port)
    if "port" in settings.model_fields_set or stored is None:
        plan = replace(plan, port=settings.port)
    if plan.port == 0:
        plan = replace(plan, port=_any_port(data))
    settings = settings.model_copy(update={"port": plan.port})
    valkey = settings.redis_url is None and settings.redis_host is None
    if valkey and not _is_here(settings.ray_address):
        raise CannotStart(
            "RAY_ADDRESS names a cluster whose hosts cannot reach the Valkey that would be started"
            " here: name a Redis that all of them reach in REDIS_URL or REDIS_HOST."
        )
    plan = replace(
        plan,
        simulate=plan.simulate if wish.simulate is None else wish.simulate,
        control_port=plan.control_port if wish.control_port is None else wish.control_port,
        valkey=valkey,
        ray=settings.ray_address is None,
        settings_file=None if file is None else str(file.absolute()),
    )
    if (missing := missing_extras.missing(settings, plan)) is not None:
        raise CannotStart(str(missing))
    return settings, plan


def _is_here(ray: str | None) -> bool:
    """Whether this is every host of the Ray cluster: its own one, or one on loopback."""
    host = "localhost" if ray is None else urlsplit(f"//{ray}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_lines(file: Path) -> None:
    """Refuse a settings file of which a line would be passed over; raises `CannotStart`."""
    try:
        # A pipe would be waited for, and a device may never end.
        if file.exists() and not file.is_file() and not file.is_dir():
            raise CannotStart(f"The settings file {file} is not a regular file.")
        with file.open(encoding="utf-8") as stream:
            bindings = list(parse_stream(stream))
    except FileNotFoundError:
        raise CannotStart(f"The settings file {file} does not exist.") from None
    except UnicodeDecodeError:
        raise CannotStart(f"The settings file {file} is not text in UTF-8.") from None
    except OSError as error:
        raise CannotStart(f"The settings file {file} cannot be read: {error.strerror}.") from None
    given: dict[str, int] = {}
    for binding in bindings:
        if binding.key is not None and given.setdefault(binding.key, _line(binding)) != _line(
            binding
        ):
            raise CannotStart(
                f"{binding.key} is given twice in the settings file {file}, in the lines"
                f" {given[binding.key]} and {_line(binding)}."
            )
        if binding.error or (binding.key is not None and binding.value is None):
            raise CannotStart(
                f"Line {_line(binding)} of the settings file {file} is not NAME=VALUE."
            )


def _line(binding: Binding) -> int:
    """The line of a setting in its file; the blank lines before it belong to it."""
    text = binding.original.string
    blank = len(text) - len(text.lstrip("\r\n"))
    return binding.original.line + text[:blank].count("\n")


def conflict(wish: Wish, running: Plan) -> str | None:
    """The reason for which a flag cannot take effect while the instance runs; ``None`` where it can."""
    if wish.port not in (None, running.port):
        return f"It runs already, on port {running.port}: `teimoso down` first."
    if wish.simulate is not None and wish.simulate != running.simulate:
        kind = "with" if running.simulate else "without"
        return f"It runs already, {kind} the simulator: `teimoso down` first."
    if running.simulate and wish.control_port not in (None, running.control_port):
        return (
            f"It runs already, its simulator is controlled on port {running.control_port}: "
            "`teimoso down` first."
        )
    return None


def check_ports(settings: Settings, plan: Plan) -> None:
    """Refuse ports that somebody else has, or nobody here can; raises `CannotStart`."""
    wanted_ports = [(settings.host, plan.port, "the gateway (--port)")]
    if plan.simulate:
        wanted_ports.append(
            ("127.0.0.1", plan.control_port, "the simulator (--simulator-control-port)")
        )
    for host, port, whose in wanted_ports:
        hindrance = ports.hindrance(port, host)
        if hindrance == errno.EADDRNOTAVAIL:
            raise CannotStart(f"TEIMOSO_HOST is not valid: {host!r} is no address of this machine.")
        if hindrance is not None:
            why = "needs more rights" if hindrance == errno.EACCES else "is in use"
            raise CannotStart(f"Port {port} for {whose} {why}: choose another one.")


def running(data: Path) -> list[process_files.ProcessEntry]:
    """The living processes of the instance, by its list of processes and by the marks that they bear."""
    entries = process_files.read(data, PROCESSES)
    pids = {entry.pid for entry in entries}
    return entries + [entry for entry in process.strays(data) if entry.pid not in pids]


def first_key(settings: Settings) -> str | None:
    """Make the first API key; returned in clear, once, if it was made now.

    Raises `CannotStart` while the state store is away, unless its copy has a key that admits.
    """
    return asyncio.run(_first_key(settings))


async def _first_key(settings: Settings) -> str | None:
    documents = open_documents(settings)
    secret = settings.teimoso_api_key
    given = None if secret is None else secret.get_secret_value()
    try:
        return await api_keys.ensure_first(documents, given)
    except api_keys.RevokedKey as error:
        raise CannotStart(
            f"TEIMOSO_API_KEY lets nobody in: {error}. Set another one, or none to have one made."
        ) from None
    except StoreAway:
        if await api_keys.admits(copy_of(settings, API_KEYS), given):
            return None
        raise CannotStart(
            f"The state store {settings.state_store} cannot be read or written."
        ) from None
    finally:
        await documents.close()


def launch_keeper(data: Path) -> subprocess.Popen[bytes]:
    """Start the keeper in a session of its own: no signal to this terminal reaches it."""
    log = process.log_of(data, "keeper")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = python_module.module("supervision.keeper", "--data", str(data))
    # Its environment reaches every process: no key, and no marks of another instance.
    unwanted = {"TEIMOSO_API_KEY", process.INSTANCE_VARIABLE, process.PART_VARIABLE}
    environment = {name: value for name, value in os.environ.items() if name not in unwanted}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - this interpreter, our own module
            command.arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=data,
            env={**environment, **command.environment},
            start_new_session=True,
        )


def _any_port(data: Path) -> int:
    for port in ports.candidates(data):
        if ports.free(port):
            return port
    raise CannotStart("There is no free TCP port.")
