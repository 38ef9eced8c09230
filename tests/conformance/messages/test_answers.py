"""Each stanza is answered properly, also one that a client cannot use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import KINDS, Client, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.processes import Simulator


def owed(simulator: Simulator, number: str) -> list[tuple[str, list[str]]]:
    """Returns the stanzas without an answer within five seconds, and the reasons against answers."""
    found = simulator.http.get("/unanswered", params={"account": number, "wait": 5}).json()
    return [(one["kind"], one["wrong"]) for state in found.values() for one in state]


def goes_on(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.say(friend, client.number, f"after {friend}")
    client.wait("message", text=f"after {friend}")
    assert owed(simulator, client.number) == []
    simulator.settled(client.number)


@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_answers_messages_receipts_and_notifications(
    simulator: Simulator, client: Client, friend: str, mode: str
) -> None:
    simulator.post(f"/contacts/{friend}/addressing", mode=mode)
    second = int(simulator.post(f"/contacts/{friend}/devices")["device"])
    simulator.say(friend, client.number, f"from the desk {friend}", device=second)
    client.wait("message", text=f"from the desk {friend}")
    client.send(friend, "hello")
    until(lambda: simulator.texts(friend) == ["hello"])
    assert simulator.http.delete(f"/contacts/{friend}/devices/{second}").is_success
    simulator.post(f"/phones/{client.number}/say", to=friend, text="from my pocket")
    goes_on(simulator, client, friend)


@pytest.fixture(scope="module")
def own_clients(
    simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Client]]:
    """Gives this file's own client of a kind: what it left unanswered would wait for other files."""
    clients: dict[str, Client] = {}

    def give(kind: str) -> Client:
        if kind not in clients:
            clients[kind] = Client(kind, simulator, tmp_path_factory.mktemp(kind))
            clients[kind].pair(f"1555012800{KINDS.index(kind)}")
        one = clients[kind]
        simulator.http.delete("/faults", params={"account": one.number})
        one.attempt(one.prepare)
        one.restarts = 0
        return one

    try:
        yield give
        simulator.answered()
    finally:
        for client in clients.values():
            client.process.kill()


@pytest.fixture
def own(kind: str, own_clients: Callable[[str], Client]) -> Client:
    return own_clients(kind)


@pytest.mark.parametrize("what", ["unparsable", "no_protobuf", "status"])
def test_answers_what_it_cannot_use(
    simulator: Simulator, own: Client, friend: str, what: str
) -> None:
    client = own
    if what == "status":
        simulator.post(f"/contacts/{friend}/status", to=client.number, text="at sea")
    else:
        made = simulator.post("/faults", account=client.number, kind=what, contact=friend)
        assert made["reached"] == 1
    goes_on(simulator, client, friend)


@pytest.mark.differs(neonize="D11")
def test_refuses_an_unknown_tag(
    simulator: Simulator,
    kind: str,
    another: Callable[..., Client],
    friend: str,
    *,
    request: pytest.FixtureRequest,
) -> None:
    client = another(kind)
    client.pair(friend.replace("1555011", "1555012"))
    simulator.post(f"/accounts/{client.number}/rules", unknown_tags=True)
    simulator.post("/faults", account=client.number, kind="unknown_tag")
    if kind == "neonize":
        request.applymarker(pytest.mark.leaves_unanswered("novelty"))
        assert owed(simulator, client.number) == [("novelty", [])]
        return
    goes_on(simulator, client, friend)


def test_an_unknown_tag_disturbs_nobody(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.post("/faults", account=client.number, kind="unknown_tag")
    goes_on(simulator, client, friend)


@pytest.mark.parametrize("times", [1, 2])
def test_answers_each_ciphertext_that_does_not_decrypt(
    simulator: Simulator, client: Client, friend: str, times: int
) -> None:
    """A retry receipt alone settles nothing; neither loses an ack the resend that is on its way."""
    fault = simulator.post("/faults", account=client.number, kind="garble", count=times)["id"]
    simulator.say(friend, client.number, f"garbled {friend}")
    client.wait("message", text=f"garbled {friend}")
    assert simulator.struck(fault) == times
    goes_on(simulator, client, friend)


@pytest.mark.differs(tryx="D26")
@pytest.mark.parametrize("demanded", [False, True])
@pytest.mark.parametrize("garbled", [False, True])
def test_settles_the_copy_of_an_own_message(
    simulator: Simulator, own: Client, friend: str, *, demanded: bool, garbled: bool
) -> None:
    """By a receipt of type `sender`, where that is demanded."""
    client = own
    simulator.post(f"/accounts/{client.number}/rules", own_copies=demanded)
    fault = simulator.fault(client.number, "garble", count=1) if garbled else None
    simulator.post(f"/phones/{client.number}/say", to=friend, text="from my pocket")
    if garbled and client.kind == "tryx":
        client.wait("undecryptable")
    else:
        client.wait("message", text="from my pocket")
    assert fault is None or simulator.struck(fault) == 1
    assert owed(simulator, client.number) == []
    simulator.settled(client.number)
