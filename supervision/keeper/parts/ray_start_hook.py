"""Changes parameters of `ray start` that have no option; Ray calls the hook before Ray starts a process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Parameters(Protocol):
        """The attribute of Ray's `RayParams` that the hook changes."""

        ray_client_server_port: int | None


def without_client_server(parameters: Parameters, head: bool) -> None:  # noqa: ARG001 - Ray's call
    """Starts no server for `ray://` addresses, which no part uses.

    The option of `ray start` accepts only a port; without it Ray uses port 10001.
    """
    parameters.ray_client_server_port = None
