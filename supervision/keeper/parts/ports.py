"""Chooses an instance's internal TCP ports, those of its last start where free, and tests whether a port is usable.

Instances on one machine rarely compete: each begins its search at a port that is derived from its
directory, below the range that the system uses for outgoing connections.
"""

from __future__ import annotations

import errno
import hashlib
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

VALKEY = "valkey"
SIMULATOR = "simulator"
RAY_PORTS = (
    "ray_gcs",
    "ray_node_manager",
    "ray_object_manager",
    "ray_dashboard",
    "ray_agent",
    "ray_agent_grpc",
    "ray_runtime_env",
    "ray_metrics",
    "ray_dashboard_metrics",
)
PORT_NAMES = (VALKEY, SIMULATOR, *RAY_PORTS)

FIRST_PORT, LAST_PORT, PORT_BLOCK = 20_000, 32_000, 20


class NoPortFree(Exception):
    """All usable ports are taken."""


def settle(
    previous: Mapping[str, int],
    held: Iterable[str],
    candidates: Iterator[int],
    free: Callable[[int], bool],
) -> dict[str, int]:
    """Returns a port for each of `PORT_NAMES`: the `previous` one if it is free, else the next candidate.

    A name in `held` keeps its port without a check: a process of the instance listens there.
    Raises `NoPortFree`.
    """
    held = set(held)
    kept = {
        name: port
        for name, port in previous.items()
        if name in PORT_NAMES and (name in held or free(port))
    }
    used = set(kept.values())
    for name in PORT_NAMES:
        if name in kept:
            continue
        kept[name] = next((port for port in candidates if port not in used and free(port)), 0)
        if not kept[name]:
            raise NoPortFree(f"no free TCP port between {FIRST_PORT} and {LAST_PORT}")
        used.add(kept[name])
    return {name: kept[name] for name in PORT_NAMES}


def candidates(data: Path) -> Iterator[int]:
    """Yields each usable port once, beginning with the block that is derived from `data`."""
    blocks = (LAST_PORT - FIRST_PORT) // PORT_BLOCK
    digest = hashlib.sha256(str(data).encode()).digest()
    start = FIRST_PORT + int.from_bytes(digest[:4]) % blocks * PORT_BLOCK
    yield from range(start, LAST_PORT)
    yield from range(FIRST_PORT, start)


def free(port: int, host: str = "127.0.0.1") -> bool:
    """Returns whether a server could listen on `port` now, on `host` and on all addresses."""
    return hindrance(port, host) is None


def hindrance(port: int, host: str) -> int | None:
    """Returns the `errno` with which listening on `port` fails now, on `host` or on all addresses.

    None where it works; EADDRNOTAVAIL where `host` is no address of this machine. Connections in
    TIME_WAIT do not count, as they do not for a server.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    except (OSError, ValueError):  # a name that no resolver takes is a ValueError
        return errno.EADDRNOTAVAIL
    every = "::" if family == socket.AF_INET6 else "0.0.0.0"  # noqa: S104 - only to try
    return _bind(family, host, port) or _bind(family, every, port)


def _bind(family: socket.AddressFamily, host: str, port: int) -> int | None:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error.errno or errno.EADDRINUSE
    return None
