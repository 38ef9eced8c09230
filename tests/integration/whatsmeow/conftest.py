from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import Simulator, until
from tests.integration.whatsmeow.device import Device

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
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
        devices.append(Device(simulator, directory, **more))  # type: ignore[arg-type]
        return devices[-1]

    try:
        yield make
    finally:
        for one in devices:
            one.process.kill()


@dataclass
class Town:
    """An account and a friend whom no other test knows, at the simulator."""

    simulator: Simulator
    made: Callable[..., Device]
    number: str
    friend: str

    @property
    def account(self) -> dict[str, Any]:
        return self.simulator.account(self.number)

    def say(self, text: str) -> str:
        return self.simulator.say(self.friend, self.number, text)

    def linked(self, **more: Any) -> Device:
        """A device that is linked and open."""
        device = self.made(**more)
        device.pair(self.number)
        return device

    def acquainted(self) -> Path:
        """The session of a device that talked with the friend, and is closed."""
        device = self.linked()
        device.send(self.friend, "opens")
        device.said(self.friend, {"text": "opens, too"}, self.number)
        self.simulator.settled(self.number)
        device.close()
        return device.directory

    def goes_on(self, device: Device) -> None:
        """They understand each other in both directions, and nothing waits at WhatsApp."""
        text = f"and goes on {next(_texts)}"
        device.said(self.friend, {"text": text}, self.number)
        self.sent_again(device, f"{text}, too")
        until(lambda: self.simulator.texts(self.friend)[-1] == f"{text}, too")
        self.simulator.settled(self.number)

    def sent_again(
        self, device: Device, text: str, id_: str | None = None, to: str | None = None
    ) -> str:
        """The id of a message that is asked for again where nothing left, as the queue does."""
        while True:
            id_ = device.begin(to or self.friend, text, id_)
            if device.wait(("sent", "failed"))["event"] == "sent":
                return id_
            time.sleep(0.1)


_numbers, _texts = count(1), count(1)


@pytest.fixture
def town(simulator: Simulator, made: Callable[..., Device]) -> Town:
    number = next(_numbers)
    return Town(simulator, made, str(15550140000 + number), str(15550130000 + number))
