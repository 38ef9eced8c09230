"""Changes parameters of `ray start` that have no option, as a hook that Ray calls: no `ray://` server, own worker file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Protocol

    class Parameters(Protocol):
        """The attributes of Ray's `RayParams` that the hook changes."""

        ray_client_server_port: int | None
        worker_path: str | None


WORKER: Final = str(Path(__file__).with_name("ray_worker.py"))
"""The file that Ray runs as a worker's process."""


def adjust(parameters: Parameters, head: bool) -> None:  # noqa: ARG001 - Ray's call
    """Starts no server for `ray://` addresses, which no part uses, and workers by `ray_worker.py`.

    The option of `ray start` accepts only a port; without it Ray uses port 10001.
    """
    parameters.ray_client_server_port = None
    parameters.worker_path = WORKER
