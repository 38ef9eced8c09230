"""Which endpoints are told of events, and that events are written for as long as one is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.state.events.log import EventLog
from actors.state.sqlite.store import SqliteDocuments
from actors.state.webhooks import Progress, Secret, Webhook, Webhooks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.state.documents import Documents

HOOK = Webhook("hook", "https://example.com", (Secret("whsec_x"),), 1.0)


@pytest.fixture
async def documents(tmp_path: Path) -> AsyncIterator[Documents]:
    store = SqliteDocuments(tmp_path / "state.db")
    yield store
    await store.close()


@pytest.mark.parametrize(("further", "off"), [(0, "gone"), (7, None)])
async def test_it_is_off_and_unlisted_or_neither(
    documents: Documents, further: int, off: str | None
) -> None:
    """Who had the turn before may hear late that nobody is there any more."""
    webhooks, log = Webhooks(documents), EventLog(documents)
    await webhooks.create(HOOK)
    if further:
        ahead = HOOK.document | {"progress": {**HOOK.document["progress"], "cursor": further}}
        await documents.set("webhooks", HOOK.id, ahead)
    await webhooks.gone(HOOK.id, Progress(cursor=3))
    (found,) = await webhooks.list()
    assert found.off == off
    assert (await log.head()).webhooks == (() if off else (HOOK.id,))
