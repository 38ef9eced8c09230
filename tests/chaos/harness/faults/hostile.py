"""Faults that are people: a tenant who takes all that it gets, a contact whose messages nobody can read (G13)."""

from __future__ import annotations

import os
import threading
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.harness.faults.faults import REACH, Fault, Struck
from tests.plain_http import NO_AUTHORITIES
from tests.waiting import passes, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

REACHED = ("quota_reached", "instance_limit_reached", "rate_limited", "upload_budget_reached")
FILE, SMALL = 100_000, 1_000
"""Bytes of a file of the greedy one, and of another, which has some left of its day each time."""

NOBODY = "http://127.0.0.1:9/"
FORGED = 30
LONG = 90.0
"""Seconds for a step while other parts are struck."""

_FORGERS = count(1)


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
    def hurrying(self) -> Iterator[None]:
        """List what waits, without a pause, meanwhile."""
        over = threading.Event()

        def run() -> None:
            while not over.is_set():
                try:
                    self._api.get("/api/queue")
                except httpx.TransportError:
                    over.wait(0.1)

        threads = [threading.Thread(target=run, name="greedy") for _ in range(2)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            over.set()
            for each in threads:
                each.join()

    def close(self) -> None:
        self._open.close()
        paths = [f"/api/webhooks/{each}" for each in self._webhooks]
        for path in (*paths, *(f"/api/keys/{each}" for each in self._keys)):
            until(f"{path} is gone", partial(self._gone, path), LONG)

    def _gone(self, path: str) -> bool:
        return self._instance.api.delete(path).status_code in {204, 404}


def _greedy(scene: Scene, party: Party) -> Struck:
    """It takes all that it gets, and asks without a pause, while another one takes one of each."""
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
        with greedy.hurrying():
            for kind in Tenant.KINDS:
                greedy.take_all(kind)
            if others:
                modest = Tenant(scene.instance, others[0].connection, file=SMALL)
                tenants.callback(modest.close)
                refused = {kind: code for kind in Tenant.KINDS if (code := modest.ask(kind))}
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
