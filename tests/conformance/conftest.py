"""A simulator and foreign clients; each is ended by its pid, also when a test fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import Neonize, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    started = Simulator(tmp_path_factory.mktemp("simulator") / "data")
    try:
        yield started
    finally:
        started.kill()


@pytest.fixture(scope="module")
def neonize(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Neonize]]:
    """Starts neonize clients, each with a session file of its own and paired with its account."""
    clients: list[Neonize] = []

    def start(number: str) -> Neonize:
        clients.append(Neonize(simulator, tmp_path_factory.mktemp("client")))
        clients[-1].pair(number)
        return clients[-1]

    try:
        yield start
    finally:
        for client in clients:
            client.process.kill()
