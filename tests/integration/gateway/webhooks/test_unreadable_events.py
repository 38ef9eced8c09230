"""An event document that this release cannot read holds up no webhook and no reader, and is an alert (G13)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from actors.state.documents import EVENTS, HEALTH_STATUS
from actors.state.events.log import EventLog
from actors.state.events.outbox import DIGITS
from actors.state.own_mistakes import MISTAKE_DOCUMENT
from tests.integration.gateway.webhooks.stored_messages import store_messages
from tests.waits import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.integration.gateway.receiver import Receiver
    from tests.integration.gateway.webhooks.deliveries.single_worker import SingleWorker

SOON = 30.0

Pack = dict[str, Any]


def newer(pack: Pack) -> Pack:
    """The pack as a release would write it whose events have one field more."""
    events = [{**each, "of_a_newer_release": 1} for each in json.loads(pack["events"])]
    return {**pack, "events": json.dumps(events)}


def emptied(pack: Pack) -> Pack:
    """The pack with an event that has none of its fields."""
    return {**pack, "events": "[{}]"}


def torn(pack: Pack) -> Pack:
    """The pack without its end."""
    return {**pack, "events": pack["events"][:-9]}


@pytest.mark.parametrize(("change", "is_read"), [(newer, True), (emptied, False), (torn, False)])
async def test_later_events_are_delivered(
    delivering: SingleWorker,
    receiver: Receiver,
    change: Callable[[Pack], Pack],
    *,
    is_read: bool,
) -> None:
    await delivering.add(receiver)
    documents = delivering.documents
    texts = [(await store_messages(documents, number))[0] for number in (1, 2, 3)]
    name = f"{2:0{DIGITS}d}"
    pack = await documents.get(EVENTS, name)
    assert pack is not None
    await documents.set(EVENTS, name, change(pack))
    wanted = texts if is_read else [texts[0], texts[2]]
    async with delivering.worker():
        await eventually("the others come", lambda: len(receiver.taken) >= len(wanted), 5)
        await eventually("no more waits", delivering.quiet, SOON)
    assert sorted(receiver.texts) == sorted(wanted)
    assert await delivering.dead() == (0 if is_read else 1)
    assert [each.seq for each in (await EventLog(documents).after(0)).events] == [1, 2, 3]
    noted = await documents.get(HEALTH_STATUS, MISTAKE_DOCUMENT)
    assert (None if noted is None else noted["action"]) == (None if is_read else "read_events")
