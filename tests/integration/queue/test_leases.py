from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import NO_CODE, PairingCode, Qr
from actors.queue.outbound_queue import (
    ABANDON_BATCH,
    ConnectionDeleted,
    NotFound,
    OutboundQueue,
    Send,
)
from actors.redis import keys
from actors.redis.leases.lease_record import Position
from actors.redis.leases.leases import TOMBSTONE, Lease, LeaseLost, LeaseMissing, Leases, Owner
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk
from tests.integration.queue.redis.cluster import SEVERAL_CONNECTIONS

if TYPE_CHECKING:
    from redis.asyncio import Redis


FIRST = Owner("connection:1", 11, "node-a")
SECOND = Owner("connection:2", 22, "node-b")


async def test_the_first_taking_gives_epoch_1_and_names_the_owner(leases: Leases) -> None:
    assert await leases.read(SHOP) is None
    lease = await leases.take(SHOP, FIRST, now=5.0)
    assert (lease.epoch, lease.owner, lease.state, lease.cause) == (1, FIRST, "connecting", None)
    assert (lease.since, lease.beat, lease.restarts, lease.account) == (5.0, 5.0, 0, None)
    assert await leases.read(SHOP) == lease


async def test_each_taking_gives_a_higher_epoch_and_counts_a_restart(leases: Leases) -> None:
    await leases.take(SHOP, FIRST, now=5.0)
    lease = await leases.take(SHOP, SECOND, now=6.0)
    assert (lease.epoch, lease.owner, lease.restarts) == (2, SECOND, 1)


async def test_a_taking_after_a_release_is_no_restart(leases: Leases) -> None:
    await leases.take(SHOP, FIRST)
    await leases.release(SHOP, 1, state="stopped", cause="closed")
    lease = await leases.take(SHOP, SECOND)
    assert (lease.epoch, lease.restarts) == (2, 0)


async def test_g5_the_session_knows_a_higher_epoch_than_an_emptied_redis(leases: Leases) -> None:
    assert (await leases.take(SHOP, FIRST, session_epoch=41)).epoch == 42
    assert (await leases.take(SHOP, FIRST, session_epoch=7)).epoch == 43


async def test_concurrent_takings_give_different_epochs(leases: Leases) -> None:
    taken = await asyncio.gather(*(leases.take(SHOP, FIRST) for _ in range(10)))
    assert len({lease.epoch for lease in taken}) == 10
    newest = await leases.read(SHOP)
    assert newest is not None
    assert newest.epoch == max(lease.epoch for lease in taken)


async def test_a_renewal_is_kept_lost_or_missing(leases: Leases) -> None:
    with pytest.raises(LeaseMissing):
        await leases.renew(SHOP, 1, 1.0)
    await leases.take(SHOP, FIRST, now=1.0)
    assert await leases.renew(SHOP, 1, 9.0)
    lease = await leases.read(SHOP)
    assert lease is not None
    assert lease.beat == 9.0
    await leases.take(SHOP, SECOND)
    assert not await leases.renew(SHOP, 1, 10.0)
    assert await leases.renew(SHOP, 2, 10.0)


async def test_a_report_of_the_owner_counts_and_of_an_old_one_does_not(leases: Leases) -> None:
    await leases.take(SHOP, FIRST)
    assert await leases.report(SHOP, 1, state="open", cause=None, since=7.0, account=ANA)
    await leases.take(SHOP, SECOND, now=8.0)
    assert not await leases.report(SHOP, 1, state="failed", cause="network", since=9.0)
    lease = await leases.read(SHOP)
    assert lease is not None
    assert (lease.state, lease.cause, lease.since, lease.account) == ("connecting", None, 8.0, ANA)


async def test_a_qr_is_shown_while_pairing_until_it_expires(leases: Leases) -> None:
    await leases.take(SHOP, FIRST)
    assert await leases.qr(SHOP) is None
    end = time.time() + 60
    shown = Qr("2@abc", end)
    assert await leases.report(SHOP, 1, state="pairing", cause=None, since=1.0, qr=shown)
    assert await leases.qr(SHOP) == ("2@abc", end)
    assert await leases.pairing_code(SHOP) is None
    code = PairingCode("ABCD-2345", end + 60)
    for _ in range(2):
        await leases.report(SHOP, 1, state="pairing", cause=None, since=1.0, qr=shown, code=code)
        assert await leases.qr(SHOP) == ("2@abc", end)
        assert await leases.pairing_code(SHOP) == ("ABCD-2345", end + 60)
    shown = Qr("2@soon", time.time() + 0.2)
    await leases.report(SHOP, 1, state="pairing", cause=None, since=1.0, qr=shown, code=code)
    async with asyncio.timeout(10):
        while await leases.qr(SHOP) is not None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert await leases.pairing_code(SHOP) == ("ABCD-2345", end + 60)
    await leases.report(SHOP, 1, state="pairing", cause=None, since=1.0, qr=shown, code=NO_CODE)
    assert await leases.pairing_code(SHOP) is None


@pytest.mark.parametrize("end", ["open", "closed", "taken", "released", "marked", "expired"])
async def test_a_qr_and_a_code_are_gone_when_it_is_of_no_use(leases: Leases, end: str) -> None:
    await leases.take(SHOP, FIRST)
    seconds = -1 if end == "expired" else 60
    shown = Qr("2@abc", time.time() + seconds)
    code = PairingCode("ABCD-2345", shown.expires_at)
    await leases.report(SHOP, 1, state="pairing", cause=None, since=1.0, qr=shown, code=code)
    match end:
        case "open":
            await leases.report(SHOP, 1, state="open", cause=None, since=1.0)
        case "closed":
            await leases.report(SHOP, 1, state="pairing", cause="network", since=1.0)
        case "taken":
            await leases.take(SHOP, SECOND)
        case "released":
            await leases.release(SHOP, 1, state="stopped", cause=None)
        case "marked":
            await leases.mark(SHOP, 1, state="failed", cause="died")
    assert await leases.qr(SHOP) is None
    assert await leases.pairing_code(SHOP) is None


async def test_after_a_release_nobody_owns_and_nothing_counts(leases: Leases) -> None:
    await leases.take(SHOP, FIRST)
    assert await leases.release(SHOP, 1, state="stopped", cause="closed", now=4.0)
    lease = await leases.read(SHOP)
    assert lease is not None
    assert (lease.owner, lease.epoch, lease.state, lease.cause) == (None, 1, "stopped", "closed")
    assert await leases.release(SHOP, 1, state="failed", cause="repeated", now=5.0)
    assert await leases.read(SHOP) == lease, "what it was given back as stays"
    assert not await leases.renew(SHOP, 1)
    assert not await leases.report(SHOP, 1, state="open", cause=None, since=1.0)


async def test_an_old_owner_cannot_release(leases: Leases) -> None:
    await leases.take(SHOP, FIRST)
    await leases.take(SHOP, SECOND)
    assert not await leases.release(SHOP, 1, state="stopped", cause=None)
    lease = await leases.read(SHOP)
    assert lease is not None
    assert lease.owner == SECOND


async def test_a_verdict_counts_only_on_the_newest_epoch(leases: Leases) -> None:
    assert not await leases.mark(SHOP, 1, state="failed", cause="died")
    await leases.take(SHOP, FIRST)
    assert await leases.mark(SHOP, 1, state="reconnecting", cause="died", now=3.0)
    lease = await leases.read(SHOP)
    assert lease is not None
    assert (lease.state, lease.cause, lease.since, lease.owner) == (
        "reconnecting",
        "died",
        3,
        FIRST,
    )
    await leases.take(SHOP, SECOND)
    assert not await leases.mark(SHOP, 1, state="failed", cause="died")


@SEVERAL_CONNECTIONS
async def test_all_leases_are_read_at_once(leases: Leases) -> None:
    await leases.take("a", FIRST)
    await leases.take("b", SECOND)
    found = await leases.read_all(["a", "b", "c"])
    assert {name: lease.owner for name, lease in found.items()} == {"a": FIRST, "b": SECOND}
    assert await leases.read_all([]) == {}


async def test_g2_g4_a_new_epoch_queues_again_at_the_old_place(desk: Desk) -> None:
    for text, chat in (("a1", ANA), ("b1", BEN), ("e1", EVA), ("a2", ANA), ("b2", BEN)):
        await desk.accept(text, chat)
    assert await desk.claimed(2) == ["a1", "b1"]
    await desk.take()
    for text in ("a1", "b1"):
        record = await desk.get(text)
        assert (record.status, record.uncertain, len(record.crashes)) == ("queued", True, 1)
    assert await desk.drain() == ["a1", "b1", "e1", "a2", "b2"]


async def test_an_attempt_that_was_cut_off_counts_not_towards_the_last(desk: Desk) -> None:
    await desk.accept("a")
    for crashes in (0, 1, 1):
        (job,) = await desk.claim()
        assert (job.attempts, job.crashes) == (1, crashes)
        if crashes:
            await desk.leases.release(SHOP, desk.epoch, state="stopped", cause=None)
        await desk.take()
    (job,) = await desk.claim()
    assert (job.attempts, job.crashes) == (1, 1)
    assert (await desk.get("a")).attempts == 4


async def test_a_release_queues_again_without_calling_it_a_crash(desk: Desk) -> None:
    await desk.accept("a1")
    await desk.accept("a2")
    await desk.claim()
    await desk.leases.release(SHOP, desk.epoch, state="stopped", cause=None, now=desk.now)
    record = await desk.get("a1")
    assert (record.status, record.uncertain, record.crashes) == ("queued", True, ())
    await desk.take()
    assert await desk.drain() == ["a1", "a2"]


async def test_backoff_goes_on_across_epochs(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.fail("a", retry_in=60)
    await desk.take()
    assert await desk.claimed() == []
    desk.now += 60
    assert await desk.drain() == ["a"]


@SEVERAL_CONNECTIONS
async def test_a_deleted_connection_leaves_its_tombstone_alone(
    desk: Desk, redis: Redis, lanes: OutboundQueue
) -> None:
    for text, chat in (("a1", ANA), ("a2", ANA), ("b", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    await lanes.accept(Send(SHOP, ANA, "later", send_at=desk.now + 9), idempotency_key="k")
    await desk.claim()
    await desk.fail("a1", retry_in=60)
    await desk.complete("b")
    await desk.fail("e", permanent=True)
    await desk.leases.take("shop-2", FIRST)
    await desk.leases.forget(SHOP)
    await desk.leases.forget(SHOP)
    left = {str(key) for key in await redis.keys("*")}
    assert left == {keys.of(SHOP).deleted, "teimoso:{shop-2}:lease", "teimoso:{shop-2}:wake"}
    assert 0 < await redis.ttl(keys.of(SHOP).deleted) <= TOMBSTONE


@SEVERAL_CONNECTIONS
async def test_a_deleted_connection_takes_no_send_however_late(
    desk: Desk, lanes: OutboundQueue
) -> None:
    """G12: its owner claims none of what waits, and may unlink the device."""
    await lanes.accept(Send(SHOP, ANA, "before"), idempotency_key="k")
    await lanes.accept(Send("shop-2", ANA, "of another"))
    await desk.leases.delete(SHOP, now=desk.now)
    for key in ("k", "l", None):
        with pytest.raises(ConnectionDeleted):
            await lanes.accept(Send(SHOP, ANA, "before"), idempotency_key=key)
    assert await desk.leases.deleted_at(SHOP) == desk.now
    await desk.leases.delete(SHOP, now=desk.now + 5)
    assert await desk.leases.deleted_at(SHOP) == desk.now, "the first time stays"
    assert await desk.leases.deleted_at("shop-2") is None
    owner = await desk.leases.take(SHOP, SECOND)
    assert (await lanes.claims.claim(SHOP, owner.epoch, 9)).jobs == ()
    other = await desk.leases.take("shop-2", SECOND)
    assert len((await lanes.claims.claim("shop-2", other.epoch, 9)).jobs) == 1


@SEVERAL_CONNECTIONS
async def test_a_dead_letter_of_a_deleted_connection_is_not_sent_again(desk: Desk) -> None:
    await desk.accept("e", EVA)
    await desk.claim()
    await desk.fail("e", permanent=True)
    await desk.leases.delete(SHOP)
    assert await desk.lanes.dead_letters.retry_all(SHOP) == 0
    with pytest.raises(NotFound):
        await desk.lanes.dead_letters.retry(desk.ids["e"])


@SEVERAL_CONNECTIONS
async def test_an_owner_that_stood_still_takes_no_lease_of_what_is_gone(desk: Desk) -> None:
    """G12: what it finds is no lease, as after Redis was emptied, where it may take a new one."""
    lease = await desk.leases.take(SHOP, FIRST)
    await desk.leases.forget(SHOP)
    with pytest.raises(LeaseMissing):
        await desk.leases.renew(SHOP, lease.epoch)
    with pytest.raises(LeaseLost):
        await desk.leases.take(SHOP, FIRST, lease.epoch)
    assert await desk.leases.read(SHOP) is None


async def test_what_is_open_ends_with_its_connection(desk: Desk, redis: Redis) -> None:
    """G2: visibly; what was being sent may have arrived. Dead letters and sent ones stay."""
    for text, chat in (("a1", ANA), ("a2", ANA), ("b", BEN), ("e", EVA)):
        await desk.accept(text, chat)
    await desk.accept("later", LEO, send_at=desk.now + 9)
    await desk.claim()
    await desk.complete("b")
    await desk.fail("e", permanent=True)
    await desk.accept("l1", LEO)
    await desk.claim()
    await desk.fail("l1", retry_in=60)
    assert not await desk.lanes.remove(SHOP), "something is open"
    await desk.lanes.abandon(SHOP, "gone", now=desk.now)
    ends = {text: await desk.get(text) for text in desk.ids}
    assert {text: (end.status, end.error, end.uncertain) for text, end in ends.items()} == {
        "a1": ("cancelled", "gone", True),
        "a2": ("cancelled", "gone", False),
        "b": ("sent", None, False),
        "e": ("dead", "ack_timeout", False),
        "later": ("cancelled", "gone", False),
        "l1": ("cancelled", "gone", False),
    }
    await desk.check()
    assert await desk.claimed() == []
    assert not await desk.lanes.remove(SHOP), "nothing of it is mirrored yet"
    changed = await desk.lanes.reader.changed(SHOP, 100)
    assert {record.id for record in changed} == {end.id for end in ends.values()}
    await desk.lanes.reader.mirrored(SHOP, changed)
    assert await desk.lanes.remove(SHOP)
    assert await desk.lanes.remove(SHOP)
    assert await desk.leases.read(SHOP) is None
    assert await redis.exists(*keys.of(SHOP).scripted) == 0
    await desk.leases.forget(SHOP)
    assert await redis.keys("*") == [keys.of(SHOP).deleted]


async def test_more_than_one_script_ends(desk: Desk) -> None:
    for number in range(2 * ABANDON_BATCH + 1):
        await desk.accept(f"m{number}", f"1555011{number % 7:04}@s.whatsapp.net")
    await desk.lanes.abandon(SHOP, "gone", now=desk.now)
    assert (await desk.counts()).oldest_at is None
    assert {await desk.status(text) for text in desk.ids} == {"cancelled"}


async def test_the_end_of_a_version_outlives_its_owner_until_the_next_one_reports(
    leases: Leases,
) -> None:
    first = await leases.take(SHOP, FIRST)
    assert first.version_ends_at is None
    assert await leases.report(
        SHOP, 1, state="open", cause=None, since=7.0, version_ends_at=2000000900.0
    )
    await leases.release(SHOP, 1, state="stopped", cause=None)
    second = await leases.take(SHOP, SECOND)
    assert second.version_ends_at == 2000000900.0
    assert await leases.report(SHOP, 2, state="open", cause=None, since=9.0)
    noted = await leases.read(SHOP)
    assert noted is not None
    assert noted.version_ends_at is None


async def test_a_limit_of_the_account_outlives_its_owner_until_the_next_one_reports(
    leases: Leases,
) -> None:
    limit: dict[str, Any] = {
        "limited_until": 2000000900.5,
        "limit_reason": "time_lock",
        "mistaken_at": 5.25,
    }

    def of(lease: Lease | None) -> dict[str, Any]:
        assert lease is not None
        return {name: getattr(lease, name) for name in limit}

    nothing = dict.fromkeys(limit)
    assert of(await leases.take(SHOP, FIRST)) == nothing
    assert await leases.report(SHOP, 1, state="open", cause=None, since=7.0, **limit)
    assert of(await leases.read(SHOP)) == limit
    await leases.release(SHOP, 1, state="stopped", cause=None)
    assert of(await leases.take(SHOP, SECOND)) == limit
    assert await leases.report(SHOP, 2, state="open", cause=None, since=9.0)
    assert of(await leases.read(SHOP)) == nothing


async def test_what_is_known_of_the_session_outlives_its_owner(leases: Leases) -> None:
    """The next owner goes by it, until it says what it has itself (G6)."""
    first = await leases.take(SHOP, FIRST)
    assert (first.session, first.final, first.behind) == (None, False, None)
    assert await leases.note_session(SHOP, 1, Position(1, 7), behind=5.5)
    assert await leases.note_session(SHOP, 1, Position(1, 9), final=True)
    await leases.release(SHOP, 1, state="stopped", cause=None)
    second = await leases.take(SHOP, SECOND)
    assert (second.session, second.final, second.behind) == (Position(1, 9), True, None)
    assert not await leases.note_session(SHOP, 1, Position(1, 10), final=True)
    assert await leases.note_session(SHOP, 2, behind=6.5)
    noted = await leases.read(SHOP)
    assert noted is not None
    assert (noted.session, noted.final, noted.behind) == (Position(1, 9), True, 6.5)
