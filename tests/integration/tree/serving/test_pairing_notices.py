"""Each QR and code of a connection that waits for a phone is noted, without it, once others can have it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from actors.connection.abilities.port import NO_PASSKEY, Passkey
from actors.connection.engine import NO_CODE, PairingCode, Qr
from actors.redis.leases.leases import Owner
from tests.waits import eventually

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served
    from tests.processes.valkey import Valkey


async def waits(served: Served) -> None:
    served.engine.opens = False
    served.engine.account = None
    await served.begin()


async def noted(served: Served, count: int) -> list[dict[str, Any]]:
    await eventually(f"{count} are noted", lambda: len(served.shelf.notices) >= count, 10)
    return served.shelf.notices


async def test_each_is_noted_once_in_order_and_without_itself(served: Served) -> None:
    await waits(served)
    until = time.time() + 20
    await served.engine.events.on_qr(Qr("2@first", until))
    await noted(served, 1)
    await served.engine.events.on_code(PairingCode("K7RM-2V9D", until + 1))
    await noted(served, 2)
    await served.engine.events.on_code(NO_CODE)
    await served.engine.events.on_qr(Qr("2@second", until + 2))
    notices = await noted(served, 3)
    assert [(each["kind"], each["number"]) for each in notices] == [
        ("qr", 1),
        ("code", 2),
        ("qr", 3),
    ]
    assert [each["expires_at"] for each in notices] == [until, until + 1, until + 2]
    assert all(abs(each["at"] - time.time()) < 10 for each in notices)
    assert "2@" not in repr(notices)
    assert "K7RM" not in repr(notices)


async def test_a_passkeys_challenge_is_in_the_lease_until_it_is_void(served: Served) -> None:
    """Beside the QR, and noted without itself."""
    await waits(served)
    until = time.time() + 20
    challenge = Passkey.challenge({"challenge": "psst"}, until)
    await served.engine.events.on_qr(Qr("2@first", until))
    await served.engine.events.on_passkey(challenge)
    notices = await noted(served, 2)
    assert [each["kind"] for each in notices] == ["qr", "passkey"]
    assert "psst" not in repr([notices, challenge])

    async def step(wanted: str) -> bool:
        lease = await served.leases.read("shop")
        return lease is not None and lease.pairing_step == wanted

    await eventually("a passkey is waited for", lambda: step("passkey"), 10)
    assert await served.leases.passkey("shop") == (challenge.text, until)
    await served.engine.events.on_passkey(NO_PASSKEY)
    await eventually("a QR is waited for", lambda: step("qr"), 10)
    assert await served.leases.passkey("shop") is None
    assert await served.leases.qr("shop") == ("2@first", until)


async def test_a_qr_and_a_code_that_come_at_once_are_both_noted(served: Served) -> None:
    await waits(served)
    until = time.time() + 20
    await served.engine.events.on_qr(Qr("2@first", until))
    await served.engine.events.on_code(PairingCode("K7RM-2V9D", until))
    assert [each["kind"] for each in await noted(served, 2)] == ["qr", "code"]


async def test_of_several_that_wait_for_the_state_manager_the_newest_is_noted(
    served: Served,
) -> None:
    served.shelf.away = True
    await waits(served)
    until = time.time() + 20
    for number in range(3):
        await served.engine.events.on_qr(Qr(f"2@{number}", until + number))
    served.shelf.away = False
    assert [each["number"] for each in await noted(served, 1)] == [3]


async def test_what_is_not_shown_any_more_is_not_noted(served: Served) -> None:
    served.shelf.away = True
    await waits(served)
    await served.engine.events.on_qr(Qr("2@first", time.time() + 20))
    served.engine.account = "15550100001@s.whatsapp.net"
    await served.engine.events.on_paired(served.engine.account)
    served.shelf.away = False
    await eventually("the state arrived", lambda: served.shelf.observed, 10)
    assert served.shelf.notices == []


async def test_nothing_is_noted_before_redis_has_it(
    served_apart: Served, own_server: Valkey
) -> None:
    await waits(served_apart)
    own_server.kill()
    await served_apart.engine.events.on_qr(Qr("2@first", time.time() + 60))
    observed = served_apart.shelf.observed
    await eventually("it waits", lambda: observed and observed[-1]["state"] == "pairing", 10)
    assert served_apart.shelf.notices == []
    own_server.start()
    await noted(served_apart, 1)
    assert (await served_apart.leases.qr("shop") or ("", 0))[0] == "2@first"


async def test_an_owner_that_is_not_the_newest_notes_nothing_and_ends(served: Served) -> None:
    await waits(served)
    served.shelf.epoch = (await served.leases.take("shop", Owner("connection:b", 2, "here"))).epoch
    await served.engine.events.on_qr(Qr("2@first", time.time() + 20))
    assert (await served.serving.ended()).reason == "lost"
    assert served.shelf.notices == []
