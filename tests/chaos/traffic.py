"""Messages both ways while something dies, and the judge of what became of them.

Each text is a token that is used once, so the judge counts by content: two ids for one token are a
duplicate however they came about. It believes the simulator (what a contact decrypted) and the
service's own API, nothing else.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import httpx

from tests.instance import API_KEY, Instance

if TYPE_CHECKING:
    from collections.abc import Sequence


PAUSE = 0.02
"""Seconds between two messages of a lane."""


@dataclass
class Lane:
    """What was given to one chat in one direction, in order: (token, when it was accepted)."""

    chat: str
    tokens: list[tuple[str, float]] = field(default_factory=list)


class Traffic:
    """A steady load on one connection, both ways, until it is left."""

    def __init__(
        self,
        instance: Instance,
        connection: str,
        account: str,
        contacts: Sequence[str],
    ) -> None:
        self.instance, self.connection, self.account = instance, connection, account
        self._pause = PAUSE
        self.out = [Lane(contact) for contact in contacts]
        self.incoming = [Lane(contact) for contact in contacts]
        self.refused: Counter[str] = Counter()
        self._stop = threading.Event()
        self._threads = [
            *(threading.Thread(target=self._send, args=(lane,)) for lane in self.out),
            threading.Thread(target=self._say),
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a program is still asking"

    def _send(self, lane: Lane) -> None:
        number = 0
        with httpx.Client(
            base_url=str(self.instance.api.base_url), headers={"X-Api-Key": API_KEY}, timeout=10
        ) as api:
            while not self._stop.is_set():
                number += 1
                token = f"out-{lane.chat}-{number:05d}"
                if self._accepted(api, lane.chat, token):
                    lane.tokens.append((token, time.time()))
                self._stop.wait(self._pause)

    def _accepted(self, api: httpx.Client, chat: str, token: str) -> bool:
        """Ask until it is accepted, as a careful program does: same key, same body."""
        body = {"connection": self.connection, "to": chat, "type": "text", "text": token}
        end = time.monotonic() + 45
        while time.monotonic() < end:
            try:
                answer = api.post("/api/messages", json=body, headers={"Idempotency-Key": token})
            except httpx.TransportError as error:
                self.refused[type(error).__name__] += 1
            else:
                if answer.status_code == 202:
                    return True
                assert answer.status_code == 503, answer.text
                self.refused["503"] += 1
            time.sleep(0.1)
        raise AssertionError("not accepted within 45 s")

    def _say(self) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            for lane in self.incoming:
                token = f"in-{lane.chat}-{number:05d}"
                try:
                    self.instance.say(lane.chat, self.account, token)
                except httpx.TransportError as error:
                    # The simulator died while it was asked: whether it took the token is not
                    # known, so it does not count.
                    self.refused[type(error).__name__] += 1
                    self._stop.wait(0.2)
                    continue
                lane.tokens.append((token, time.time()))
            self._stop.wait(self._pause)

    def surge(self) -> None:
        """As fast as it goes from now on, so that something is in flight whenever a kill falls."""
        self._pause = 0.0
        time.sleep(0.5)

    def calm(self) -> None:
        """The steady load again."""
        self._pause = PAUSE

    def given(self) -> int:
        return sum(len(lane.tokens) for lane in (*self.out, *self.incoming))


@dataclass
class Verdict:
    """Counts over all lanes; `in_flight` are those accepted before the kill and settled after."""

    sent: int = 0
    received: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    repeated_deliveries: int = 0

    def __str__(self) -> str:
        return (
            f"{self.sent} sent, {self.received} received, {self.in_flight} in flight at the kill, "
            f"{len(self.lost)} lost, {len(self.duplicated)} duplicated, "
            f"{len(self.reordered)} reordered, {self.repeated_deliveries} ids delivered again"
        )

    def require_clean(self) -> None:
        assert not self.lost, f"lost: {self.lost[:10]} of {len(self.lost)}"
        assert not self.duplicated, f"duplicated: {self.duplicated[:10]}"
        assert not self.reordered, f"reordered: {self.reordered[:10]}"


def judge(traffic: Traffic, killed_at: float, *, seconds: float = 60) -> Verdict:
    """Wait until every token has arrived, or none did for `seconds`, then count."""
    instance, verdict = traffic.instance, Verdict()

    given = {token for lane in (*traffic.out, *traffic.incoming) for token, _ in lane.tokens}
    missing, since = given, time.monotonic()
    while missing and time.monotonic() - since < seconds:
        still = given - _arrived(traffic)
        if len(still) < len(missing):
            since = time.monotonic()
        missing = still
        time.sleep(0.2)
    for lane in traffic.out:
        arrived = [item for item in instance.inbox(lane.chat) if item["from"] == traffic.account]
        verdict.sent += len(lane.tokens)
        verdict.repeated_deliveries += sum(item["deliveries"] > 1 for item in arrived)
        moments = {item["text"]: _seconds(item["at"]) for item in arrived}
        _count(verdict, lane, [item["text"] for item in arrived])
        verdict.in_flight += _straddling(lane, killed_at, moments)
    stored = instance.messages(
        connection=traffic.connection, direction="in", limit="500", order="oldest"
    )
    for lane in traffic.incoming:
        mine = [item for item in stored if item["chat"].startswith(lane.chat)]
        verdict.received += len(lane.tokens)
        moments = {item["text"]: _seconds(item["received_at"]) for item in mine}
        _count(verdict, lane, [item["text"] for item in mine])
        verdict.in_flight += _straddling(lane, killed_at, moments)
    return verdict


def _arrived(traffic: Traffic) -> set[str]:
    """The tokens that are where they belong: in a contact's inbox, or in the service's store."""
    try:
        arrived = {
            item["text"] for lane in traffic.out for item in traffic.instance.inbox(lane.chat)
        }
        stored = traffic.instance.messages(
            connection=traffic.connection, direction="in", limit="500", order="oldest"
        )
    except httpx.TransportError:
        return set()
    return arrived | {item["text"] for item in stored}


def _straddling(lane: Lane, killed_at: float, moments: dict[str, float]) -> int:
    """How many were given before the kill and arrived after it."""
    return sum(given < killed_at < moments.get(token, 0) for token, given in lane.tokens)


def _seconds(at: float | str) -> float:
    if isinstance(at, str):
        return datetime.fromisoformat(at).timestamp()
    return at


def _count(verdict: Verdict, lane: Lane, arrived: list[str]) -> None:
    tokens = [token for token, _ in lane.tokens]
    mine = [token for token in arrived if token in set(tokens)]
    times = Counter(mine)
    verdict.lost += [token for token in tokens if not times[token]]
    verdict.duplicated += [token for token, count in times.items() if count > 1]
    first = list(dict.fromkeys(mine))
    verdict.reordered += [late for early, late in pairwise(first) if late < early]
