"""A connection that is deleted under load, and another account that takes its name (G12)."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import httpx

from supervision.removal import DELETED
from tests.chaos.harness.faults import Fault, Struck
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

NAME = "reused"
FORMER, LATER = "15550135001", "15550135002"
SENDS = 30
LONG = 90.0
"""Seconds for a step while other parts are struck."""


class Reused:
    """A name and whoever has it, of several runs on one instance the one of this number.

    Each send that was accepted leaves from the account that it was for, or ends as cancelled.
    """

    def __init__(self, instance: Instance, number: int) -> None:
        self._instance = instance
        self._number = number
        self._contact = f"1555013{number:04d}"
        self._sent: dict[str, str] = {}
        self._former = ""

    def open(self, account: str) -> None:
        """Create a connection of the name, and link the account to it."""
        self._done("POST", "/api/connections", {201, 409}, body={"id": NAME})
        self._instance.simulator.post("/phones", json={"number": account})

        def scanned() -> bool:
            seen = self._instance.api.get(f"/api/connections/{NAME}")
            if seen.status_code == 404:  # it was the former one that was there still
                self._instance.api.post("/api/connections", json={"id": NAME})
            elif seen.is_success and seen.json()["state"] == "open":
                self._former = self._former or seen.json()["incarnation"]
                return True
            elif qr := self._instance.qr(NAME):
                self._instance.simulator.post(f"/phones/{account}/scan", json={"qr": qr})
            return False

        until(f"{NAME} is open", scanned, LONG)

    def delete(self) -> None:
        self._done("DELETE", f"/api/connections/{NAME}", {204, 404})

    def send(self, text: str) -> None:
        """Accepted once, however often it is asked for."""
        body = {"connection": NAME, "to": self._contact, "text": text}
        headers = {"Idempotency-Key": text}
        accepted = self._done("POST", "/api/messages", {202}, body=body, headers=headers)
        self._sent[text] = str(accepted["id"])

    def send_some(self) -> None:
        for number in range(SENDS):
            self.send(f"{self._number}.{number}")

    @contextmanager
    def sending(self) -> Iterator[None]:
        """Send to whoever has the name, whether that is accepted or not."""
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

    def broken(self) -> str | None:
        """What is wrong with what became of a send; None where nothing is."""
        last = f"{self._number} at last"
        self.send(last)
        until("the later one's message arrives", lambda: last in self._inbox(), LONG)
        inbox = self._inbox()
        found = (self._judge(text, message, inbox) for text, message in self._sent.items())
        return next((each for each in found if each is not None), None)

    def _judge(self, text: str, message: str, inbox: dict[str, dict[str, Any]]) -> str | None:
        former = message.partition(".")[0] == self._former
        who = "former" if former else "later"
        if text in inbox:
            right = inbox[text]["from"].startswith(FORMER if former else LATER)
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
        """What is answered once the gateway, and what it needs, is there."""

        def answered() -> httpx.Response | None:
            answer = self._instance.api.request(method, path, json=body, headers=headers)
            return answer if answer.status_code in statuses else None

        answer = until(f"{method} {path} is answered", answered, LONG)
        told: dict[str, Any] = answer.json() if answer.content else {}
        return told


def reuse(scene: Scene, _: Party) -> Struck:
    """The connection is none of those under load: nobody else may notice."""
    scene.reused += 1
    reused = Reused(scene.instance, scene.reused)
    reused.open(FORMER)
    reused.send_some()
    with reused.sending():
        at = time.time()
        reused.delete()
        reused.open(LATER)
        over = time.time()
    broke = reused.broken()
    reused.delete()
    return Struck(at, over=over, met=True, broke=broke)


REUSE = Fault("use a name again", 45, reuse, "nobody")
