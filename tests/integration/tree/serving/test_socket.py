"""One served connection whose socket closes, whatever the cause (G2, G6)."""

from __future__ import annotations

import asyncio
import time
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.disconnects.causes import Kind
from actors.connection.engine import Qr
from actors.connection.owner.timeouts import Timeouts
from actors.metrics.counters import measures
from actors.runtime.limits import disk_floor
from actors.runtime.limits.disk_floor import DiskFloor
from tests.integration.tree.conftest import PACE
from tests.integration.tree.scripted import ACCOUNT, ScriptedEngine
from tests.reserves import MORE_THAN_THERE_IS
from tests.waits import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.tree.conftest import Served


async def test_states_are_reported_to_both(served: Served) -> None:
    served.engine.opens = False
    served.engine.account = None
    await served.begin()
    await served.engine.events.on_qr(Qr("2@abc", time.time() + 20))
    await served.state("pairing")
    assert (await served.leases.qr("shop") or ("", 0))[0] == "2@abc"
    served.engine.account = "15550100001@s.whatsapp.net"
    await served.engine.events.on_paired(served.engine.account)
    served.engine.opens = True
    served.engine.close_socket(Kind.RESTART_REQUIRED)
    lease = await served.state("open")
    assert lease.account == served.engine.account
    assert await served.leases.qr("shop") is None
    served.engine.opens = False
    served.engine.close_socket(Kind.KEEPALIVE)
    assert (await served.state("reconnecting")).cause == "keepalive"

    async def seen() -> bool:
        states = [state for state, _ in groupby(each["state"] for each in served.shelf.observed)]
        return states[-2:] == ["open", "reconnecting"]

    await eventually("the state manager knows", seen, 10)
    assert {each["epoch"] for each in served.shelf.observed} == {served.lease.epoch}


async def test_restart_required_reconnects_at_once_and_network_backs_off(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    pause = Timeouts.pause

    def noted(*which: Any) -> float:
        pauses.append(pause(*which))
        return pauses[-1]

    monkeypatch.setattr(Timeouts, "pause", noted)
    await served.begin()
    for kind in (Kind.RESTART_REQUIRED, Kind.NETWORK, Kind.NETWORK):
        await served.state("open")
        runs = len(served.engine.runs)
        served.engine.close_socket(kind)

        async def again(runs: int = runs) -> bool:
            return len(served.engine.runs) > runs

        await eventually("another run", again, 10)
    at_once, first, second = pauses
    assert at_once == 0
    assert first > 0.05
    assert second > 0.1
    waited = [late - early for early, late in pairwise(served.engine.runs)]
    assert all(took > pause - 0.01 for took, pause in zip(waited, pauses, strict=True))


async def test_a_temporary_ban_is_waited_out(served: Served) -> None:
    await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.TEMPORARILY_BANNED, until=time.time() + 0.5)
    banned = await served.state("reconnecting")
    assert banned.cause == "temporarily_banned"
    assert banned.retry_at == banned.obstacle.until if banned.obstacle else None
    opened = await served.state("open")
    assert (opened.retry_at, opened.obstacle) == (None, None)
    first, second = served.engine.runs
    assert second - first >= 0.5


async def test_a_temporary_ban_outlives_its_owner(served: Served) -> None:
    """No successor tries to log in before its end, and no message counts an attempt."""
    await served.begin()
    await served.state("open")
    until = time.time() + 1.5
    served.engine.close_socket(Kind.TEMPORARILY_BANNED, until=until)
    await served.state("reconnecting")
    record = await served.accept()
    old = served.serving
    served.engine = ScriptedEngine()
    await served.begin()  # as after a crash: the old owner released nothing
    assert (await served.state("reconnecting")).retry_at == until
    await served.becomes(record, "sent")
    [run] = served.engine.runs
    assert run - time.monotonic() + time.time() >= until
    assert (await served.becomes(record, "sent")).attempts == 1
    assert (await old.ended()).reason == "lost"


async def test_a_full_disk_is_waited_out_without_a_login(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WhatsApp may take repeated logins for abuse; why there is none is shown all the while."""
    monkeypatch.setattr(disk_floor, "DISK_CHECK_SECONDS", 0.01)
    reserve = MORE_THAN_THERE_IS
    await served.begin(floor=DiskFloor([tmp_path], lambda: reserve))
    await served.state("open")
    served.engine.close_socket(Kind.DISK_FULL)
    await served.state("reconnecting")
    record = await served.accept()
    await asyncio.sleep(3 * PACE.reconnect_cap)
    waiting = await served.leases.read("shop")
    assert waiting is not None
    assert (waiting.state, waiting.cause, waiting.retry_at) == ("reconnecting", "disk_full", None)
    assert len(served.engine.runs) == 1
    reserve = 0
    await served.becomes(record, "sent")
    assert len(served.engine.runs) == 2
    served.engine.close_socket(Kind.DISK_FULL)
    reserve = MORE_THAN_THERE_IS
    await served.state("reconnecting")
    assert (await served.serving.stop()).reason == "stopped"


async def test_a_full_disk_above_its_floor_backs_off(served: Served, tmp_path: Path) -> None:
    """A quota of the disk, say."""
    await served.begin(floor=DiskFloor([tmp_path], int))
    await served.state("open")
    served.engine.close_socket(Kind.DISK_FULL)
    assert (await served.state("reconnecting")).retry_at is not None
    await served.state("open")


async def test_it_says_when_it_tries_again(served: Served) -> None:
    served.engine.opens = False
    await served.begin()
    served.engine.close_socket(Kind.NETWORK)
    lease = await served.state("reconnecting")
    assert lease.retry_at is not None
    assert lease.since < lease.retry_at < time.time() + 1


async def test_unlinked_it_asks_for_a_new_qr_and_keeps_what_waits(served: Served) -> None:
    """G2: what was accepted goes out once the same account is linked again."""
    serving = await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.LOGGED_OUT)
    lease = await served.state("pairing")
    assert (lease.cause, lease.epoch) == ("logged_out", served.lease.epoch)
    assert await served.leases.qr("shop")
    record = await served.accept()
    await asyncio.sleep(0.3)
    assert (await served.becomes(record, "queued")).attempts == 0
    # A crash meanwhile does not make it forget why it shows a QR.
    engine, served.engine = served.engine, ScriptedEngine()
    served.engine.account = None
    serving = await served.begin()
    assert (await served.state("pairing")).cause == "logged_out"
    await served.engine.scan(ACCOUNT)
    await served.becomes(record, "sent")
    assert (await served.state("open")).obstacle is None
    assert not engine.sent
    assert serving.now.cause is None


async def test_the_phone_of_another_number_is_turned_away(served: Served) -> None:
    """Nothing goes out from an account for which it was not accepted."""
    await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.LOGGED_OUT)
    await served.state("pairing")
    record = await served.accept()
    runs = len(served.engine.runs)
    await served.engine.scan("15550100099@s.whatsapp.net")

    async def turned_away() -> bool:
        return served.engine.logged_out and len(served.engine.runs) >= runs + 2

    await eventually("the other number is unlinked", turned_away, 10)
    lease = await served.state("pairing")
    assert (lease.cause, lease.account) == ("other_account", ACCOUNT)
    assert (await served.becomes(record, "queued")).attempts == 0
    assert not served.engine.sent
    await served.engine.scan(ACCOUNT)
    await served.becomes(record, "sent")


@pytest.mark.parametrize(
    ("kind", "reason", "state", "cause"),
    [
        (Kind.REPLACED, "failed", "failed", "replaced"),
        (Kind.LOCKED, "failed", "failed", "locked"),
        (Kind.OUTDATED, "failed", "failed", "outdated"),
        (Kind.BAD_SESSION, "failed", "failed", "bad_session"),
    ],
)
async def test_a_cause_that_ends_it(
    served: Served, kind: Kind, reason: str, state: str, cause: str
) -> None:
    """G6: above all, `replaced` never reconnects under the same lease."""
    serving = await served.begin()
    await served.state("open")
    served.engine.close_socket(kind)
    ending = await asyncio.wait_for(serving.ended(), 5)
    assert ending.reason == reason
    assert len(served.engine.runs) == 1
    assert served.engine.closed
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == (state, cause, None)


async def test_a_stanza_that_was_not_answered_is_counted_by_its_class(served: Served) -> None:
    def counted() -> float:
        labels = {"stanza": "receipt"}
        found = [
            value
            for name, seen, value in measures.samples
            if (name, seen) == ("teimoso_stanzas_unanswered", labels)
        ]
        return sum(value for value in found if isinstance(value, (int, float)))

    before = counted()
    await served.begin()
    await served.state("open")
    served.engine.close_socket(Kind.NETWORK, stanza="receipt/retry")
    await eventually("it is counted", lambda: counted() == before + 1, 10)
    served.engine.close_socket(Kind.NETWORK)
    await eventually("it went on", lambda: len(served.engine.runs) >= 3, 10)
    assert counted() == before + 1


async def test_the_end_of_the_announced_version_is_in_the_lease(served: Served) -> None:
    """It stays beside all later reports, until the engine reports another."""
    await served.begin()

    async def ends(at: float | None) -> None:
        async def noted() -> bool:
            lease = await served.leases.read("shop")
            return lease is not None and lease.version_ends_at == at

        await eventually(f"it ends at {at}", noted, 10)

    await served.engine.events.on_version_end(2000000000.0)
    await ends(2000000000.0)
    await served.engine.events.on_qr(Qr("2@", time.time() + 60))
    await served.state("pairing")
    await ends(2000000000.0)
    await served.engine.events.on_version_end(None)
    await ends(None)
