"""A connection that is deleted under load, and another account that takes its name (G12)."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx

from supervision.removal import DELETED
from tests.chaos.harness.faults.faults import Fault, Struck
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

NAME = "reused"
FORMER_ACCOUNT, LATER_ACCOUNT = "15550135001", "15550135002"
SENDS = 30
LONG = 90.0
"""Seconds for a step while other parts are struck."""


class Reuse:
    """One reuse of a connection's name; `number` keeps texts and contact of several runs apart.

    Each send that was accepted leaves from the account that it was for, or ends as cancelled.
    """

    def __init__(self, instance: Instance, number: int) -> None:
        self._instance = instance
        self._number = number
        self._contact = f"1555013{number:04d}"
        self._sent: dict[str, str] = {}
        self._accounts: dict[str, str] = {}
        """The account of each incarnation, the oldest first."""

    def open(self, account: str) -> None:
        """Create a connection of the name, and link the account to it."""
        self._done("POST", "/api/connections", {201, 409}, body={"id": NAME})
        self._instance.simulator.post("/phones", json={"number": account})

        def scanned() -> bool:
            seen = self._instance.api.get(f"/api/connections/{NAME}")
            if seen.status_code == 404:  # it was the former one that was there still
                self._instance.api.post("/api/connections", json={"id": NAME})
            elif seen.is_success and seen.json()["state"] == "open":
                # An answer without the store may be of the former one.
                known = self._accounts.setdefault(seen.json()["incarnation"], account)
                return known == account
            elif qr := self._instance.qr(NAME):
                self._instance.simulator.post(f"/phones/{account}/scan", json={"qr": qr})
            return False

        until(f"{NAME} is open", scanned, LONG)

    def delete(self) -> None:
        self._done("DELETE", f"/api/connections/{NAME}", {204, 404})

    def send(self, text: str) -> None:
        """Send with an idempotency key, repeated until it is accepted."""
        body = {"connection": NAME, "to": self._contact, "text": text}
        headers = {"Idempotency-Key": text}
        accepted = self._done("POST", "/api/messages", {202}, body=body, headers=headers)
        self._sent[text] = str(accepted["id"])

    def send_some(self) -> None:
        for number in range(SENDS):
            self.send(f"{self._number}.{number}")

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Keep sending to the name in a thread; refusals are ignored."""
        over = threading.Event()

        def run() -> None:
            number = SENDS
            while not over.wait(0.02):
                number += 1
                text = f"{self._number}.{number}"
                body = {"connection": NAME, "to": self._contact, "text": text}
                with suppress(httpx.TransportError):
                    answer = self._instance.api.post("/api/messages", json=body)
                    if answer.status_code == 202:
                        self._sent[text] = answer.json()["id"]

        thread = threading.Thread(target=run, name="sends to a name")
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def violation(self) -> str | None:
        """Send a last message, wait until it arrives, and return the first wrong outcome, or None."""
        last = f"{self._number} at last"
        self.send(last)
        until("the later one's message arrives", lambda: last in self._inbox(), LONG)
        inbox = self._inbox()
        found = (self._judge(text, message, inbox) for text, message in self._sent.items())
        return next((each for each in found if each is not None), None)

    def _judge(self, text: str, message: str, inbox: dict[str, dict[str, Any]]) -> str | None:
        incarnation = message.partition(".")[0]
        former = incarnation != list(self._accounts)[-1]
        who = "former" if former else "later"
        if text in inbox:
            right = inbox[text]["from"].startswith(self._accounts[incarnation])
            return None if right else f"a send of the {who} one left from the other one's account"
        if not former:
            return "a send of the later one did not arrive, and one behind it did"
        found = self._done("GET", f"/api/messages/{message}", {200})
        if (found["status"], found["error"]) == ("cancelled", DELETED):
            return None
        return f"a send of the former one did not arrive, and is {found['status']}"

    def _inbox(self) -> dict[str, dict[str, Any]]:
        answer = self._instance.simulator.get(f"/contacts/{self._contact}/inbox")
        items = answer.json()["items"] if answer.is_success else ()
        return {each["text"]: each for each in items}

    def _done(
        self,
        method: str,
        path: str,
        statuses: set[int],
        *,
        body: dict[str, str] | None = None,
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Repeat the request until it gets one of these statuses; return the JSON body."""

        def answered() -> httpx.Response | None:
            answer = self._instance.api.request(method, path, json=body, headers=headers)
            return answer if answer.status_code in statuses else None

        answer = until(f"{method} {path} is answered", answered, LONG)
        told: dict[str, Any] = answer.json() if answer.content else {}
        return told


def use_again(scene: Scene, _: Party) -> Struck:
    """Delete a connection outside the load, and link another account to its name."""
    scene.reused += 1
    reuse = Reuse(scene.instance, scene.reused)
    reuse.open(FORMER_ACCOUNT)
    reuse.send_some()
    with reuse.sending():
        at = time.time()
        reuse.delete()
        reuse.open(LATER_ACCOUNT)
        over = time.time()
    violation = reuse.violation()
    reuse.delete()
    return Struck(at, over=over, met=True, broke=violation)


REUSE = Fault("use a name again", 45, use_again, "nobody")
