"""Words of finished messages leave Redis once the state store has them (G13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.messages.content import Poll
from actors.queue.mirror import mirror_store
from actors.queue.outbound_queue import Send
from actors.redis import keys
from actors.state.sqlite.store import SqliteDocuments
from tests.integration.queue.desk import ANA, BEN, EVA, LEO, SHOP, Desk

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

WORDS = "a long word " * 20


async def mirrored(desk: Desk, unread: Collection[str] = ()) -> None:
    records = await desk.lanes.reader.changed(SHOP, 100)
    await desk.lanes.reader.mirrored(SHOP, records, {desk.ids[each] for each in unread})


async def size(desk: Desk, text: str) -> int:
    key = keys.of(SHOP).message(desk.ids[text].partition(".")[2])
    return int(await desk.redis.memory_usage(key, samples=0) or 0)


async def test_a_message_that_was_sent_keeps_all_but_its_words(desk: Desk) -> None:
    await desk.accept(WORDS)
    await desk.claim()
    desk.now += 1
    await desk.complete(WORDS)
    before, big = await desk.get(WORDS), await size(desk, WORDS)
    await mirrored(desk)
    after = await desk.get(WORDS)
    assert (after.text, after.content, after.decoded, after.stored) == ("", "", None, True)
    assert (after.status, after.times, after.chat) == ("sent", before.times, before.chat)
    assert (after.revision, after.attempts) == (before.revision, 1)
    assert await size(desk, WORDS) < big / 2, "it is kept compactly"
    await desk.check()


async def test_content_goes_with_the_text(desk: Desk) -> None:
    send = Send.of(SHOP, ANA, Poll("Tea?", ("yes", "no"), 0, "ab" * 32))
    desk.ids["poll"] = (await desk.lanes.accept(send, now=desk.now)).record.id
    await desk.claim()
    await desk.receipt("poll", "read")
    await mirrored(desk)
    after = await desk.get("poll")
    assert (after.type, after.content, after.decoded) == ("poll", "", None)


async def test_a_message_that_may_be_sent_again_keeps_its_words(desk: Desk) -> None:
    for text, chat in (("dead", ANA), ("waits", BEN), ("flies", EVA), ("taken back", LEO)):
        await desk.accept(text, chat)
    await desk.cancel("taken back")
    await desk.claim()
    await desk.fail("dead", permanent=True)
    await desk.fail("waits", retry_in=60)
    await mirrored(desk)
    for text in desk.ids:
        assert (await desk.get(text)).text == text
    await desk.retry("dead")
    assert [job.text for job in await desk.claim()] == ["dead"]


async def test_words_that_the_store_does_not_have_stay(desk: Desk) -> None:
    await desk.accept("here alone")
    await desk.claim()
    await desk.complete("here alone")
    await mirrored(desk, ["here alone"])
    assert (await desk.get("here alone")).text == "here alone"
    assert await desk.lanes.reader.changed(SHOP, 10) == []


async def test_a_message_that_changed_meanwhile_keeps_its_words(desk: Desk) -> None:
    """The store may have an older state of it; the next round gets the newer one."""
    await desk.accept("a")
    seen = await desk.lanes.reader.changed(SHOP, 10)
    await desk.claim()
    await desk.complete("a")
    await desk.lanes.reader.mirrored(SHOP, seen)
    assert (await desk.get("a")).text == "a"
    await mirrored(desk)
    assert (await desk.get("a")).stored


async def test_a_late_receipt_and_a_delete_find_it(desk: Desk) -> None:
    await desk.accept("a")
    await desk.claim()
    await desk.complete("a")
    await mirrored(desk)
    await desk.receipt("a", "read")
    (changed,) = await desk.lanes.reader.changed(SHOP, 10)
    assert (changed.status, changed.stored, changed.redacted) == ("read", True, False)
    await desk.lanes.redact(SHOP, changed.message_id)
    await mirrored(desk)
    assert (await desk.get("a")).redacted


async def test_content_that_this_release_does_not_know_stays(desk: Desk, tmp_path: Path) -> None:
    """A newer release accepted and sent it, and this one mirrors it, while they are exchanged: the view lacks it."""
    send = Send(SHOP, ANA, "later", type="later", content='{"v":9,"type":"later"}')
    desk.ids["later"] = (await desk.lanes.accept(send, now=desk.now)).record.id
    await desk.claim()
    await desk.complete("later")
    documents = SqliteDocuments(tmp_path / "state.sqlite3")
    records = await desk.lanes.reader.changed(SHOP, 10)
    lacking = await mirror_store.store(documents, records)
    await desk.lanes.reader.mirrored(SHOP, records, lacking)
    await documents.close()
    await desk.pass_day()
    after = await desk.get("later")
    assert (after.text, after.content) == (send.text, send.content)
    assert [each.record.id for each in await desk.lanes.refused_views.page(SHOP, 10)] == [after.id]
