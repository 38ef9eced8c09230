"""Defines a child actor of the root: its process and host, the connection that it serves, and the reason of its end."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.runtime import host_identity, processes

if TYPE_CHECKING:
    import asyncio

    from actors.runtime.connection_options import ConnectionOptions
    from supervision.cluster import ActorHandle


@dataclass(slots=True, eq=False)
class Child:
    """An actor of the root. It serves `connection` under `epoch`; `since` is monotonic.

    `state` is the connection's in the child's last report; `options` are those that this root sent.
    `large` counts consecutive probes over the memory limit; `drained` is the reason of a drain.
    `pid` is a process on the host `node` (`host_identity.here()`).
    """

    role: str
    handle: ActorHandle
    pid: int | None = None
    node: str | None = None
    connection: str | None = None
    epoch: int | None = None
    state: str | None = None
    since: float = field(default_factory=time.monotonic)
    ready: bool = False
    hung: bool = False
    large: int = 0
    drained: str | None = None
    options: ConnectionOptions | None = None
    peers: int = -1
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.handle.name

    def kill(self) -> bool:
        """SIGKILL by pid; False when the process is not on this host, or is gone."""
        return (
            self.pid is not None and self.node == host_identity.here() and processes.kill(self.pid)
        )

    @property
    def serves(self) -> str | None:
        """The connection that it serves; None while a takeover is in progress, which may fail."""
        return None if self.epoch is None else self.connection

    @property
    def lived(self) -> float:
        """Seconds since it began to serve; before that, since its start."""
        return time.monotonic() - self.since


@dataclass(frozen=True, slots=True)
class End:
    """The reason of a child's end: ``crashed``, ``hung``, ``memory``, or the one that it returned."""

    reason: str
    cause: str | None = None

    @property
    def died(self) -> bool:
        """Whether the process is gone without having been asked to end."""
        return self.reason in {"crashed", "hung"}
