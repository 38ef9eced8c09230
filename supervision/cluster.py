"""Creates, finds, calls and kills Ray actors: the one adapter of Ray's actor API, for root and CLI processes.

Actors are detached and named in one namespace. Ray restarts the root only; children die for good,
so that the root notices their death at once and creates new ones.
"""

from __future__ import annotations

import asyncio
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog

from actors.runtime.backoff import persist
from supervision import actor_classes
from supervision.ray_files import ADDRESS_FILE, TOKEN

if TYPE_CHECKING:
    from pathlib import Path

    from actors.config.settings import Settings

log = structlog.get_logger()

NAMESPACE = "teimoso"
ROOT_ACTOR = "root"


class ActorDead(Exception):
    """The process of the actor is gone."""


class CallTimeout(Exception):
    """No answer in time: the actor may live, and may have executed the call."""


class CallRefused(Exception):
    """The call raised inside the actor; `kind` is the error's type, `code` its stable code."""

    def __init__(self, kind: str, code: str | None) -> None:
        super().__init__(kind)
        self.kind = kind
        self.code = code or kind


class ActorHandle:
    """A named actor, and calls to it that are bounded in time."""

    def __init__(self, name: str, raw: Any) -> None:
        self.name = name
        self.raw = raw

    def __repr__(self) -> str:
        return f"<handle of {self.name}>"

    async def call(self, method: str, *args: object, within: float, **named: object) -> Any:
        """Calls a method. Raises `ActorDead`, `CallTimeout` after `within` seconds, or `CallRefused`.

        Raises AttributeError or TypeError where the actor runs an older release without it, or without a parameter.
        """
        if hasattr(self.raw, method):
            return await _answer(getattr(self.raw, method).remote(*args, **named), within)
        # The class is of an older release, and the actor need not be: Ray restarts the root with its first class.
        try:
            return await _answer(self.raw.forward.remote(method, *args, **named), within)
        except CallRefused as error:
            if error.kind == "AttributeError":
                raise AttributeError(method) from error
            raise

    async def aside(self, method: str, *args: object, within: float) -> Any:
        """Calls a method in the concurrency group that answers while the main loop is blocked; raises as `call`."""
        called = getattr(self.raw, method).options(concurrency_group="health")
        return await _answer(called.remote(*args), within)

    async def health(self, within: float) -> dict[str, Any]:
        """Returns the health of the actor; raises as `call`."""
        answer: dict[str, Any] = await self.aside("health", within=within)
        return answer

    async def watch(self) -> dict[str, Any]:
        """Waits until the actor ends on purpose, and returns its reason. Raises `ActorDead` when it dies."""
        # Without contact to the actor Ray gives no answer, and does not report it dead.
        return await persist(self._watch, CallTimeout, first=0.5, longest=0.5)

    async def _watch(self) -> dict[str, Any]:
        reason: dict[str, Any] = await _answer(self.raw.watch.remote(), None)
        return reason


async def _answer(reference: Any, within: float | None) -> Any:
    from ray import exceptions  # noqa: PLC0415 - Ray is loaded where it is used

    try:
        async with asyncio.timeout(within):
            return await reference
    except TimeoutError as error:
        raise CallTimeout(f"within {within} s") from error
    except exceptions.ActorUnavailableError as error:
        raise CallTimeout("unavailable") from error
    except exceptions.RayActorError as error:
        raise ActorDead from error
    except exceptions.RayTaskError as error:
        cause = getattr(error, "cause", None)
        kind = type(cause if cause is not None else error).__name__
        raise CallRefused(kind, getattr(cause, "code", None)) from error
    except exceptions.RayError as error:
        raise CallTimeout(type(error).__name__) from error


class Cluster:
    """The actors of one instance. Calls run in threads, since Ray's API blocks."""

    def __init__(self, data: Path) -> None:
        self._data = data

    async def create(self, role: str, name: str, ray_node: str | None = None) -> ActorHandle:
        """Creates the actor, on the node where one is given, or returns the one of that name. Its process may start later.

        Raises `CallTimeout` when the cluster does not accept it.
        """
        try:
            raw = await asyncio.to_thread(_create, role, name, self._data, ray_node)
            return ActorHandle(name, raw)
        except Exception as error:
            raise CallTimeout(type(error).__name__) from error

    async def names(self) -> list[str]:
        """Returns the names of all actors that Ray does not report dead."""
        return await asyncio.to_thread(_names)

    async def find(self, name: str) -> ActorHandle | None:
        """Returns the actor of that name, None when there is none."""
        raw = await asyncio.to_thread(_find, name)
        return None if raw is None else ActorHandle(name, raw)

    async def kill(self, handle: ActorHandle) -> None:
        """Kills the process; a failure is logged, since the actor may be dead already."""
        try:
            await asyncio.to_thread(_kill, handle.raw)
        except Exception as error:  # noqa: BLE001 - a dead actor is the goal
            log.warning(
                "actor not killed", action="kill", actor=handle.name, error=type(error).__name__
            )


def connect(settings: Settings) -> None:
    """Joins the instance's cluster from an outside process. Raises ConnectionError.

    The address is explicit: without one, Ray would attach to any cluster on this host.
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
    """Makes Ray use the token of the instance, not one in a home directory."""
    token = data / TOKEN
    if token.exists():
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(token)


def address(settings: Settings) -> str:
    """Returns the cluster's address: a setting, or the one in the file that the keeper wrote."""
    if settings.ray_address is not None:
        return settings.ray_address
    return (settings.data / ADDRESS_FILE).read_text().strip()


def start_root(data: Path) -> ActorHandle:
    """Creates the root, or returns it; needs `connect`. From then on Ray restarts it for ever."""
    return ActorHandle(ROOT_ACTOR, _create("root", ROOT_ACTOR, data))


def find_root() -> ActorHandle | None:
    """Returns the root, None when there is none; needs `connect`."""
    raw = _find(ROOT_ACTOR)
    return None if raw is None else ActorHandle(ROOT_ACTOR, raw)


def _create(role: str, name: str, data: Path, ray_node: str | None = None) -> Any:
    forever = {"max_restarts": -1, "max_task_retries": -1} if role == "root" else {}
    return (
        _class_of(role)
        .options(
            name=name,
            namespace=NAMESPACE,
            lifetime="detached",
            get_if_exists=True,
            num_cpus=0,
            # One byte: Ray ignores the strategy for an actor that requires no resource.
            memory=None if role == "connection" and ray_node is None else 1,
            scheduling_strategy=_place(role, ray_node),
            **({"max_restarts": 0} | forever),
        )
        .remote(str(data), name)
    )


@cache
def _class_of(role: str) -> Any:
    """Returns Ray's class for a role. One for all actors of it: Ray's head stores each for good, under a random id."""
    import ray  # noqa: PLC0415 - heavy

    return ray.remote(concurrency_groups={"health": 4})(actor_classes.class_of(role))


def _place(role: str, ray_node: str | None) -> Any:
    """Returns the placement: connections on all hosts or a given one; root and services here, whose files they share.

    The keeper observes the root by its files, and the root creates the services. Ray may create the root
    elsewhere once this host is dead. The services stay on the root's host: a node that has just joined
    would take for itself an actor that may run anywhere.
    """
    if role == "connection" and ray_node is None:
        return "SPREAD"
    import ray  # noqa: PLC0415 - heavy
    from ray.util.scheduling_strategies import (  # noqa: PLC0415 - heavy
        NodeAffinitySchedulingStrategy,
    )

    node = ray_node or ray.get_runtime_context().get_node_id()
    return NodeAffinitySchedulingStrategy(node, soft=role == "root")


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
