"""Every call into Ray. Nothing else starts, finds, calls or kills an actor.

Actors are detached and named in one namespace. Ray restarts the root only; children die for good,
so that their death is seen at once, and the root makes new ones.
"""

from __future__ import annotations

import asyncio
import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from actors.config.settings import Settings

log = structlog.get_logger()

NAMESPACE = "teimoso"
ROOT = "root"

CLASSES = {
    "root": "supervision.root:RootSupervisor",
    "queue": "actors.queue.actor:QueueActor",
    "state": "actors.state.actor:StateManager",
    "health": "actors.health.actor:HealthMonitor",
    "connection": "actors.connection.actor:ConnectionActor",
    "vault": "actors.connection.backup.bucket.actor:VaultActor",
}

TOKEN = Path("ray") / "token"
ADDRESS = Path("ray") / "address"


class ActorDead(Exception):  # noqa: N818 - reads as what it is
    """The actor's process is gone."""


class NoAnswer(Exception):  # noqa: N818 - reads as what it is
    """No answer within the time given: the actor may live, and may have done what was asked."""


class Refused(Exception):  # noqa: N818 - reads as what it is
    """The call raised inside the actor; `kind` is the error's type, `code` its stable code."""

    def __init__(self, kind: str, code: str | None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.code = code or kind


class Handle:
    """An actor as its supervisor sees it."""

    def __init__(self, name: str, raw: Any) -> None:
        self.name = name
        self.raw = raw

    def __repr__(self) -> str:
        return f"<handle of {self.name}>"

    async def call(self, method: str, *args: object, within: float, **named: object) -> Any:
        """Call a method; raises `ActorDead`, `NoAnswer` after `within` seconds, or `Refused`."""
        return await _answer(getattr(self.raw, method).remote(*args, **named), within)

    async def aside(self, method: str, *args: object, within: float) -> Any:
        """Call in the group that answers while the main loop is blocked; raises as `call` does."""
        called = getattr(self.raw, method).options(concurrency_group="health")
        return await _answer(called.remote(*args), within)

    async def health(self, within: float) -> dict[str, Any]:
        """The health of the actor; raises as `call` does."""
        answer: dict[str, Any] = await self.aside("health", within=within)
        return answer

    async def watch(self) -> dict[str, Any]:
        """Pend until the actor ends on purpose (its reason) or dies (`ActorDead`)."""
        while True:
            try:
                reason: dict[str, Any] = await _answer(self.raw.watch.remote(), None)
            except NoAnswer:
                # Ray lost sight of it without calling it dead.
                await asyncio.sleep(0.5)
            else:
                return reason


async def _answer(reference: Any, within: float | None) -> Any:
    from ray import exceptions  # noqa: PLC0415 - Ray is loaded where it is used

    try:
        async with asyncio.timeout(within):
            return await reference
    except TimeoutError as error:
        raise NoAnswer(f"within {within} s") from error
    except exceptions.ActorUnavailableError as error:
        raise NoAnswer("unavailable") from error
    except exceptions.RayActorError as error:
        raise ActorDead from error
    except exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        kind = type(cause if cause is not None else error).__name__
        raise Refused(kind, getattr(cause, "code", None)) from error
    except exceptions.RayError as error:
        raise NoAnswer(type(error).__name__) from error


class Cluster:
    """The actors of one instance. Every call is off the event loop: Ray's own API blocks."""

    def __init__(self, data: Path) -> None:
        self._data = data

    async def create(self, role: str, name: str) -> Handle:
        """Make the actor, or find the one that has its name. Its process may start later.

        Raises `NoAnswer` when the cluster does not take it.
        """
        try:
            return Handle(name, await asyncio.to_thread(_create, role, name, self._data))
        except Exception as error:
            raise NoAnswer(type(error).__name__) from error

    async def names(self) -> list[str]:
        """The names of all actors that are not known to be dead."""
        return await asyncio.to_thread(_names)

    async def find(self, name: str) -> Handle | None:
        """The actor of that name, None when there is none."""
        raw = await asyncio.to_thread(_find, name)
        return None if raw is None else Handle(name, raw)

    async def kill(self, handle: Handle) -> None:
        """End the process without ceremony; returns when Ray was told, or cannot be."""
        try:
            await asyncio.to_thread(_kill, handle.raw)
        except Exception as error:  # noqa: BLE001 - a dead actor is what is wanted
            log.warning("not killed", action="kill", actor=handle.name, error=type(error).__name__)


def connect(settings: Settings) -> None:
    """Join the instance's cluster from an outside process. Raises ConnectionError.

    The address is always named: without one, Ray would attach to whatever cluster runs here.
    """
    if settings.ray_address is None:
        authenticate(settings.data)  # Ray reads the mode once, when it is loaded
    import ray  # noqa: PLC0415 - heavy

    if ray.is_initialized():
        return
    ray.init(
        address=address(settings),
        namespace=NAMESPACE,
        log_to_driver=False,
        configure_logging=False,
    )


def authenticate(data: Path) -> None:
    """Use the instance's own token, not one that lies in a home directory."""
    token = data / TOKEN
    if token.exists():
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)


def address(settings: Settings) -> str:
    """The cluster's address: a setting, or the one that the keeper wrote beside its head."""
    if settings.ray_address is not None:
        return settings.ray_address
    return (settings.data / ADDRESS).read_text().strip()


def start_root(data: Path) -> Handle:
    """Make the root, or find it; needs `connect`. Ray restarts it for ever from here on."""
    return Handle(ROOT, _create("root", ROOT, data))


def find_root() -> Handle | None:
    """The root, None when there is none; needs `connect`."""
    raw = _find(ROOT)
    return None if raw is None else Handle(ROOT, raw)


def _create(role: str, name: str, data: Path) -> Any:
    import ray  # noqa: PLC0415 - heavy

    module, _, attribute = CLASSES[role].partition(":")
    plain = getattr(importlib.import_module(module), attribute)
    forever = {"max_restarts": -1, "max_task_retries": -1} if role == "root" else {}
    return (
        ray.remote(concurrency_groups={"health": 4})(plain)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            # One byte: what needs nothing at all is put anywhere, whatever the strategy prefers.
            memory=None if role == "connection" else 1,
            scheduling_strategy=_place(role),
            **({"max_restarts": 0} | forever),
        )
        .remote(str(data), name)
    )


def _place(role: str) -> Any:
    """Connections everywhere; root and services on this host, whose files they share.

    The keeper sees a root by its files, and the root is who makes the services. The root alone may
    be made again elsewhere, once this host is dead. It makes its services where it is: a node that has
    only just heard of the others would take one for itself that may go anywhere.
    """
    if role == "connection":
        return "SPREAD"
    import ray  # noqa: PLC0415 - heavy
    from ray.util.scheduling_strategies import (  # noqa: PLC0415 - heavy
        NodeAffinitySchedulingStrategy,
    )

    here = ray.get_runtime_context().get_node_id()
    return NodeAffinitySchedulingStrategy(here, soft=role == "root")


def _names() -> list[str]:
    import ray  # noqa: PLC0415 - heavy

    names: list[str] = ray.util.list_named_actors()
    return names


def _find(name: str) -> Any:
    import ray  # noqa: PLC0415 - heavy

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def _kill(raw: Any) -> None:
    import ray  # noqa: PLC0415 - heavy

    ray.kill(raw, no_restart=True)
