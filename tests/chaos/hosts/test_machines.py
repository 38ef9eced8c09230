"""The commands of `docs/cluster.md` as they stand there, and a machine that is lost with its disk (G5 to G8)."""

from __future__ import annotations

import json
import re
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.harness.hosts.machines import Machines, missing
from tests.run import answers
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.run.figures import Figure

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.long,
    pytest.mark.skipif(missing() is not None, reason=missing() or ""),
]

PAGE = Path(__file__).resolve().parents[3] / "docs" / "cluster.md"
CONNECTIONS = {f"shop{number}": f"1555010000{number}" for number in range(1, 5)}
CONTACT = "15550100009"
AUTHORITY = Path("/var/lib/teimoso/simulator/media-authority.pem")
BOUND = 60.0
"""The design's, in seconds from the death of a host until its connections are open elsewhere."""


class Pages:
    """The page's commands, each on its machine, with what a person would have copied."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines
        self.environment = {"REDIS_PASSWORD": "secret", "TEIMOSO_DATA": "/var/lib/teimoso"}
        self._sections = dict(
            re.findall(
                r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.DOTALL | re.MULTILINE
            )
        )

    def follow(self, section: str) -> str:
        """Runs a section's commands in their order; returns all that they printed."""
        commands = re.findall(r"^(\w+)\$ (.+)$", self._sections[section], re.MULTILINE)
        assert commands, section
        printed = ""
        for name, command in commands:
            # WhatsApp's server is the simulator here.
            said = self.run(name, command.replace("teimoso up ", "teimoso up --simulate "))
            if command == "cat ~/.ray/auth_token":
                self.environment["TOKEN"] = said.strip()
            printed += said
        return printed

    def run(self, machine: str, command: str) -> str:
        return self._machines[machine].run(command, self.environment)

    def teimoso(self, words: str) -> Any:
        return json.loads(self.run("head", f"teimoso {words} --json"))

    def served_on(self, host: str) -> list[str]:
        listed = self.teimoso("status")["processes"]
        return [
            each["connection"]
            for each in listed
            if each["role"] == "connection" and each["host"] == host
        ]

    def open(self, name: str) -> bool | None:
        return self.teimoso(f"connections show {name}")["state"] == "open" or None


@pytest.fixture
def pages() -> Iterator[Pages]:
    with Machines(head="192.0.2.10", far="192.0.2.11", redis="192.0.2.20") as machines:
        (machines.place / "srv" / "bucket").mkdir()
        yield Pages(machines)


def test_the_page_sets_up_machines_and_one_is_lost(pages: Pages, figure: Figure) -> None:
    machines, begun = pages._machines, time.monotonic()
    pages.follow("Redis")
    pages.follow("Ray")
    said = pages.follow("The instance")
    [pages.environment["TEIMOSO_API_KEY"]] = re.findall(r"TEIMOSO_API_KEY=(\S+)", said)
    [port] = map(int, re.findall(r"ws://127\.0\.0\.1:(\d+)/", said))
    # WhatsApp is reached from everywhere; the simulator listens on one machine, and signs its media servers itself.
    pages.run("head", f"cp {AUTHORITY} /srv")
    pages.run("far", f"mkdir -p {AUTHORITY.parent} && cp /srv/{AUTHORITY.name} {AUTHORITY.parent}")
    machines["head"].relay("192.0.2.10", 9000, "127.0.0.1", port)
    machines["far"].relay("127.0.0.1", port, "192.0.2.10", 9000)
    for machine in ("head", "far"):
        # Ray lets all users write to the directory that has its sockets: the one around it is private.
        assert pages.run(machine, "stat -c %a /var/lib/teimoso").strip() == "700"
        pages.run(machine, "test -S /var/lib/teimoso/ray/session_latest/sockets/raylet")
        assert pages.run(machine, 'find "$RAY_TMPDIR" -mindepth 1') == ""
    texts = [f"{name} {number}" for name in CONNECTIONS for number in range(5)]
    for name, number in CONNECTIONS.items():
        pages.run("head", f"teimoso connections add {name}")
        until("it shows a QR", partial(_scanned, pages, name, number), 40)
        until("it is open", partial(pages.open, name), 40)
        if name in texts[0]:
            pages.run("head", f"teimoso send {name} {CONTACT} '{texts[0]}' --wait 30")
            first_message(figure, "docs/cluster.md", begun)
    for name in CONNECTIONS:
        if pages.served_on("far"):
            break
        pages.run("head", f"teimoso connections restart {name}")
        until("it is open again", partial(pages.open, name), 40)
    far = pages.served_on("far")
    assert far, "Ray places nothing there"
    assert re.search(r"^connection +\S+ +far ", pages.run("head", "teimoso status"), re.MULTILINE)
    for text in texts[2::2]:
        pages.run("head", f"teimoso send {text.split()[0]} {CONTACT} '{text}'")
    machines["far"].lose()
    lost = time.monotonic()
    for text in texts[1::2]:
        pages.run("head", f"teimoso send {text.split()[0]} {CONTACT} '{text}'")
    until(
        "all of them are open on the head",
        lambda: (
            (
                set(pages.served_on("head")) == set(CONNECTIONS)
                and all(pages.open(name) for name in CONNECTIONS)
            )
            or None
        ),
        BOUND * 1.5,
    )
    figure(
        f"a machine lost with its disk: {len(far)} connections back {time.monotonic() - lost:.0f} s later"
    )

    def arrived() -> list[str]:
        inbox = pages.teimoso(f"simulate inbox {CONTACT}")
        return sorted(each["text"] for each in inbox["items"])

    until("all have arrived", lambda: set(arrived()) >= set(texts) or None, 60)
    assert arrived() == sorted(texts)
    drill = pages.follow("The drill: a machine is lost")
    for name in far:
        assert re.search(rf"^connection +{name} +\d+ .* open$", drill, re.MULTILINE), drill
        assert re.search(rf"connection +{name} .*restarted", drill), drill
    until("each stanza is answered", partial(_answered, pages), answers.PATIENT)


def _answered(pages: Pages) -> bool:
    """Whether each stanza was answered, in time: the run's own question does not reach this simulator."""
    return not any(pages.teimoso("simulate unanswered").values())


def _scanned(pages: Pages, name: str, number: str) -> bool | None:
    try:
        pages.run("head", f"teimoso simulate scan {name} {number}")
    except AssertionError:
        return None
    return True
