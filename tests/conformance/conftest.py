"""A simulator and the clients; each is ended by its pid, also when a test fails."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.conformance import catalogue
from tests.conformance.processes import KINDS, Client, Simulator, absent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="package")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    started = Simulator(tmp_path_factory.mktemp("simulator") / "data")
    try:
        yield started
    finally:
        started.kill()
    catalogue.hold(started.directory / "trace")


@pytest.fixture(scope="package")
def started(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Client]]:
    """One client of each kind that is installed, its QR scanned."""
    clients: dict[str, Client] = {}
    try:
        for kind in KINDS:
            if absent(kind) is None:
                clients[kind] = Client(kind, simulator, tmp_path_factory.mktemp(kind))
        for kind, one in clients.items():
            one.attempt(partial(one.scan, f"1555010000{KINDS.index(kind)}"))
        yield clients
    finally:
        for client in clients.values():
            client.process.kill()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of client in turn; skipped where it is not installed."""
    chosen = str(request.param)
    if reason := absent(chosen):
        pytest.skip(reason)
    return chosen


@pytest.fixture
def client(kind: str, simulator: Simulator, started: dict[str, Client]) -> Iterator[Client]:
    """The paired client of this kind that all tests share, logged in; each has its own friends."""
    one = started[kind]
    one.attempt(one.prepare)
    one.restarts = 0
    yield one
    simulator.http.delete("/faults", params={"account": one.number})


@pytest.fixture
def knowing(kind: str, request: pytest.FixtureRequest) -> str:
    """The kind of client, where its program knows what the scenario is about."""
    differs = request.node.get_closest_marker("differs")
    if differs is not None and differs.kwargs.get(kind) == "D9":
        pytest.skip(f"the program of {kind} does not know this yet (D9)")
    return kind


@pytest.fixture
def versatile(knowing: str, request: pytest.FixtureRequest) -> Client:
    """The paired client, where its program knows what the scenario is about."""
    del knowing
    one: Client = request.getfixturevalue("client")
    return one


_numbers = count(15550110000)


@pytest.fixture
def friend() -> str:
    """A contact whom no other test knows."""
    return str(next(_numbers))


@pytest.fixture
def another(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Client]]:
    """Starts further clients, which end with the test."""
    clients: list[Client] = []

    def start(kind: str, **more: str) -> Client:
        clients.append(Client(kind, simulator, tmp_path_factory.mktemp(kind), **more))
        return clients[-1]

    try:
        yield start
        simulator.answered()
    finally:
        for client in clients:
            client.process.kill()
