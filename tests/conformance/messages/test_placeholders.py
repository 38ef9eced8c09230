"""Messages without a ciphertext, which the phone has, and edits that are sealed in the message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.messages.test_answers import goes_on, owed
from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator


def resent(simulator: Simulator, client: Client) -> int:
    return int(simulator.account(client.number)["placeholder_resends"])


@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_gets_from_its_phone_what_came_without_a_ciphertext(
    simulator: Simulator, client: Client, friend: str, mode: str
) -> None:
    # whatsmeow asks a phone that has written to it before, as real ones do after the pairing.
    simulator.post(f"/phones/{client.number}/say", to=friend, text=f"my own {friend}")
    client.wait("message", text=f"my own {friend}")
    before = resent(simulator, client)
    text = f"from an ad {friend}"
    message_id = simulator.say(friend, client.number, text, addressing=mode, unavailable="plain")
    client.wait("message", id=message_id, text=text)
    assert resent(simulator, client) == before + 1
    goes_on(simulator, client, friend)


@pytest.mark.differs(neonize="D27", tryx="D27")
def test_gets_from_its_phone_what_came_without_any_content(
    simulator: Simulator,
    kind: str,
    another: Callable[..., Client],
    friend: str,
    *,
    request: pytest.FixtureRequest,
) -> None:
    client = another(kind)
    client.pair(friend.replace("1555011", "1555012"))
    simulator.post(f"/phones/{client.number}/say", to=friend, text=f"my own {friend}")
    client.wait("message", text=f"my own {friend}")
    text = f"from an ad {friend}"
    message_id = simulator.say(friend, client.number, text, unavailable="absent")
    if kind == "tryx":
        request.applymarker(pytest.mark.leaves_unanswered("message/text"))
        simulator.say(friend, client.number, f"after {friend}")
        client.wait("message", text=f"after {friend}")
        assert owed(simulator, client.number) == [("message/text", [])]
    elif kind == "neonize":
        goes_on(simulator, client, friend)
    else:
        client.wait("message", id=message_id, text=text)
        goes_on(simulator, client, friend)
    assert resent(simulator, client) == (0 if kind in ("neonize", "tryx") else 1)


def test_lives_with_a_phone_that_has_nothing(
    simulator: Simulator, client: Client, friend: str
) -> None:
    simulator.post(f"/phones/{client.number}/say", to=friend, text=f"my own {friend}")
    client.wait("message", text=f"my own {friend}")
    simulator.post(f"/phones/{client.number}", resends=False)
    before = resent(simulator, client)
    simulator.say(friend, client.number, f"lost {friend}", unavailable="plain")
    until(lambda: resent(simulator, client) > before)
    goes_on(simulator, client, friend)
    simulator.post(f"/phones/{client.number}", resends=True)
    assert f"lost {friend}" not in [line.get("text") for line in client.process.seen]


@pytest.mark.differs(neonize="D18")
@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_reads_an_edit_that_is_sealed(
    simulator: Simulator, kind: str, client: Client, friend: str, mode: str
) -> None:
    said = {"secret": True, "addressing": mode}
    message_id = simulator.say(friend, client.number, f"frist {friend}", **said)
    client.wait("message", text=f"frist {friend}")
    edit = {"type": "edit", "target": message_id, "encrypted": True, "addressing": mode}
    simulator.say(friend, client.number, f"first {friend}", **edit)
    if kind == "neonize":
        goes_on(simulator, client, friend)
        assert f"first {friend}" not in [line.get("text") for line in client.process.seen]
        return
    client.wait("message", text=f"first {friend}")
    goes_on(simulator, client, friend)
