"""Making an instance ready to start: its settings, its ports, its directory, its first key."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from actors.settings import InvalidSettings, Settings
from actors.state.documents import StoreAway, open_documents
from gateway import keys
from supervision import roster
from supervision.keeper import ports, process, python
from supervision.keeper.parts import PROCESSES
from supervision.keeper.plan import Plan


class CannotStart(Exception):  # noqa: N818 - reads as what it is
    """The reason, in a sentence for a person."""


@dataclass(frozen=True)
class Wish:
    """What the flags of `teimoso up` ask for; ``None`` leaves it as it was the last time."""

    simulate: bool | None = None
    port: int | None = None
    control_port: int | None = None
    settings_file: Path | None = None


def make_directory(data: Path) -> None:
    """Make the data directory, and see that it can be written; raises `CannotStart`."""
    try:
        os.umask(0o077)
        data.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=data):
            pass
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise CannotStart(f"The data directory {data} cannot be written: {reason}.") from None


def wanted(data: Path, wish: Wish, known: Plan | None) -> tuple[Settings, Plan]:
    """Settings and plan of the next start; raises `CannotStart` with what is wrong.

    What the flags, the environment and the settings file leave open stays as `known` has it.
    """
    file = wish.settings_file
    if file is None and known is not None and known.settings_file is not None:
        file = Path(known.settings_file)
    try:
        settings = Settings.resolve(file, data=data, port=wish.port)
    except InvalidSettings as error:
        raise CannotStart(str(error)) from None
    plan = known or Plan(port=settings.port)
    if "port" in settings.model_fields_set or known is None:
        plan = replace(plan, port=settings.port)
    if plan.port == 0:
        plan = replace(plan, port=_any_port(data))
    settings = settings.model_copy(update={"port": plan.port})
    return settings, replace(
        plan,
        simulate=plan.simulate if wish.simulate is None else wish.simulate,
        control_port=plan.control_port if wish.control_port is None else wish.control_port,
        valkey=settings.redis_url is None and settings.redis_host is None,
        ray=settings.ray_address is None,
        settings_file=None if file is None else str(file.absolute()),
    )


def conflict(wish: Wish, running: Plan) -> str | None:
    """Why what is asked for cannot be had while the instance runs; ``None`` where it can."""
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
    """Refuse ports that somebody else has; raises `CannotStart`."""
    asked = [(settings.host, plan.port, "the gateway (--port)")]
    if plan.simulate:
        asked.append(("127.0.0.1", plan.control_port, "the simulator (--simulator-control-port)"))
    for host, port, whose in asked:
        if not ports.free(port, host):
            raise CannotStart(f"Port {port} for {whose} is in use: choose another one.")


def running(data: Path) -> list[roster.Entry]:
    """What lives of the instance, by its roster and by the marks that its processes bear."""
    known = roster.read(data, PROCESSES)
    pids = {entry.pid for entry in known}
    return known + [entry for entry in process.strays(data) if entry.pid not in pids]


def first_key(settings: Settings) -> str | None:
    """Make the first API key; returned in clear, once, if it was made now.

    Raises `CannotStart` for a key in TEIMOSO_API_KEY that no header could carry, and while the
    state store is away.
    """
    return asyncio.run(_first_key(settings))


async def _first_key(settings: Settings) -> str | None:
    documents = open_documents(settings)
    given = settings.teimoso_api_key
    try:
        return await keys.ensure_first(documents, given.get_secret_value() if given else None)
    except keys.InvalidKey as error:
        raise CannotStart(f"TEIMOSO_API_KEY is not valid: {error}") from None
    except StoreAway:
        raise CannotStart(
            f"The state store {settings.state_file} cannot be read or written."
        ) from None
    finally:
        await documents.close()


def launch_keeper(data: Path) -> subprocess.Popen[bytes]:
    """Start the keeper in a session of its own: no signal to this terminal reaches it."""
    log = process.log_of(data, "keeper")
    log.parent.mkdir(parents=True, exist_ok=True)
    command = python.module("supervision.keeper", "--data", str(data))
    # What it hands down reaches every process: no key, and no marks of another instance.
    unwanted = {"TEIMOSO_API_KEY", process.INSTANCE, process.PART}
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
