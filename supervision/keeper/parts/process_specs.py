"""Defines for the keeper each OS process of an instance: command, readiness check, timeouts, memory limit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from supervision.keeper.parts import ports as port_names
from supervision.keeper.parts import probe, python_module, ray_head, valkey
from supervision.restarts.policy import MemoryLimit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.config.settings import Settings
    from supervision.keeper.manifest import Plan
    from supervision.keeper.process import CommandLine

PROCESSES = Path("processes.json")
"""The file that lists the processes which the keeper started, and the keeper."""


@dataclass(frozen=True)
class Part:
    """A process that the keeper keeps running.

    `command` prepares files and may raise OSError or `valkey.NoServer`. A part is restarted when it is
    not ready after `patience` seconds, when it was ready and is not for `silence` seconds (None: never),
    and when it exceeds `memory`. `grace`: seconds that a stop may take. `resolved`: it starts only once
    `runtime.json` is complete (it has the simulator's address).
    """

    role: str
    command: Callable[[], CommandLine]
    ready: Callable[[], Awaitable[bool]]
    patience: float = 60.0
    silence: float | None = 30.0
    grace: float = 10.0
    resolved: bool = False
    memory: MemoryLimit | None = None


def parts(data: Path, settings: Settings, plan: Plan) -> list[Part]:
    """Returns the parts of the plan in the order of its roles, without the root, which Ray starts."""
    makers = {"valkey": _valkey, "simulator": _simulator, "ray": _ray, "gateway": _gateway}
    return [makers[role](data, settings, plan) for role in plan.roles if role in makers]


def _valkey(data: Path, settings: Settings, plan: Plan) -> Part:
    port, password = plan.ports[port_names.VALKEY], valkey.password(data)
    return Part(
        "valkey",
        lambda: valkey.command(data, port, password, settings.redis_max_clients),
        lambda: probe.ping(port, password),
        patience=600.0,  # a long log takes minutes to load, and a restart would begin anew
    )


def _simulator(data: Path, _settings: Settings, plan: Plan) -> Part:
    port, control = plan.ports[port_names.SIMULATOR], plan.control_port
    arguments = ("--port", str(port), "--control-port", str(control))

    async def ready() -> bool:
        return await probe.get_json(control, "/") is not None

    return Part(
        "simulator",
        lambda: python_module.module("simulator", *arguments, "--data", str(data / "simulator")),
        ready,
    )


def _ray(data: Path, settings: Settings, plan: Plan) -> Part:
    return Part(
        "ray",
        lambda: ray_head.command(
            data, plan.ports, settings.log_max_bytes, dashboard=settings.ray_dashboard
        ),
        lambda: ray_head.ready(plan.ports, dashboard=settings.ray_dashboard),
        patience=120.0,
        silence=None,  # Ray ends its head when one of its parts dies
    )


def _gateway(data: Path, settings: Settings, plan: Plan) -> Part:
    async def ready() -> bool:
        answer = await probe.get(plan.port, "/health/live", host=settings.reached_at)
        return answer is not None and answer[0] == 200

    return Part(
        "gateway",
        lambda: python_module.module("gateway", "--data", str(data)),
        ready,
        silence=10.0,
        grace=15.0,
        resolved=True,
        memory=MemoryLimit.of(settings),
    )
