"""An instance with some connections under load, and what can be asked of it while it is struck."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import cycle
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.harness.traffic import Party
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.chaos.harness.faults.outside import Outside
    from tests.chaos.harness.traffic import Lane, Load
    from tests.processes.instance import Instance

BURST = 20
"""Messages that come in at once, right before a fault."""

SETTINGS = {
    # Unacknowledged messages are retried soon, so that more faults fit into the minutes.
    "WHATSAPP_ACK_TIMEOUT": "5000",
    # A connection that is struck every few seconds is no flapping one, which has to wait longer.
    "MIN_UPTIME": "2000",
    # Alerts come and go within seconds.
    "HEALTH_CHECK_INTERVAL": "1000",
    # A machine that is all used is what this is about, and other programs may share it.
    "CPU_THRESHOLD": "100",
    "MEMORY_THRESHOLD": "100",
    # A greedy tenant comes to its limits within seconds (`hostile`).
    "EVENT_READERS_PER_CONNECTION": "5",
    "WEBHOOKS_PER_CONNECTION": "3",
    "API_KEYS_PER_CONNECTION": "5",
    "MEDIA_UPLOADS_PER_CONNECTION": "2M",
    "MEDIA_MAX_BYTES": "500K",
    "WEBHOOK_URL_PRIVATE": "true",
}


def parties(connections: int, chats: int, first: int = 0) -> list[Party]:
    """Connections with accounts and contacts of their own; `first` numbers the first chat of each."""
    return [
        Party(
            f"line{number:02d}",
            f"1555014{number:04d}",
            tuple(f"1555011{number:02d}{first + chat:02d}" for chat in range(chats)),
            crowd=f"1555012{first:02d}{number:02d}",
        )
        for number in range(connections)
    ]


def pair_all(instance: Instance, whom: Sequence[Party], seconds: float = 120) -> None:
    """Create the connections and scan their QRs, some at a time."""
    with ThreadPoolExecutor(4) as pool:
        list(
            pool.map(
                lambda party: instance.pair(party.connection, party.account),
                whom,
            )
        )
    instance.ready(seconds)


@dataclass(frozen=True)
class ConnectionOwner:
    """The owner of a connection; without a `pid` until a new root has adopted it."""

    epoch: int
    pid: int | None

    def differs(self, other: ConnectionOwner) -> bool:
        pids = {self.pid, other.pid} - {None}
        return self.epoch != other.epoch or len(pids) > 1


class Scene:
    """The access of a fault to an instance: to strike, and to verify its injection and its end."""

    def __init__(self, instance: Instance, load: Load, outside: Outside | None = None) -> None:
        """`outside`: what the instance uses beside its own, where it does."""
        self.instance, self.load, self.outside = instance, load, outside
        self.parties = load.parties
        self.reused = 0
        """The number of reuses of a name (`use_again`)."""
        self.greedy: set[str] = set()
        """Connections that took all the files that they may have (`hostile`)."""

    def pid(self, role: str, connection: str | None = None) -> int | None:
        """Returns the processes of a role from files that can be read without the instance."""
        for entry in self.instance.entries():
            if entry.role == role and connection in (None, entry.connection):
                return entry.pid
        return None

    def incarnation(self, connection: str) -> str:
        """As `Instance.incarnation`. A gateway that is away is waited for."""

        def look() -> str | None:
            with suppress(httpx.HTTPStatusError):
                return self.instance.incarnation(connection)
            return None

        return until(f"{connection} is shown", look, 120)

    def replaced(self, role: str, old: int, connection: str | None = None) -> bool:
        return self.pid(role, connection) not in (None, old)

    def served(self) -> dict[str, ConnectionOwner]:
        """Returns the owner of each connection under load; waits for a gateway that is away."""
        loaded = {party.connection for party in self.parties}

        def look() -> list[dict[str, Any]]:
            answer = self.instance.api.get("/api/connections", params={"limit": "500"})
            items: list[dict[str, Any]] = answer.json()["items"] if answer.is_success else []
            return items

        found = until("the connections are listed", look, 120)
        return {
            item["id"]: ConnectionOwner(item["epoch"], self.pid("connection", item["id"]))
            for item in found
            if item["id"] in loaded
        }

    def burst(self, *whom: Party) -> None:
        """Much at once for these, so that it is not through when the next line strikes."""
        for party in whom:
            self.load.strike_into(party, BURST)

    @contextmanager
    def crowded(self) -> Iterator[None]:
        """Bursts for one connection after the other, so that something is on its way all the time."""
        stop = threading.Event()

        def run() -> None:
            for party in cycle(self.parties):
                if stop.is_set():
                    return
                self.load.burst(party, BURST)

        thread = threading.Thread(target=run, name="crowds")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def begin_fault(self, party: Party, kind: str, **fields: Any) -> int:
        """Ask the simulator for a fault; its id."""
        asked = self.instance.simulator.post(
            "/faults", json={"account": party.account, "kind": kind, **fields}
        )
        identity: int = asked.raise_for_status().json()["id"]
        return identity

    def struck(self, fault: int) -> int:
        """Returns the injections of a simulator's fault so far."""
        items = self.instance.simulator.get("/faults").raise_for_status().json()["items"]
        return sum(item["struck"] for item in items if item["id"] == fault)

    def end_fault(self, fault: int) -> None:
        self.instance.simulator.delete("/faults", params={"id": fault}).raise_for_status()

    def flowing(
        self, whom: Sequence[Party], since: float, seconds: float, *, over: float | None = None
    ) -> dict[str, float]:
        """Wait until messages of all these flow again, both ways.

        By connection the seconds until something that was given after `since` had arrived, counted
        from when the fault was `over` where it lasted; who is missing did not get there within
        `seconds`.
        """
        found: dict[str, float] = {}
        marks: dict[str, int] = {}
        end = time.monotonic() + seconds
        while True:
            for party in whom:
                with suppress(httpx.HTTPError):
                    if party.connection not in found and self._flows(party, since, marks):
                        found[party.connection] = time.time() - (over or since)
            if len(found) == len(whom) or time.monotonic() > end:
                return found
            time.sleep(0.2)

    def _flows(self, party: Party, since: float, marks: dict[str, int]) -> bool:
        """Whether it flows; a direction that did once is not asked for again."""
        for direction, look in (("out", self._sent), ("in", self._stored)):
            mark = f"{party.connection} {direction}"
            lanes = [
                lane for lane in self.load.lanes(party.connection) if lane.direction == direction
            ]
            if mark not in marks and any(look(lane, since, marks) for lane in lanes):
                marks[mark] = 1
        return all(f"{party.connection} {direction}" in marks for direction in ("out", "in"))

    def _sent(self, lane: Lane, since: float, marks: dict[str, int]) -> bool:
        """Whether its contact has got something new; only what came since the last look is read."""
        page = self.instance.simulator.get(
            f"/contacts/{lane.chat}/inbox", params={"after": marks.get(lane.chat, 0)}
        )
        inbox = page.raise_for_status().json()
        marks[lane.chat] = inbox["last"]
        return not _given(lane, since).isdisjoint(item["text"] for item in inbox["items"])

    def _stored(self, lane: Lane, since: float, _: dict[str, int]) -> bool:
        wanted = _given(lane, since)
        if not wanted:
            return False
        page = self.instance.api.get(
            "/api/messages",
            params={
                "connection": lane.party.connection,
                "chat": lane.chat,
                "direction": "in",
                "order": "newest",
                "limit": "20",
            },
        )
        return any(item["text"] in wanted for item in page.raise_for_status().json()["items"])


def _given(lane: Lane, since: float) -> set[str]:
    return {token for token, at in lane.tokens[-500:] if at > since}
