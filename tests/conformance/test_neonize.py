"""neonize (whatsmeow, Go), which nobody here wrote, against the simulator.

That it pairs, logs in, sends, receives and recovers is the evidence that the simulator speaks
WhatsApp's protocol and not a dialect shared with the engine.
"""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import Neonize, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Simulator

# Looked for, not imported: its protobuf classes stay out of this process.
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("neonize") is None, reason="the foreign client is not installed"
)

SHOP = "15550100001"


@pytest.fixture(scope="module")
def shop(neonize: Callable[[str], Neonize]) -> Neonize:
    """A paired client that several tests use, each with contacts of its own."""
    return neonize(SHOP)


def texts(simulator: Simulator, number: str) -> list[str]:
    return [item["text"] for item in simulator.inbox(number)]


def test_pairs_sends_and_receives(simulator: Simulator, shop: Neonize) -> None:
    friend = "15550100010"
    assert simulator.account(SHOP)["prekeys"] > 100

    sent = [shop.send(friend, f"out {number}") for number in range(5)]
    inbox = simulator.inbox(friend)
    assert [(item["id"], item["text"]) for item in inbox] == [
        (message_id, f"out {number}") for number, message_id in enumerate(sent)
    ]
    assert {(item["from"], item["deliveries"]) for item in inbox} == {(SHOP, 1)}
    copies = simulator.http.get(f"/accounts/{SHOP}/copies").json()["items"]
    assert [item["id"] for item in copies if item["to"] == friend] == sent

    said = [simulator.say(friend, SHOP, f"in {number}") for number in range(5)]
    arrived = [shop.wait("message", sender=friend) for _ in said]
    assert [(event["id"], event["text"]) for event in arrived] == [
        (message_id, f"in {number}") for number, message_id in enumerate(said)
    ]
    simulator.settled(SHOP)


def test_delivered_then_read(simulator: Simulator, shop: Neonize) -> None:
    message_id = shop.send("15550100011", "seen?")
    types = [shop.wait("receipt", ids=[message_id])["type"] for _ in range(2)]
    # neonize's numbers for `delivered` and `read`
    assert types == ["1", "4"]
    simulator.settled(SHOP)


def test_addressed_by_lid_and_by_number(simulator: Simulator, shop: Neonize) -> None:
    stranger = "15550100012"
    simulator.say(stranger, SHOP, "by lid", addressing="lid")
    assert shop.wait("message", text="by lid")["sender_alt"] == stranger
    simulator.say(stranger, SHOP, "by number")
    assert shop.wait("message", text="by number")["sender"] == stranger


def test_reads_what_it_first_could_not_decrypt(simulator: Simulator, shop: Neonize) -> None:
    friend = "15550100013"
    simulator.say(friend, SHOP, "opens the session")
    shop.wait("message", text="opens the session")
    fault = simulator.post("/faults", account=SHOP, kind="garble")
    message_id = simulator.say(friend, SHOP, "garbled at first")
    assert shop.wait("message", text="garbled at first")["id"] == message_id
    (struck,) = [
        one["struck"]
        for one in simulator.http.get("/faults").json()["items"]
        if one["id"] == fault["id"]
    ]
    assert struck == 1
    said = simulator.http.get(f"/contacts/{friend}/said").json()["items"]
    assert [item["retries"] for item in said] == [0, 1]
    simulator.settled(SHOP)


@pytest.mark.parametrize(("identity", "friend"), [("same", "15550100014"), ("new", "15550100015")])
def test_encrypts_again_for_a_contact_who_lost_the_session(
    simulator: Simulator, shop: Neonize, identity: str, friend: str
) -> None:
    shop.send(friend, "before")
    simulator.post(f"/contacts/{friend}/reinstall", identity=identity)
    shop.send(friend, "after")
    until(lambda: texts(simulator, friend) == ["before", "after"])
    assert [item["deliveries"] for item in simulator.inbox(friend)] == [1, 1]
    simulator.say(friend, SHOP, f"heard you, {identity}")
    shop.wait("message", text=f"heard you, {identity}")
    simulator.settled(SHOP)


def test_phone_sends_and_its_companion_sees_it(simulator: Simulator, shop: Neonize) -> None:
    friend = "15550100016"
    simulator.say(SHOP, friend, "typed on the phone")
    assert shop.wait("message", text="typed on the phone")["from_me"]
    assert texts(simulator, friend) == ["typed on the phone"]
    simulator.settled(SHOP)


def test_number_check(simulator: Simulator, shop: Neonize) -> None:
    simulator.post("/contacts/15550100018", registered=False)
    for number, registered in (("15550100017", True), ("15550100018", False)):
        shop.process.command(do="check", number=number)
        assert shop.wait("checked")["registered"] == [registered]


def test_two_accounts_write_to_each_other(
    simulator: Simulator, shop: Neonize, neonize: Callable[[str], Neonize]
) -> None:
    other_number = "15550100002"
    other = neonize(other_number)
    shop.send(other_number, "from shop")
    other.wait("message", text="from shop")
    other.send(SHOP, "from other")
    shop.wait("message", text="from other")
    # the owner's phone got it too
    assert texts(simulator, other_number) == ["from shop"]


def test_catches_up_after_its_process_was_killed(
    simulator: Simulator, neonize: Callable[[str], Neonize]
) -> None:
    number, friend = "15550100003", "15550100020"
    client = neonize(number)
    simulator.say(friend, number, "before")
    client.wait("message", text="before")
    simulator.settled(number)
    client.process.kill()
    until(lambda: not simulator.account(number)["online"])

    for index in range(30):
        simulator.say(friend, number, f"missed {index}")
    assert simulator.account(number)["unacknowledged"] == 30
    client.start()
    arrived = [client.wait("message")["text"] for _ in range(30)]
    assert arrived == [f"missed {index}" for index in range(30)]
    client.send(friend, "back")
    assert texts(simulator, friend) == ["back"]
    simulator.settled(number)
    assert sum(simulator.account(number)["logins"].values()) == 2

    # the same device once more while the first is still there
    first = client.process
    try:
        client.start()
        client.wait("connected")
        first.await_event("replaced")
        simulator.say(friend, number, "to the successor")
        client.wait("message", text="to the successor")
    finally:
        first.kill()

    assert simulator.post("/faults", account=number, kind="logout")["reached"] == 1
    client.wait("logged_out")
    assert simulator.account(number)["devices"] == []


def test_refuses_a_server_under_another_root_key(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Neonize(
        simulator, tmp_path_factory.mktemp("client"), root_key=bytes(range(32)).hex()
    )
    try:
        with pytest.raises(AssertionError):
            stranger.wait("qr", seconds=3.0)
    finally:
        stranger.process.kill()


def test_simulator_killed_and_started_again(simulator: Simulator, shop: Neonize) -> None:
    friend = "15550100021"
    shop.send(friend, "first")
    simulator.say(friend, SHOP, "first answer")
    shop.wait("message", text="first answer")
    simulator.settled(SHOP)
    shop.process.kill()
    simulator.say(friend, SHOP, "waiting")
    root_key = simulator.root_key

    simulator.kill()
    simulator.start()

    assert simulator.root_key == root_key
    assert simulator.account(SHOP)["unacknowledged"] == 1
    shop.start()
    shop.wait("message", text="waiting")
    shop.send(friend, "second")
    assert texts(simulator, friend) == ["first", "second"]
    simulator.settled(SHOP)
