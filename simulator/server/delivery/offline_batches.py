"""Splits a client's offline queue into batches: a few stanzas at login, the others on request of the client.

After whatsapp-rust (`src/client/offline_resume.rs` and its issue 125): the server sends a primer, waits for
`<ib><offline_batch count=…/></ib>` before each further batch, and delivers nothing new until
`<ib><offline/></ib>` has ended the queue.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulator.wire.protocol_library import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.server.delivery.offline_queue import QueuedStanza

PRIMER: Final = 5
"""Stanzas that are sent without a request."""

Live = tuple[int, Any, bytes]
"""A stanza that came after the login: its place in the queue, the stanza and its bytes."""


@dataclass
class OfflineBacklog:
    """The queue of one socket, as it was at its login, and stanzas that came since."""

    total: int
    waiting: deque[QueuedStanza]
    behind: list[Live] = field(default_factory=list)

    @classmethod
    def of(cls, waiting: Iterable[QueuedStanza]) -> OfflineBacklog:
        """Returns the backlog of a login, with the number of stanzas that the server announces."""
        queue = deque(waiting)
        return cls(len(queue), queue)

    def batch(self, count: int) -> list[QueuedStanza]:
        """Takes the next stanzas, `count` at most."""
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]


def requested(stanza: Any) -> int:
    """The number of stanzas that the client's `<ib>` requests; 0 where it requests none."""
    request = stanza.get_child("offline_batch")
    count = "" if request is None else text_of(request, "count")
    return int(count) if count.isdecimal() else 0
