"""Messages both ways while something dies: one process's worth of programs and of people.

Each text is a token that is used once, so that `judge` can count by content: two ids for one token
are a duplicate however they came about. Everything runs in the tasks of one event loop in a thread
of its own, so that the load costs the machine little beside what it loads.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import TYPE_CHECKING, Self

import httpx

from tests.plain_http import NO_AUTHORITIES
from tests.processes.instance import API_KEY, Instance
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PAUSE = 0.5
"""Seconds between two messages of a lane."""

HASTE = 0.1
"""The same in a surge: some messages are on their way at each moment, and the machine has time for the fault."""

ACCEPTED_WITHIN = 45.0
"""Seconds within which a send has to be answered by 202 (G8), from the end of `Load.redis_away` where that is later."""

FLOW = 16
"""Messages that were given once a load flows."""

HELD = 20
"""Messages that are certain to be in flight once the load is held."""

USUAL, URGENT = 5, 1
"""Priorities of messages; within one the order of acceptance holds."""

_CONTACTS = count(1)


@dataclass(frozen=True)
class Party:
    """A connection, the account that it serves, and whom that talks with.

    `crowd` is a contact who says much at once when asked to, and nothing else.
    """

    connection: str
    account: str
    contacts: tuple[str, ...]
    crowd: str | None = None


@dataclass
class Lane:
    """The tokens of one chat in one direction, in order: (token, time of acceptance).

    `doubtful` are tokens without an answer: at most one delivery is right.
    """

    party: Party
    chat: str
    direction: str
    priority: int = USUAL
    tokens: list[tuple[str, float]] = field(default_factory=list, repr=False)
    doubtful: list[tuple[str, float]] = field(default_factory=list, repr=False)

    def token(self, number: int) -> str:
        priority = f"{self.priority}-" if self.direction == "out" else ""
        return f"{self.direction}-{self.chat}-{priority}{number:06d}"


class Load:
    """A steady load on some connections, both ways, until it is left.

    Per chat the next message is given once the last one was accepted. `pause` is between two
    messages of a lane, in seconds. A program that is refused for `ACCEPTED_WITHIN` fails the whole load.
    """

    def __init__(
        self,
        instance: Instance,
        parties: Sequence[Party],
        *,
        pause: float = PAUSE,
        urgent: bool = False,
    ) -> None:
        self.instance, self.parties, self.pause = instance, tuple(parties), pause
        priorities = (USUAL, URGENT) if urgent else (USUAL,)
        self.out = [
            Lane(party, chat, "out", priority)
            for party in parties
            for number, chat in enumerate(party.contacts)
            # One chat of each connection has urgent messages between the others.
            for priority in (priorities if number == 0 else (USUAL,))
        ]
        self.incoming = [Lane(party, chat, "in") for party in parties for chat in party.contacts]
        self._crowds = {
            party.connection: Lane(party, party.crowd, "in") for party in parties if party.crowd
        }
        self.incoming += self._crowds.values()
        self._crowding = {connection: threading.Lock() for connection in self._crowds}
        self._saying: list[threading.Thread] = []
        self._bursts = count(1)
        self.refused: Counter[str] = Counter()
        self.failure: str | None = None
        self._hurried: dict[str, float] = {}
        self._held: list[int] = []
        self._redis_away, self._redis_back = False, 0.0
        self._stopping = False
        self._thread = threading.Thread(target=self._run_alone, name="load")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.calm()
        self._stopping = True
        for saying in self._saying:
            saying.join()
        self._thread.join(ACCEPTED_WITHIN + 15)
        assert not self._thread.is_alive(), "a program is still asking"
        if kind is None:
            assert self.failure is None, self.failure

    def given(self) -> int:
        assert self.failure is None, self.failure
        return sum(len(lane.tokens) for lane in (*self.out, *self.incoming))

    def flow(self) -> None:
        """Wait until `FLOW` more messages were given: programs and people get on."""
        wanted = self.given() + FLOW
        until("messages flow", lambda: self.given() > wanted, 30)

    def lanes(self, connection: str) -> list[Lane]:
        return [lane for lane in (*self.out, *self.incoming) if lane.party.connection == connection]

    def surge(self, *connections: str, seconds: float = float("inf")) -> None:
        """Much faster from now on, so that something is in flight whenever a kill falls."""
        end = time.monotonic() + seconds
        for connection in connections or (party.connection for party in self.parties):
            self._hurried[connection] = end
        time.sleep(0.5)

    def strike_into(self, party: Party, size: int) -> None:
        """The party's crowd begins to say so much: most of it is to come when this returns.

        It begins once what it says already is said.
        """
        begun = threading.Event()
        saying = threading.Thread(target=self.burst, args=(party, size, begun), name="crowd")
        self._saying.append(saying)
        saying.start()
        assert begun.wait(30), f"the crowd of {party.connection} is not through"
        time.sleep(0.01)

    def burst(self, party: Party, size: int, begun: threading.Event | None = None) -> None:
        """The party's crowd says so much at once, behind what it says already."""
        lane = self._crowds[party.connection]
        with self._crowding[party.connection]:
            if begun is not None:
                begun.set()
            self._burst(party, lane, lane.token(next(self._bursts)), size)

    def _burst(self, party: Party, lane: Lane, text: str, size: int) -> None:
        tokens = [f"{text} {number}" for number in range(1, size + 1)]
        asked = time.time()
        try:
            self.instance.simulator.post(
                f"/contacts/{lane.chat}/say",
                json={"to": party.account, "text": text, "count": size},
            ).raise_for_status()
        except httpx.HTTPError:
            lane.doubtful += [(token, asked) for token in tokens]
        else:
            lane.tokens += [(token, asked) for token in tokens]

    def hold(self) -> None:
        """`HELD` messages are accepted and cannot arrive before `calm`.

        Nothing moves between the service and WhatsApp until then. On a quiet machine a surge alone
        is through before the kill falls: a message may arrive before its 202 does.
        """
        self.surge()
        for party in self.parties:
            fault = {"account": party.account, "kind": "freeze"}
            answer = self.instance.simulator.post("/faults", json=fault).raise_for_status().json()
            self._held.append(answer["id"])
            assert answer["reached"], f"{party.connection} has no socket to be held"
        # One of each lane may have arrived by now, and be answered only after this.
        wanted = self._accepted_so_far() + len(self.out) + HELD
        until("the load is held", lambda: self._accepted_so_far() >= wanted, 30)
        self._hurried.clear()  # what comes now only takes its time to be judged

    def _accepted_so_far(self) -> int:
        assert self.failure is None, self.failure
        return sum(len(lane.tokens) for lane in self.out)

    def calm(self) -> None:
        """The steady load again, and nothing is held."""
        self._hurried.clear()
        while self._held:
            # A simulator that was killed holds nothing any more.
            with suppress(httpx.TransportError):
                self.instance.simulator.delete(
                    "/faults", params={"id": self._held.pop()}
                ).raise_for_status()

    @contextmanager
    def redis_away(self) -> Iterator[None]:
        """Redis is away within: no send can be accepted until its end."""
        self._redis_away = True
        try:
            yield
        finally:
            self._redis_back, self._redis_away = time.monotonic(), False

    def _overdue(self, begun: float) -> bool:
        """Whether a send that is asked for since `begun` should have been accepted."""
        late = time.monotonic() >= max(begun, self._redis_back) + ACCEPTED_WITHIN
        return late and not self._redis_away

    def _run_alone(self) -> None:
        # uvloop has no socket of a connection that a killed server resets at once, which httpx does not expect.
        with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        # A connection that the server is about to close is not used again.
        limits = httpx.Limits(
            max_connections=None, max_keepalive_connections=None, keepalive_expiry=2.0
        )
        async with (
            httpx.AsyncClient(
                base_url=str(self.instance.api.base_url),
                headers={"X-Api-Key": API_KEY},
                timeout=10,
                limits=limits,
                verify=NO_AUTHORITIES,
            ) as api,
            httpx.AsyncClient(
                base_url=str(self.instance.simulator.base_url),
                timeout=15,
                limits=limits,
                verify=NO_AUTHORITIES,
            ) as simulator,
        ):
            try:
                async with asyncio.TaskGroup() as group:
                    for number, lane in enumerate(self.out):
                        # They do not all speak at the same moment.
                        later = self.pause * number / len(self.out)
                        group.create_task(self._send(api, lane, later))
                    for party in self.parties:
                        group.create_task(self._say(simulator, party))
            except ExceptionGroup as error:
                self.failure = f"the load broke: {error.exceptions[0]!r}"

    async def _send(self, api: httpx.AsyncClient, lane: Lane, later: float) -> None:
        await self._rest(lane.party, later)
        number = 0
        while not self._stopping:
            number += 1
            token = lane.token(number)
            if await self._accepted(api, lane, token):
                lane.tokens.append((token, time.time()))
            await self._rest(lane.party, self.pause)

    async def _accepted(self, api: httpx.AsyncClient, lane: Lane, token: str) -> bool:
        """Ask until it is accepted, as a careful program does: same key, same body."""
        body = {
            "connection": lane.party.connection,
            "to": lane.chat,
            "type": "text",
            "text": token,
            "priority": lane.priority,
        }
        begun = time.monotonic()
        while not self._overdue(begun):
            try:
                answer = await api.post(
                    "/api/messages", json=body, headers={"Idempotency-Key": token}
                )
            except httpx.TransportError as error:
                self.refused[type(error).__name__] += 1
            else:
                if answer.status_code == 202:
                    return True
                assert answer.status_code == 503, answer.text
                self.refused["503"] += 1
            await asyncio.sleep(0.1)
        raise AssertionError(f"not accepted within {ACCEPTED_WITHIN:.0f} s: {token}")

    async def _say(self, simulator: httpx.AsyncClient, party: Party) -> None:
        lanes = [lane for lane in self.incoming if lane.chat in party.contacts]
        number = 0
        for lane in cycle(lanes):
            if self._stopping:
                return
            number += lane is lanes[0]
            token = lane.token(number)
            asked = time.time()
            try:
                said = await simulator.post(
                    f"/contacts/{lane.chat}/say", json={"to": party.account, "text": token}
                )
                said.raise_for_status()
            except httpx.HTTPError as error:
                # The simulator died while it was asked.
                self.refused[type(error).__name__] += 1
                lane.doubtful.append((token, asked))
                await asyncio.sleep(0.2)
                continue
            lane.tokens.append((token, time.time()))
            # As many as are sent.
            await self._rest(party, self.pause / len(lanes))

    async def _rest(self, party: Party, seconds: float) -> None:
        """Waits; no longer than `HASTE` while a hurry is requested, nor than until a stop is."""
        begun = time.monotonic()
        while not self._stopping:
            now = time.monotonic()
            hurries = now < self._hurried.get(party.connection, now)
            left = begun + (min(HASTE, seconds) if hurries else seconds) - now
            if left <= 0:
                return
            await asyncio.sleep(min(left, HASTE))


class Traffic(Load):
    """A steady load on one connection, in chats that no other load of this process has."""

    def __init__(
        self,
        instance: Instance,
        connection: str,
        account: str,
        chats: int = 3,
        *,
        pause: float = PAUSE,
    ) -> None:
        contacts = tuple(f"1555018{next(_CONTACTS):04d}" for _ in range(chats))
        super().__init__(instance, [Party(connection, account, contacts)], pause=pause)
