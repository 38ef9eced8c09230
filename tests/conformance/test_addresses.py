"""What people are named by in direct messages: LIDs or numbers, and never both in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import runs_whatsmeow, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.processes import Client, Simulator

UNMIGRATED = "1555010005"


def named_by(simulator: Simulator, number: str) -> tuple[int, int]:
    """How many direct messages of the account named people by LID, and by number."""
    account = simulator.account(number)
    return account["sent_by_lid"], account["sent_by_pn"]


def test_names_people_by_lid(
    simulator: Simulator, client: Client, friend: str, request: pytest.FixtureRequest
) -> None:
    """One who was never heard of, one who wrote by LID, and one who wrote by number."""
    if client.kind == "native":
        reason = "it names people by number once that is known"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))
    by_lid, by_number = named_by(simulator, client.number)
    misnamed = simulator.account(client.number)["misnamed_copies"]
    client.send(friend, "first")
    for mode in ("lid", "pn"):
        simulator.say(friend, client.number, mode, addressing=mode)
        client.wait("message", text=mode)
        client.send(friend, f"{mode} answered")
    until(lambda: simulator.texts(friend) == ["first", "lid answered", "pn answered"])
    assert named_by(simulator, client.number) == (by_lid + 3, by_number)
    assert simulator.account(client.number)["misnamed_copies"] == misnamed


@pytest.mark.differs(neonize="D12", whatsmeow="D12")
def test_names_people_by_number_before_its_account_migrated(
    simulator: Simulator, kind: str, another: Callable[..., Client], friend: str
) -> None:
    """Told so when it is linked; the server refuses LIDs of such accounts where it is said to."""
    number = f"{UNMIGRATED}{['neonize', 'tryx', 'native', 'whatsmeow'].index(kind)}"
    simulator.post(f"/accounts/{number}", migrated=False)
    client = another(kind)
    client.pair(number)
    if runs_whatsmeow(kind):
        client.send(friend, "by lid")
        until(lambda: simulator.texts(friend) == ["by lid"])
        assert named_by(simulator, number) == (1, 0)
        simulator.post(f"/accounts/{number}/rules", unmigrated_lid=True)
        client.process.command(do="send", to=friend, text="refused")
        assert "400" in client.wait("failed")["error"]
        return
    simulator.post(f"/accounts/{number}/rules", unmigrated_lid=True)
    client.send(friend, "by number")
    until(lambda: simulator.texts(friend) == ["by number"])
    assert named_by(simulator, number) == (0, 1)
