"""Allowances of messages and budgets of devices."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from actors.connection.native.signal import decryption_budget
from actors.connection.native.signal.decryption_budget import (
    ACCEPTANCE,
    BURST,
    LOADING,
    MAX_UNVERIFIED_HMACS,
    ORDINARY,
    RATE,
    Allowance,
    Budgets,
    Prepared,
)
from actors.connection.protocol.decryption_errors import Undecryptable, Unprepared

MALLORY, ALICE = "15550100009@s.whatsapp.net", "15550100001@s.whatsapp.net"


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def left(budgets: Budgets, device: str) -> int:
    """Effort that one message of the device may take."""
    with budgets.allowance(device, 0) as allowance:
        most = 0
        while True:
            try:
                allowance.demand(1, "bad_mac")
            except Undecryptable as refused:
                allowance.spent = 0  # looking costs nothing
                exhausted = refused.reason == "over_budget"
                assert exhausted == (most == ORDINARY)
                return most
            most += 1


def spend(budgets: Budgets, device: str, effort_: int) -> None:
    with budgets.allowance(device, 0) as allowance:
        allowance.pay(effort_)


@pytest.mark.parametrize(
    ("within", "exhausted", "error", "reason"),
    [
        (True, False, Unprepared, None),
        (False, False, Undecryptable, "too_far"),
        (False, True, Undecryptable, "over_budget"),
        (True, True, Undecryptable, "over_budget"),
    ],
)
def test_more_than_is_allowed_is_refused_and_takes_nothing(
    *, within: bool, exhausted: bool, error: type[Exception], reason: str | None
) -> None:
    allowance = Allowance(100, 0, within=within, exhausted=exhausted)
    allowance.demand(60, "too_far")
    with pytest.raises(error) as refused:
        allowance.demand(41, "too_far")
    assert getattr(refused.value, "reason", None) == reason
    allowance.demand(40, "too_far")
    assert allowance.spent == 100


def test_bytes_are_authenticated_once_for_nothing_outside_a_transaction() -> None:
    outside = Allowance(100, 50 * 1_024)
    outside.demand(60, "bad_mac", mac=True)
    with pytest.raises(Undecryptable):
        outside.demand(0, "bad_mac", mac=True)
    inside = Allowance(100, 50 * 1_024, within=True)
    with pytest.raises(Unprepared):
        inside.demand(60, "bad_mac", mac=True)


@pytest.mark.parametrize(
    ("size", "base", "most"),
    [
        (0, 0, MAX_UNVERIFIED_HMACS),
        (100 * 1_024, 0, MAX_UNVERIFIED_HMACS - 100),
        (512 * 1_024, 0, ORDINARY),
        (0, ACCEPTANCE, ACCEPTANCE + ORDINARY),
        (100 * 1_024, ACCEPTANCE, ACCEPTANCE + ORDINARY - 100),
        (512 * 1_024, ACCEPTANCE, ACCEPTANCE + LOADING),
    ],
)
def test_a_large_message_takes_less_beside_one_mac_over_its_bytes(
    size: int, base: int, most: int
) -> None:
    for effort, refused in ((most, False), (most + 1, True)):
        with (
            pytest.raises(Undecryptable) if refused else nullcontext(),
            Budgets(Clock()).allowance(MALLORY, size, base=base) as allowance,
        ):
            allowance.demand(effort, "too_far", mac=True)


def test_an_authentic_message_pays_outside_a_transaction_whatever_is_left() -> None:
    Allowance(10, 0).pay(11)
    for exhausted in (False, True):
        with pytest.raises(Unprepared):
            Allowance(10, 0, within=True, exhausted=exhausted).pay(11)


def test_a_budget_runs_out_and_fills_up_again_and_is_one_devices() -> None:
    clock = Clock()
    budgets = Budgets(clock)
    assert left(budgets, MALLORY) == MAX_UNVERIFIED_HMACS
    spend(budgets, MALLORY, BURST)
    assert left(budgets, MALLORY) == ORDINARY
    assert left(budgets, ALICE) == MAX_UNVERIFIED_HMACS
    clock.now += 1 / RATE
    assert left(budgets, MALLORY) == MAX_UNVERIFIED_HMACS
    clock.now += 1_000_000
    spend(budgets, MALLORY, BURST - 1)
    assert left(budgets, MALLORY) == MAX_UNVERIFIED_HMACS, (
        "it was filled to the brim, and no further"
    )
    spend(budgets, MALLORY, ORDINARY + 1)
    assert left(budgets, MALLORY) == ORDINARY


def test_ordinary_messages_cost_no_budget() -> None:
    budgets = Budgets(Clock())
    for _ in range(BURST):
        spend(budgets, MALLORY, ORDINARY)
    assert left(budgets, MALLORY) == MAX_UNVERIFIED_HMACS
    with budgets.allowance(MALLORY, 0, base=500) as allowance:
        allowance.pay(500 + ORDINARY)
    spend(budgets, MALLORY, BURST - 1)
    assert left(budgets, MALLORY) == MAX_UNVERIFIED_HMACS


def test_a_bounded_number_of_budgets_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decryption_budget, "_PEERS", 3)
    budgets = Budgets(Clock())
    for device in "abca":
        spend(budgets, device, BURST)
    spend(budgets, "d", BURST)
    found = {device: left(budgets, device) for device in "abcd"}
    assert found == {"a": ORDINARY, "b": MAX_UNVERIFIED_HMACS, "c": ORDINARY, "d": ORDINARY}


def test_what_was_prepared_holds_until_the_owners_keys_change() -> None:
    prepared: Prepared[int] = Prepared()
    prepared.put("a", b"x", 1)
    prepared.put("a", b"y", Undecryptable("bad_mac"))
    prepared.put("b", b"x", 2)
    assert (prepared.get("a", b"x"), prepared.get("a", b"z"), prepared.get("c", b"x")) == (
        1,
        None,
        None,
    )
    with pytest.raises(Undecryptable, match="bad_mac"):
        prepared.get("a", b"y")
    assert prepared.get("a", b"y") is None, "a refusal is of use once, and its bytes are not kept"
    prepared.drop("a")
    assert (prepared.get("a", b"y"), prepared.get("b", b"x")) == (None, 2)
    prepared.clear()
    assert prepared.get("b", b"x") is None
