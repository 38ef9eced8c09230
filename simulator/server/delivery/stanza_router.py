"""Queues each stanza for a linked device (SQLite), and sends the stanza over the socket, at once or at the next login."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from simulator.server.delivery.offline_batches import PRIMER, OfflineBacklog, requested
from simulator.wire.protocol_library import SERVER, Node, encode

if TYPE_CHECKING:
    from simulator.faults import Faults
    from simulator.server.companions import Companion, DeviceKey
    from simulator.server.delivery.answer_deadlines import AnswerDeadlines
    from simulator.server.delivery.offline_queue import OfflineQueue, QueuedStanza
    from simulator.server.rules.switches import Switches
    from simulator.store import Store
    from simulator.wire.connection import Connection

Kept = tuple[int, Any, bytes]
"""A stanza's place in the queue, the stanza and its bytes."""

_BESIDE: Final = {"sender_pn", "sender_lid", "peer_recipient_pn", "peer_recipient_lid"}
CONFLICT_REPLACED: Final = Node("stream:error", {}, [Node("conflict", {"type": "replaced"})])


class StanzaRouter:
    """At most one socket for each device. Stanzas stay on disk until the device acknowledges them."""

    def __init__(
        self,
        store: Store,
        queue: OfflineQueue,
        faults: Faults,
        deadlines: AnswerDeadlines,
        switches: Switches,
    ) -> None:
        self._store = store
        self._queue = queue
        self._faults = faults
        self._deadlines = deadlines
        self._switches = switches
        self._live: dict[DeviceKey, Connection] = {}
        self._backlogs: dict[Connection, OfflineBacklog] = {}
        self._kept: dict[DeviceKey, list[Kept]] = {}

    def live(self, device: DeviceKey) -> Connection | None:
        """Returns the socket of a companion that is logged in; None for one that is not."""
        return self._live.get(device)

    def of(self, number: str, device: int | None = None) -> list[Connection]:
        """The account's open sockets."""
        return [
            connection
            for (owner, its_device), connection in self._live.items()
            if owner == number and device in (None, its_device)
        ]

    def everyone(self) -> list[Connection]:
        """Returns the sockets of all companions that are logged in."""
        return list(self._live.values())

    def login(self, device: DeviceKey, connection: Connection) -> bool:
        """Makes this socket the one of its device; returns whether it replaced another one.

        The old socket gets `conflict replaced`, and its stanzas are ignored, before the new one gets
        its `<success>` (G6).
        """
        old = self._live.get(device)
        if old is not None:
            old.retire(CONFLICT_REPLACED)
        self._live[device] = connection
        return old is not None

    def left(self, connection: Connection) -> None:
        """Drops a socket that closed, unless another login took its place."""
        device = connection.device
        if device is not None and self._live.get(device) is connection:
            del self._live[device]
            self._kept.pop(device, None)
        self._backlogs.pop(connection, None)

    def deliver(self, device: DeviceKey, stanza: Any, delay: float = 0.0) -> None:
        """Queues the stanza and sends it `delay` seconds after the commit.

        A device that is offline gets it at its next login.
        """
        encoded = encode(stanza)
        seq = self._queue.put(device, stanza, encoded)
        self._store.after_commit(lambda: self._send(device, seq, stanza, encoded, delay))

    def flush(self, connection: Connection) -> None:
        """Sends the queue, oldest first, between a preview and the closing count.

        Under the rule `offline_batches` it sends only a primer: the client has to request the rest.
        """
        assert connection.device is not None
        number, _ = connection.device
        backlog = OfflineBacklog.of(self._queue.waiting(connection.device))
        counts = self._queue.counts(connection.device)
        connection.active = True
        # stanzas that `reorder` held back are among them
        self._kept.pop(connection.device, None)
        preview = {
            "count": backlog.total,
            "message": counts.get("message", 0),
            "receipt": counts.get("receipt", 0),
            "notification": counts.get("notification", 0),
            "appdata": 0,
        }
        connection.push(Node("ib", {"from": SERVER}, [Node("offline_preview", preview)]))
        self._backlogs[connection] = backlog
        in_batches = self._switches.on("offline_batches", number)
        self._push_batch(connection, backlog.batch(PRIMER if in_batches else backlog.total))

    def requested(self, connection: Connection, _: Companion, stanza: Any) -> None:
        """Handles a client's `<ib>`, which may request more of its backlog."""
        count = requested(stanza)
        if count and connection in self._backlogs:
            self._store.after_commit(lambda: self._push_requested(connection, count))

    def _push_requested(self, connection: Connection, count: int) -> None:
        backlog = self._backlogs.get(connection)
        if backlog is not None:
            batch = backlog.batch(count)
            # A receipt for a message removes its resends as well.
            self._push_batch(connection, [one for one in batch if self._queue.holds(one.seq)])

    def _push_batch(self, connection: Connection, batch: list[QueuedStanza]) -> None:
        """Sends stanzas of a backlog; after the last one its end, then the stanzas that came meanwhile."""
        for one in batch:
            offline = Node(one.stanza.tag, {**one.stanza.attrs, "offline": "0"}, one.stanza.content)
            self._push(connection, one.seq, offline)
        backlog = self._backlogs[connection]
        if not backlog.waiting:
            del self._backlogs[connection]
            connection.push(
                Node("ib", {"from": SERVER}, [Node("offline", {"count": backlog.total})])
            )
            self._push_all(connection, [one for one in backlog.behind if self._queue.holds(one[0])])

    def release(self, number: str, device: int | None) -> None:
        """Delivers the stanzas that `reorder` held back from a device, in their original order."""
        for connection in self.of(number, device):
            assert connection.device is not None
            if connection.active:
                self._push_all(connection, self._kept.pop(connection.device, []))

    def _send(self, device: DeviceKey, seq: int, stanza: Any, encoded: bytes, delay: float) -> None:
        connection = self._live.get(device)
        if connection is None or not connection.active:
            return
        if delay > 0:
            asyncio.get_running_loop().call_later(
                delay, self._late, connection, seq, stanza, encoded
            )
        else:
            self._pass_on(connection, seq, stanza, encoded)

    def _late(self, connection: Connection, seq: int, stanza: Any, encoded: bytes) -> None:
        # A new socket got the stanza with its flush at login: sending it again would be a
        # duplicate that no server produces.
        assert connection.device is not None
        if self._live.get(connection.device) is connection and self._queue.holds(seq):
            self._pass_on(connection, seq, stanza, encoded)

    def _pass_on(self, connection: Connection, seq: int, stanza: Any, encoded: bytes) -> None:
        """Sends a new stanza, after the end of the backlog."""
        backlog = self._backlogs.get(connection)
        if backlog is not None:
            backlog.behind.append((seq, stanza, encoded))
        elif not self._holds_back(connection, seq, stanza, encoded):
            self._push(connection, seq, stanza, encoded)

    def _holds_back(self, connection: Connection, seq: int, stanza: Any, encoded: bytes) -> bool:
        """Returns whether `reorder` holds the stanza back; the last of its count releases all."""
        assert connection.device is not None
        number, device = connection.device
        if stanza.tag != "message" or "recipient" in stanza.attrs:
            return False
        fault = self._faults.find(number, "reorder", device=device)
        if fault is None:
            return False
        fault.device = device
        kept = self._kept.setdefault(connection.device, [])
        kept.append((seq, stanza, encoded))
        if len(kept) == fault.left:
            self._faults.struck(fault, len(kept))
            self._push_all(connection, list(reversed(self._kept.pop(connection.device))))
        return True

    def _push_all(self, connection: Connection, kept: list[Kept]) -> None:
        for seq, stanza, encoded in kept:
            self._push(connection, seq, stanza, encoded)

    def _push(
        self, connection: Connection, seq: int, stanza: Any, encoded: bytes | None = None
    ) -> None:
        assert connection.device is not None
        number, device = connection.device
        spoiled = self._faults.strike(number, "lose", "corrupt", device=device)
        if spoiled is not None:
            connection.spoil(spoiled.kind)
        is_message = stanza.tag == "message" and stanza.attrs.get("category") != "peer"
        if is_message and self._faults.strike(number, "garble", device=device):
            stanza, encoded = _garbled(stanza), None
        if _BESIDE & stanza.attrs.keys() and self._faults.strike(number, "conceal", device=device):
            attrs = {name: one for name, one in stanza.attrs.items() if name not in _BESIDE}
            stanza, encoded = Node(stanza.tag, attrs, stanza.content), None
        connection.push(stanza, encoded, mark=self._deadlines.owe(connection, seq, stanza))
        if stanza.tag == "message" and self._faults.strike(number, "duplicate", device=device):
            connection.push(stanza)


def _garbled(stanza: Any) -> Any:
    """Returns the message with a byte of each ciphertext altered.

    The twentieth from the end lies in what the MAC covers, whether the MAC ends the message or a
    first message's key ids follow it; those a client that has the session does not even read.
    """
    content = [
        Node(
            child.tag,
            child.attrs,
            child.content[:-20] + bytes([child.content[-20] ^ 1]) + child.content[-19:],
        )
        if child.tag == "enc"
        else child
        for child in stanza.get_children()
    ]
    return Node(stanza.tag, stanza.attrs, content)
