"""Faults that are people: a tenant who takes all that it gets, a contact whose messages nobody can read (G13)."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.harness.faults.faults import REACH, Fault, Struck
from tests.plain_http import NO_AUTHORITIES
from tests.waits import passes, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

REACHED = (
    "quota_reached",
    "instance_limit_reached",
    "rate_limited",
    "upload_budget_reached",
    "queue_full",
)
FILE, SMALL = 100_000, 1_000
"""Bytes of a file of the greedy one, and of another, which has some left of its day each time."""

NOBODY = "http://127.0.0.1:9/"
NUMBER = "15550170001"
"""The number that tenants check, and write to tomorrow: never."""

FORGED = 30
LONG = 90.0
"""Seconds for a step while other parts are struck."""

AT_ONCE, HURRIED, STEADY = 3, 0.1, 0.25
"""Programs of the greedy one that work at once; seconds between two steps of one, and of the other one's."""

ROUNDS = 2
"""Times that the other one goes through its steps meanwhile."""

_FORGERS, _SENDS = count(1), count(1)


class Tenant:
    """A program with a key for one connection alone; what it took is given back in `close`.

    Where the gateway or the store is away it asks again: that is no refusal of a limit.
    """

    KINDS = ("reader", "webhook", "key", "file")

    def __init__(self, instance: Instance, connection: str, *, file: int = FILE) -> None:
        """Its files have so many bytes."""
        self._instance = instance
        self._file = file
        self._connection = connection
        self._keys: list[str] = []
        self._webhooks: list[str] = []
        self._open = ExitStack()
        made = until(f"{connection} gets a key", self._first_key, LONG)
        self._keys.append(made["id"])
        self._api = self._open.enter_context(
            httpx.Client(
                base_url=str(instance.api.base_url),
                headers={"X-Api-Key": made["key"]},
                limits=httpx.Limits(keepalive_expiry=2.0),
                timeout=15,
                verify=NO_AUTHORITIES,
            )
        )

    def _first_key(self) -> dict[str, Any] | None:
        answer = self._instance.api.post("/api/keys", json=self._key())
        found: dict[str, Any] = answer.json()
        assert found.get("code") not in REACHED, "its first key is refused"
        return found if answer.status_code == 201 else None

    def _key(self) -> dict[str, Any]:
        return {"name": "tenant", "scopes": ["admin"], "connections": [self._connection]}

    def ask(self, kind: str) -> str | None:
        """Take one more: the code of a refusal by a limit, or None once it is taken."""

        def asked() -> str | None:
            answer = self._answer(kind)
            if answer.status_code in {200, 201}:
                return "taken"
            code = str(answer.json().get("code"))
            return code if code in REACHED else None

        outcome = until(f"a {kind} is taken or refused", asked, LONG)
        return None if outcome == "taken" else outcome

    def _answer(self, kind: str) -> httpx.Response:
        if kind == "reader":
            asked = self._api.build_request("GET", "/api/events")
            answer = self._api.send(asked, stream=True)
            if answer.status_code == 200:
                self._open.callback(answer.close)
            else:
                answer.read()
                answer.close()
            return answer
        if kind == "file":
            headers = {"Content-Type": "image/png"}
            return self._api.post("/api/media", content=os.urandom(self._file), headers=headers)
        if kind == "key":
            answer = self._api.post("/api/keys", json=self._key())
            self._keys += [answer.json()["id"]] if answer.status_code == 201 else []
            return answer
        body = {"url": NOBODY, "connections": [self._connection]}
        answer = self._api.post("/api/webhooks", json=body)
        self._webhooks += [answer.json()["id"]] if answer.status_code == 201 else []
        return answer

    def take_all(self, kind: str) -> int:
        """Ask until a limit refuses it; how many it got. AssertionError where none does."""
        for taken in range(100):
            if self.ask(kind) is not None:
                return taken
        raise AssertionError(f"no limit of a {kind} was reached")

    @contextmanager
    def working(self, programs: int, pause: float) -> Iterator[Counter[str]]:
        """Have so many programs list, read, check numbers, send for tomorrow and cancel, a step at a time.

        The counter has the answers to their steps by the step's name, and refusals by code too.
        """
        over, answers = threading.Event(), Counter[str]()
        working = [_Program(self._api, self._connection) for _ in range(programs)]

        def run(program: _Program) -> None:
            while not over.wait(pause):
                with suppress(httpx.TransportError):  # the same step again
                    name, answer = program.step()
                    answers[name] += 1
                    if not answer.is_success:
                        answers[str(answer.json().get("code"))] += 1

        threads = [threading.Thread(target=run, args=(each,), name="tenant") for each in working]
        for each in threads:
            each.start()
        try:
            yield answers
        finally:
            over.set()
            for each in threads:
                each.join()
            for program in working:
                if program.waiting is not None:
                    path = f"/api/messages/{program.waiting}"
                    until("nothing waits for tomorrow", partial(self._cancelled, path), LONG)

    def _cancelled(self, path: str) -> bool:
        return self._instance.api.delete(path).status_code in {200, 404, 409}

    def close(self) -> None:
        self._open.close()
        paths = [f"/api/webhooks/{each}" for each in self._webhooks]
        for path in (*paths, *(f"/api/keys/{each}" for each in self._keys)):
            until(f"{path} is gone", partial(self._gone, path), LONG)

    def _gone(self, path: str) -> bool:
        return self._instance.api.delete(path).status_code in {204, 404}


class _Program:
    """The steps of a tenant's program, one after the other and again from the first."""

    STEPS = ("list", "read", "check", "send", "cancel")

    def __init__(self, api: httpx.Client, connection: str) -> None:
        self._api, self._connection = api, connection
        self._next = 0
        self._number = next(_SENDS)
        self._due = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        self._last: str | None = None
        self.waiting: str | None = None
        """The message that is to be cancelled."""

    def step(self) -> tuple[str, httpx.Response]:
        """Do the next step; its name and answer. One without an answer is the next one again."""
        name = self.STEPS[self._next % len(self.STEPS)]
        answer: httpx.Response = getattr(self, f"_{name}")()
        self._next += 1
        return name, answer

    def _list(self) -> httpx.Response:
        return self._api.get("/api/messages", params={"connection": self._connection, "limit": 50})

    def _read(self) -> httpx.Response:
        return self._api.get("/api/queue" if self._last is None else f"/api/messages/{self._last}")

    def _check(self) -> httpx.Response:
        return self._api.get(f"/api/connections/{self._connection}/numbers/{NUMBER}")

    def _send(self) -> httpx.Response:
        body = {
            "connection": self._connection,
            "to": NUMBER,
            "text": f"tomorrow {self._number}",
            "send_at": self._due,
        }
        headers = {"Idempotency-Key": f"tomorrow {self._number}"}
        answer = self._api.post("/api/messages", json=body, headers=headers)
        if answer.status_code == 202:
            self._number = next(_SENDS)
            self._last = self.waiting = answer.json()["id"]
        return answer

    def _cancel(self) -> httpx.Response:
        if self.waiting is None:
            return self._list()
        answer = self._api.delete(f"/api/messages/{self.waiting}")
        if answer.is_success:
            self.waiting = None
        return answer


def _worked(answers: Counter[str]) -> bool:
    return all(answers[each] >= ROUNDS for each in _Program.STEPS)


def _greedy(scene: Scene, party: Party) -> Struck:
    """It takes all that it gets, and works by several programs, while another one takes one of each and works by one.

    No limit refuses the other one anything.
    """
    others = [
        each for each in scene.parties if each.connection not in {party.connection, *scene.greedy}
    ]
    scene.greedy.add(party.connection)
    scene.burst(party)
    at = time.time()
    broke = None
    with ExitStack() as tenants:
        greedy = Tenant(scene.instance, party.connection)
        tenants.callback(greedy.close)
        with greedy.working(AT_ONCE, HURRIED):
            for kind in Tenant.KINDS:
                greedy.take_all(kind)
            if others:
                modest = Tenant(scene.instance, others[0].connection, file=SMALL)
                tenants.callback(modest.close)
                with modest.working(1, STEADY) as answers:
                    asked = {kind: code for kind in Tenant.KINDS if (code := modest.ask(kind))}
                    until("the other one worked", partial(_worked, answers), LONG)
                refused = {**asked, **{code: answers[code] for code in REACHED if answers[code]}}
                if refused:
                    broke = f"{others[0].connection} is refused its part: {refused}"
    return Struck(at, over=time.time(), broke=broke)


def _forge(scene: Scene, party: Party) -> Struck:
    """Many messages of one contact that no session reads, and their resends as well.

    All else is read meanwhile; what the contact says so that it can be read at last is stored once.
    """
    instance, number = scene.instance, next(_FORGERS)
    forger, text = f"1555016{number:04d}", f"forged {number}"
    scene.burst(party)
    at = time.time()
    fault = scene.begin_fault(party, "garble", count=2 * FORGED)
    body = {"to": party.account, "text": text, "count": FORGED}

    def said() -> bool:
        return instance.simulator.post(f"/contacts/{forger}/say", json=body).is_success

    try:
        until("the contact speaks", said, REACH)
        assert passes(lambda: scene.struck(fault) >= FORGED, 2 * REACH), "nothing is forged"
    finally:
        passes(lambda: _ended(scene, fault), REACH)
    wanted = sorted(f"{text} {each}" for each in range(1, FORGED + 1))

    def stored() -> list[str]:
        query = {"connection": party.connection, "chat": forger, "limit": "500"}
        answer = instance.api.get("/api/messages", params=query)
        items = answer.json()["items"] if answer.is_success else []
        return sorted(item["text"] or "" for item in items)

    broke = None
    if not passes(lambda: stored() == wanted, LONG):
        found = stored()
        broke = f"of {FORGED} that were forged {len(found)} are stored, {len(set(found))} unlike"
    return Struck(at, over=time.time(), met=True, broke=broke)


def _ended(scene: Scene, fault: int) -> bool:
    scene.end_fault(fault)
    return True


GREEDY = Fault("a greedy tenant", 5, _greedy, "nobody")
FORGER = Fault("a contact that forges", 5, _forge)
