"""Dead letters are sent again by what they have in common, in bounded steps, each one atomic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.queue import dead_letters
from actors.queue.outbound_queue import Redriven, Send, Which
from actors.queue.records import mint
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Sequence


async def die(desk: Desk, text: str, chat: str = ANA, code: str = "ack_timeout") -> None:
    """At a second of its own."""
    desk.now += 1
    await desk.accept(text, chat)
    await desk.claim()
    await desk.lanes.claims.fail(
        SHOP,
        desk.epoch,
        desk.ids[text],
        code=code,
        permanent=True,
        uncertain=False,
        retry_at=None,
        now=desk.now,
    )


async def dead(desk: Desk) -> list[str]:
    return [letter.record.text for letter in await desk.lanes.dead_letters.page(SHOP, 1000)]


def names(desk: Desk, texts: Sequence[str]) -> list[str]:
    return [desk.ids[text].partition(".")[2] for text in texts]


@pytest.mark.parametrize(
    ("which", "meant"),
    [
        (Which(), ["a1", "b1", "a2", "b2", "e1"]),
        (Which(chat=ANA), ["a1", "a2"]),
        (Which(code="not_on_whatsapp"), ["b1", "a2"]),
        (Which(chat=ANA, code="not_on_whatsapp"), ["a2"]),
        (Which(died_after=1003), ["a2", "b2", "e1"]),
        (Which(died_before=1003), ["a1", "b1"]),
        (Which(chat=BEN, died_after=1003, died_before=1005), ["b2"]),
        (Which(chat="15550100999@s.whatsapp.net"), []),
    ],
)
async def test_those_that_fit_everything_are_sent_again_in_the_order_of_their_deaths(
    desk: Desk, which: Which, meant: list[str]
) -> None:
    await die(desk, "a1")
    await die(desk, "b1", BEN, "not_on_whatsapp")
    await die(desk, "a2", ANA, "not_on_whatsapp")
    await die(desk, "b2", BEN)
    await die(desk, "e1", EVA)
    before = await dead(desk)
    desk.now += 1
    redriven = await desk.lanes.dead_letters.redrive(SHOP, which, now=desk.now)
    assert redriven == Redriven(len(meant), 5, None)
    assert await dead(desk) == [text for text in before if text not in meant]
    await desk.check()
    assert sorted(await desk.drain()) == sorted(meant)
    for text in meant:
        record = await desk.get(text)
        assert (record.status, record.attempts, record.error) == ("sent", 1, None)


async def test_these_are_sent_again_and_what_is_no_dead_letter_is_passed_over(desk: Desk) -> None:
    for text in ("1", "2", "3"):
        await die(desk, text)
    await desk.accept("alive", BEN)
    desk.now += 1
    chosen = [*names(desk, ["3", "alive", "1"]), mint()]
    assert await desk.lanes.dead_letters.redrive_these(SHOP, chosen, now=desk.now) == 2
    assert await dead(desk) == ["2"]
    assert await desk.claimed(1) == ["alive"]
    await desk.complete("alive")
    assert await desk.drain() == ["3", "1"]


async def test_what_may_prolong_a_lock_is_sent_again_by_its_name_alone(desk: Desk) -> None:
    await die(desk, "refused", ANA, "reach_out_refused")
    await die(desk, "failed", BEN)
    desk.now += 1
    found = await desk.lanes.dead_letters.redrive(SHOP, Which(died_after=0), now=desk.now)
    assert found == Redriven(1, 2, None)
    await die(desk, "failed again", EVA)
    desk.now += 1
    assert await desk.lanes.dead_letters.retry_all(SHOP, desk.now) == 1
    assert await dead(desk) == ["refused"]
    desk.now += 1
    by_code = Which(code="reach_out_refused")
    assert (await desk.lanes.dead_letters.redrive(SHOP, by_code, now=desk.now)).count == 1
    await desk.complete("failed")
    assert sorted(await desk.drain()) == ["failed again", "refused"]
    await die(desk, "another", LEO, "reach_out_refused")
    desk.now += 1
    assert (
        await desk.lanes.dead_letters.redrive_these(SHOP, names(desk, ["another"]), now=desk.now)
        == 1
    )
    assert await dead(desk) == []
    await desk.check()


async def test_a_limit_is_kept_and_the_next_goes_on_behind_it(desk: Desk) -> None:
    for text in ("1", "2", "3", "4"):
        await die(desk, text, code="odd" if int(text) % 2 else "even")
    desk.now += 1
    first = await desk.lanes.dead_letters.redrive(SHOP, Which(code="odd"), limit=1, now=desk.now)
    assert first.count == 1
    assert first.behind is not None
    assert await dead(desk) == ["2", "3", "4"]
    desk.now += 1
    second = await desk.lanes.dead_letters.redrive(
        SHOP, Which(code="odd"), limit=5, behind=first.behind, now=desk.now
    )
    assert (second.count, second.behind) == (1, None)
    assert await dead(desk) == ["2", "4"]
    assert await desk.lanes.dead_letters.redrive_these(SHOP, names(desk, ["2", "4"]), limit=1) == 1
    assert await dead(desk) == ["4"]


async def test_a_backlog_is_looked_at_in_bounded_steps(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_PER_SCRIPT", 3)
    for number in range(11):
        await die(desk, f"{number}", code="last" if number == 10 else "other")
    desk.now += 1
    found = await desk.lanes.dead_letters.redrive(SHOP, Which(code="last"), most=5, now=desk.now)
    assert (found.count, found.looked) == (0, 6)
    assert found.behind is not None
    desk.now += 1
    found = await desk.lanes.dead_letters.redrive(
        SHOP, Which(code="last"), behind=found.behind, most=5, now=desk.now
    )
    assert (found.count, found.looked, found.behind) == (1, 5, None)
    assert await desk.drain() == ["10"]


async def test_what_dies_meanwhile_is_not_meant(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else letters that die at once would be redriven for ever."""
    monkeypatch.setattr(dead_letters, "LETTERS_PER_SCRIPT", 1)
    for text in ("1", "2"):
        await die(desk, text)
    run, rounds = desk.lanes.dead_letters._redrive, 0

    async def dying(connection: str, *args: object) -> tuple[int, int]:
        nonlocal rounds
        rounds += 1
        answer = await run(connection, *args)  # type: ignore[arg-type]
        for job in await desk.claim():
            desk.ids[job.text] = job.id
            await desk.fail(job.text, permanent=True)
        desk.now += 1
        return answer

    monkeypatch.setattr(desk.lanes.dead_letters, "_redrive", dying)
    assert await desk.lanes.dead_letters.retry_all(SHOP, desk.now + 100) == 2
    assert rounds == 2
    assert sorted(await dead(desk)) == ["1", "2"]


async def test_letters_are_forgotten_after_their_time(desk: Desk) -> None:
    await die(desk, "old", ANA)
    desk.now += 86_400
    await die(desk, "young", ANA)
    await desk.accept("waits", BEN)
    await desk.accept("later", EVA, send_at=desk.now + 90 * 86_400)
    desk.now += 29 * 86_400
    assert await desk.lanes.dead_letters.prune(SHOP, 30, desk.now) in {
        0,
        1,
    }  # twice: the first took it
    assert await dead(desk) == ["young"]
    record = await desk.get("old")
    assert (record.status, record.error, record.expired_at) == ("dead", "ack_timeout", desk.now)
    assert record.id in {
        each.id for each in await desk.lanes.reader.changed(SHOP, 10)
    }  # for the mirror
    await desk.check()
    assert await desk.lanes.dead_letters.prune(SHOP, 30, desk.now + 365 * 86_400) in {0, 1}
    assert await dead(desk) == []
    assert [await desk.status(text) for text in ("waits", "later")] == ["queued", "waiting"]
    await desk.check()


async def test_many_are_forgotten_in_steps(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "LETTERS_PER_SCRIPT", 2)
    for number in range(7):
        await die(desk, f"{number}")
    await desk.lanes.dead_letters.prune(SHOP, 1, desk.now + 86_400 - 1)
    assert await dead(desk) == ["5", "6"]  # not a second too early


async def test_a_forgotten_letter_whose_record_is_there_can_be_sent_again(desk: Desk) -> None:
    await die(desk, "a")
    desk.now += 31 * 86_400
    await desk.lanes.dead_letters.prune(SHOP, 30, desk.now)
    desk.now += 1
    record = await desk.retry("a")
    assert (record.status, record.expired_at) == ("queued", None)
    await desk.check()  # and its record ends no more
    assert await desk.drain() == ["a"]


async def test_a_late_proof_of_a_forgotten_letter_counts(desk: Desk) -> None:
    await die(desk, "a")
    await desk.lanes.dead_letters.prune(SHOP, 1, desk.now + 2 * 86_400)
    await desk.receipt("a", "read")
    record = await desk.get("a")
    assert (record.status, record.expired_at) == ("read", None)


async def test_when_all_is_over_no_key_is_without_an_end(desk: Desk) -> None:
    """Sent, cancelled, dead and forgotten, idempotency keys: all leave."""
    await die(desk, "dead")
    await desk.accept("cancelled")
    await desk.cancel("cancelled")
    await desk.accept("sent", EVA)
    await desk.drain()
    accepted = await desk.lanes.accept(
        Send(SHOP, BEN, "with a key"), idempotency_key="k", now=desk.now
    )
    desk.ids["with a key"] = accepted.record.id
    await desk.drain()
    await desk.lanes.dead_letters.prune(SHOP, 30, desk.now + 31 * 86_400)
    while changed := await desk.lanes.reader.changed(SHOP, 100):
        await desk.lanes.reader.mirrored(SHOP, changed)
    await desk.pass_day()
    stays = {f"teimoso:{{{SHOP}}}:{name}" for name in ("lease", "counters", "wake")}
    assert {key async for key in desk.redis.scan_iter("*")} == stays
