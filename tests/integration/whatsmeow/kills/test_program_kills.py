"""G3, G5: the program is killed by the kernel at each kind of its steps, with messages in flight both ways.

strace attaches to it and kills it as it enters a call, so that the product has no switch for that.
"""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from actors.connection.whatsmeow.program.executable import DATABASE
from tests.conformance.processes import until
from tests.integration.whatsmeow.kills.test_kills import died, outcomes
from tests.processes.tracing import STRACE, calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.whatsmeow.conftest import Town

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(STRACE is None, reason="strace is not installed, so no call can be met"),
]

COUNT = 20
STEPS = [
    ("keys", "pwrite64", 1),  # before the commit of its keys
    *(("keys", "fsync", at) for at in (1, 2)),  # after it, before what follows from it
    *(("pipe", "write", at) for at in (1, 5)),  # deliveries, and answers to sends
    *(("socket", "write", at) for at in (1, 5)),  # receipts and messages
]


def path_of(what: str, program: int, directory: Path) -> str:
    """The name that the kernel has for a file of the program."""
    if what == "keys":
        return str(directory / f"{DATABASE}-wal")
    sockets = {one.fd for one in psutil.Process(program).net_connections("tcp")}
    names = {int(each.name): str(each.readlink()) for each in Path(f"/proc/{program}/fd").iterdir()}
    wanted = [
        name
        for number, name in names.items()
        if name.startswith("socket:") and (number in sockets) is (what == "socket")
    ]
    assert len(set(wanted)) == 1, names
    return wanted[0]


@contextmanager
def killed_at(program: int, path: str, call: str, at: int, output: Path) -> Iterator[None]:
    """The program is killed as one of its threads enters the call on this file for the `at`-th time from now on."""
    assert STRACE is not None
    command = [STRACE, "-f", "-y", "-o", str(output), "-P", path, "-e", f"trace={call}"]
    inject = ["-e", f"inject={call}:signal=KILL:when={at}", "-p", str(program)]
    with subprocess.Popen([*command, *inject], stderr=subprocess.PIPE, text=True) as strace:
        said = strace.stderr
        assert said is not None
        until(lambda: "attached" in said.readline())
        try:
            yield
            strace.wait(30)
        finally:
            strace.kill()


@pytest.mark.parametrize(("what", "call", "at"), STEPS)
def test_nothing_is_lost_or_doubled(
    town: Town, what: str, call: str, at: int, tmp_path: Path
) -> None:
    directory, output = town.acquainted(), tmp_path / "strace"
    phone = town.made(directory=directory, epoch=2)
    program = phone.wait("open")["program"]
    town.simulator.settled(town.number)
    texts = [f"text {each}" for each in range(1, COUNT + 1)]
    path = path_of(what, program, directory)
    with killed_at(program, path, call, at, output):
        say = {"to": town.number, "text": "text", "count": COUNT}
        town.simulator.post(f"/contacts/{town.friend}/say", **say)
        begun = [(phone.begin(town.friend, f"out {text}"), f"out {text}") for text in texts]
        died(phone)
    met = output.read_text()
    assert "killed by SIGKILL" in met
    assert len([one for one in calls(met) if one[0] == call and path in one[1]]) >= at, met
    phone.wait("open")
    until(lambda: len(outcomes(phone)) == COUNT)
    sent = [one["id"] for one in outcomes(phone) if one["event"] == "sent"]
    assert len(sent) < COUNT, "nothing was in flight"
    for id_, text in begun:
        if id_ not in sent:
            town.sent_again(phone, text, id_)
    found = [one for one in town.simulator.inbox(town.friend) if one["text"].startswith("out")]
    assert [(one["id"], one["text"]) for one in found] == begun
    town.goes_on(phone)
    assert [one["text"] for one in phone.pending("message") if one["text"] in texts] == texts
    assert town.account["retries"] == 0, "what came again was not repeated from its plaintext"
