"""The offline queue in batches: a client that requests them gets all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import as_handed_over, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator

PRIMER = 5
WAITING = 350
"""More than a primer and any client's first batch."""


@pytest.fixture
def client(simulator: Simulator, kind: str, another: Callable[..., Client], friend: str) -> Client:
    """A client of its own, which knows the friend, and is gone while much is said to it."""
    one = another(kind)
    one.pair(friend.replace("1555011", "1555012"))
    simulator.say(friend, one.number, "before")
    one.wait("message", text="before")
    simulator.settled(one.number)
    simulator.answered()
    one.process.stop()
    one.process.kill()
    until(lambda: not simulator.account(one.number)["online"])
    simulator.post(f"/contacts/{friend}/say", to=one.number, text="missed", count=WAITING)
    return one


def texts(client: Client, count: int) -> list[str]:
    """The texts of the next messages, in their order where the client keeps to one."""
    return as_handed_over(client.kind, [client.wait("message")["text"] for _ in range(count)])


def missed(client: Client, first: int = 1) -> list[str]:
    return as_handed_over(client.kind, [f"missed {number}" for number in range(first, WAITING + 1)])


@pytest.mark.differs(neonize="D19")
def test_requests_what_waits_for_it(simulator: Simulator, client: Client, friend: str) -> None:
    """A client that does not is deaf on that socket; nothing is lost by it."""
    account = f"/accounts/{client.number}"
    simulator.post(f"{account}/rules", offline_batches=True)
    client.start()
    asks = client.kind != "neonize"
    if not asks:
        assert texts(client, PRIMER) == [f"missed {number}" for number in range(1, PRIMER + 1)]
        left = WAITING - PRIMER
        until(lambda: simulator.account(client.number)["unacknowledged"] == left)
        simulator.say(friend, client.number, "live")
        with pytest.raises(AssertionError, match="silent"):
            client.wait("message", 3)
        simulator.post(f"{account}/rules", offline_batches=False)
        simulator.post("/faults", account=client.number, kind="drop")
    assert texts(client, WAITING - (0 if asks else PRIMER)) == missed(
        client, 1 if asks else PRIMER + 1
    )
    if asks:
        simulator.say(friend, client.number, "live")
    client.wait("message", text="live")
    simulator.settled(client.number)


def test_is_handed_what_waits_for_it(simulator: Simulator, client: Client) -> None:
    client.start()
    assert texts(client, WAITING) == missed(client)
    simulator.settled(client.number)
