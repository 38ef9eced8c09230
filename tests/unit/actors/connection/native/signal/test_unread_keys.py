"""Messages under a ratchet key that no session reads: tried a few times, and again once other sessions are there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.native.signal.device_sessions import new_key_pair
from actors.connection.native.signal.signal_messages import PrekeyMessage
from tests.unit.actors.connection.native.hostile_peer import Cost, fill, forged
from tests.unit.actors.connection.native.signal_devices import open_both

if TYPE_CHECKING:
    import pytest

    from tests.unit.actors.connection.native.signal_devices import Device, Sent

LID = "15550100009@lid"


async def test_messages_under_one_unknown_key_are_tried_a_few_times(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait on a session that an old copy lacks: their sender's answers need its budget."""
    await fill(alice, bob, sessions=5, skipped=0)
    cost = Cost(bob.session, monkeypatch)
    key = new_key_pair()[1]
    for counter in range(100):
        await bob.refuses(forged(counter, key=key), "bad_mac")
    assert 0 < cost.agreements <= 10
    assert not bob.signal.budgets.exhausted(bob.peer)
    cost.clear()
    await bob.refuses(forged(0, key=new_key_pair()[1]), "bad_mac")
    assert cost.agreements > 0, "another key is tried"


async def test_a_key_is_not_given_up_for_messages_that_cost_too_much(
    alice: Device, bob: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every session was tried for them."""
    await fill(alice, bob, sessions=5, skipped=0)
    key = new_key_pair()[1]
    for _ in range(5):
        await bob.refuses(forged(300, key=key), "bad_mac")
    cost = Cost(bob.session, monkeypatch)
    await bob.refuses(forged(1, key=key), "bad_mac")
    assert cost.agreements > 0


async def test_messages_that_came_before_their_session_are_read_after_it(
    alice: Device, bob: Device
) -> None:
    await fill(alice, bob, sessions=2, skipped=0)
    await alice.establish(await bob.bundle())
    first, *others = [await alice.encrypt(b"%d" % number) for number in range(9)]
    early: list[Sent] = [("msg", bytes(PrekeyMessage.decode(sent).message)) for _, sent in others]
    for each in early:
        await bob.refuses(each, "bad_mac")
    assert await bob.decrypt(first) == b"0"
    assert [await bob.decrypt(each) for each in early] == [b"%d" % n for n in range(1, 9)]


async def test_a_key_is_tried_again_on_a_session_that_comes_from_another_address(
    alice: Device, bob: Device
) -> None:
    number, bob.peer = bob.peer, LID
    await open_both(alice, bob)
    waiting = [await alice.encrypt(b"%d" % count) for count in range(9)]
    bob.peer = number
    await open_both(alice, bob)
    for each in waiting[1:6]:
        await bob.refuses(each, "bad_mac")
    async with bob.session.transaction():
        bob.session.keys.move_ratchets(LID, number)
    assert await bob.decrypt(waiting[6]) == b"6"
