"""Changes what `ray start` cannot be told by an option; Ray calls it before it starts anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Protocol

    class Parameters(Protocol):
        """The part of Ray's `RayParams` that is changed here."""

        ray_client_server_port: int | None


def without_client_server(parameters: Parameters, head: bool) -> None:  # noqa: ARG001 - Ray's call
    """Start no server for `ray://` addresses: nothing here connects by one.

    The option takes a port only, and without the option Ray takes port 10001.
    """
    parameters.ray_client_server_port = None
