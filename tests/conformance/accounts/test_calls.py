"""Calls: each client answers their stanzas, and may decline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.messages.test_answers import goes_on
from tests.conformance.processes import until

if TYPE_CHECKING:
    from tests.conformance.processes import Client, Simulator


def call_of(simulator: Simulator, friend: str) -> dict[str, Any]:
    items: list[dict[str, Any]] = simulator.http.get(f"/contacts/{friend}/call").json()["items"]
    return items[-1]


@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_answers_an_offer_and_its_end(
    simulator: Simulator, client: Client, friend: str, mode: str
) -> None:
    simulator.post(f"/contacts/{friend}/call", to=client.number, addressing=mode)
    goes_on(simulator, client, friend)
    assert simulator.http.delete(f"/contacts/{friend}/call").json()["ended"]
    simulator.settled(client.number)


@pytest.mark.parametrize("mode", ["pn", "lid"])
def test_declines_a_call(simulator: Simulator, versatile: Client, friend: str, mode: str) -> None:
    made = simulator.post(
        f"/contacts/{friend}/call", to=versatile.number, addressing=mode, video=True
    )
    versatile.wait("call", id=made["id"])
    versatile.process.command(do="reject", id=made["id"])
    until(lambda: call_of(simulator, friend)["state"] == "rejected")
    device = simulator.account(versatile.number)["devices"][-1]["device"]
    assert call_of(simulator, friend)["by"] == device
    goes_on(simulator, versatile, friend)
