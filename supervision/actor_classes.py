"""Builds the thin class that Ray stores for each actor role; it forwards calls to the installed code, across upgrades.

Ray stores a class for the life of its head, and restarts the root with that of the code it was started with. An
actor runs the installed code all the same, since its class calls `make`: this function, the roles and the public
methods are an interface between releases (docs/contributing.md), and no private name is.
"""

from __future__ import annotations

import importlib
import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from actors.runtime.actor_base import Shell

CLASSES = {
    "root": "supervision.root:RootSupervisor",
    "queue": "actors.queue.actor:QueueActor",
    "state": "actors.state.actor:StateManager",
    "health": "actors.health.actor:HealthMonitor",
    "connection": "actors.connection.actor:ConnectionActor",
    "vault": "actors.connection.backup.bucket.actor:VaultActor",
    "backup": "supervision.backup.actor:BackupActor",
}


@cache
def class_of(role: str) -> type:
    """Returns the class for Ray, named as the actor's own; one for each role, since Ray's head stores each for good.

    Ray serializes it whole, and a name of this project in it would be looked up in later releases: it has none.
    """
    plain = _plain(role)

    class Forwarder:
        def __init__(self, data: str, name: str) -> None:
            installed = importlib.import_module("supervision.actor_classes")
            self._actor: Any = installed.make(role, type(self), data, name)

        def __repr__(self) -> str:
            return repr(self._actor)

        async def forward(self, method: str, *args: object, **named: object) -> Any:
            """Calls a method that this class does not have: one of a newer release."""
            return await getattr(self._actor, method)(*args, **named)

    for name, method in inspect.getmembers(plain, inspect.isfunction):
        if not name.startswith("_"):
            setattr(Forwarder, name, _forwarding(name, inspect.signature(method)))
    Forwarder.__name__ = Forwarder.__qualname__ = CLASSES[role].partition(":")[2]
    return Forwarder


def make(role: str, shown: type, data: str, name: str) -> Shell:
    """Returns the actor of a role; `shown` is the class by whose name Ray makes the process's title.

    Called by classes that Ray stored, those of earlier releases among them.
    """
    import ray  # noqa: PLC0415 - heavy, and loaded in each process of an actor

    actor: Shell = _plain(role)(data, name)
    actor.shown = shown
    if ray.is_initialized():
        actor.ray_node = ray.get_runtime_context().get_node_id()
    return actor


def _plain(role: str) -> type:
    module, _, attribute = CLASSES[role].partition(":")
    plain: type = getattr(importlib.import_module(module), attribute)
    return plain


def _forwarding(name: str, signature: inspect.Signature) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Returns a method with this signature, by which Ray checks the arguments of a call."""

    async def forward(self: Any, *args: object, **named: object) -> Any:
        return await getattr(self._actor, name)(*args, **named)

    forward.__signature__ = signature  # type: ignore[attr-defined]
    return forward
