"""A device that WhatsApp takes no login of is forgotten here alone, and nothing else is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import InboxMessage

if TYPE_CHECKING:
    from tests.integration.tree.conftest import Served

CHAT = "15550100002@s.whatsapp.net"


async def test_no_login_is_tried_and_what_had_arrived_is_stored(served: Served) -> None:
    """G2, G5: the credentials go; what arrived is stored and what waits goes on waiting."""
    waiting = await served.accept("after it is linked again")
    served.engine.inbox = {
        1: InboxMessage(1, CHAT, CHAT, f"3EB0{1:018X}", 1_700_000_000, "text", "from before")
    }
    serving = await served.begin(connect=False)
    ending = await serving.ended()
    assert (ending.reason, ending.cause) == ("logged_out", "asked")
    assert served.engine.logged_out
    assert served.engine.closed
    assert served.engine.runs == []
    assert not served.engine.inbox
    assert [each["text"] for each in served.shelf.messages.values()] == ["from before"]
    lease = await served.leases.read("shop")
    assert lease is not None
    assert (lease.state, lease.cause, lease.owner) == ("logged_out", "asked", None)
    assert lease.obstacle is not None
    assert lease.obstacle.cause == "logged_out"
    found = await served.lanes.reader.get(waiting.id)
    assert found is not None
    assert (found.status, found.attempts) == ("queued", 0)
