"""What a crash costs with either engine: 20 messages in flight, and `kill -9` at the same step."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Simulator
    from tests.integration.whatsmeow.device import Device
    from tests.run.figures import Figure

COUNT = 20
AT = 7
"""It dies in the commit of this one, which takes a second."""


def lost(
    simulator: Simulator, made: Callable[..., Device], engine: str, number: str, friend: str
) -> int:
    """How many of the messages the next owner does not have, and WhatsApp gives no more."""
    first = made(engine=engine)
    first.pair(number)
    first.send(friend, "opens")
    first.said(friend, {"text": "opens, too"}, number)
    simulator.settled(number)
    first.close()
    texts = [f"{engine} {each}" for each in range(COUNT)]
    for text in texts:
        simulator.say(friend, number, text)
    assert simulator.account(number)["unacknowledged"] == COUNT
    dying = made(engine=engine, directory=first.directory, epoch=2, dies_at=AT)
    until(lambda: dying.process._process.poll() is not None, 20)
    assert dying.process._process.returncode == -signal.SIGKILL, dying.log.read_text()[-2000:]
    until(lambda: not simulator.account(number)["online"])
    waiting = simulator.account(number)["unacknowledged"]
    after = made(engine=engine, directory=first.directory, epoch=3)
    after.wait("open")
    after.said(friend, {"text": "and goes on"}, number)
    simulator.settled(number)
    got = [one["text"] for one in after.pending("message") if one["text"] in texts]
    assert len(got) == len(set(got)), "twice"
    assert got == [text for text in texts if text in got], "out of order"
    gone = COUNT - len(got)
    after.close()
    print(
        f"{engine}: killed in the commit of message {AT} of {COUNT} in flight, when"
        f" {COUNT - waiting} were acknowledged: {gone} lost"
    )
    return gone


@pytest.mark.timeout(180)
def test_what_a_kill_loses(
    simulator: Simulator, made: Callable[..., Device], friend: str, figure: Figure
) -> None:
    """G5 for the native engine; the window that the second one declares for the other."""
    native = lost(simulator, made, "native", "15550100031", friend)
    neonize = lost(simulator, made, "neonize", "15550100032", friend)
    figure(f"lost of {COUNT} in flight at kill -9: native {native}, neonize {neonize}")
    assert native == 0
    assert neonize > 0, "it keeps more than it declares"
