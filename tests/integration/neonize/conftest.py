from __future__ import annotations

import importlib.util
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import Simulator
from tests.integration.whatsmeow.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ACCOUNT = "15550100021"


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    if importlib.util.find_spec("neonize") is None:
        pytest.skip("neonize is not installed: `make setup-test` does it")
    one = Simulator(tmp_path_factory.mktemp("simulator") / "data")
    try:
        yield one
    finally:
        one.kill()


@pytest.fixture
def made(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Device]]:
    """Makes devices that end with the test."""
    devices: list[Device] = []

    def make(**more: object) -> Device:
        directory = more.pop("directory", None) or tmp_path_factory.mktemp("session")
        devices.append(Device(simulator, directory, **{"engine": "neonize", **more}))  # type: ignore[arg-type]
        return devices[-1]

    try:
        yield make
    finally:
        for one in devices:
            one.process.kill()


@pytest.fixture(scope="module")
def phone(simulator: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Device]:
    """The paired device that the tests of a module share."""
    one = Device(simulator, tmp_path_factory.mktemp("session"), engine="neonize")
    try:
        one.pair(ACCOUNT)
        yield one
    finally:
        one.process.kill()


_friends = count(15550120000)


@pytest.fixture
def friend() -> str:
    """A contact whom no other test knows."""
    return str(next(_friends))
