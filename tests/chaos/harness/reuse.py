"""The fault that deletes a connection under load and has another account take its name (G12)."""

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

NAME = "reused"
ACCOUNTS = ("15550135001", "15550135002")
SENDS = 30
LONG = 90.0
"""Seconds for a step while other parts are struck."""


def reuse(scene: Scene, _: Party) -> Struck:
    """Each send that was accepted leaves from the account that it was for, or ends as cancelled.

    The connection is none of those under load: nobody else may notice.
    """
    scene.reused += 1
    contact = f"1555013{scene.reused:04d}"
    former, later = ACCOUNTS
    _open(scene, former)
    first = scene.incarnation(NAME)
    sent = {}
    for number in range(SENDS):
        text = f"{scene.reused}.{number}"
        sent[text] = _send(scene, contact, text)
    with _sending(scene, contact, sent):
        at = time.time()
        _gone(scene)
        _open(scene, later)
        over = time.time()
    last = f"{scene.reused} at last"
    sent[last] = _send(scene, contact, last)
    until("the later one's message arrives", lambda: last in _inbox(scene, contact), LONG)
    inbox = _inbox(scene, contact)
    broken = (_broken(scene, text, id_, first, inbox) for text, id_ in sent.items())
    broke = next((each for each in broken if each is not None), None)
    _gone(scene)
    return Struck(at, over=over, met=True, broke=broke)


@contextmanager
def _sending(scene: Scene, contact: str, sent: dict[str, str]) -> Iterator[None]:
    """Send to whoever has the name, whether that is accepted or not."""
    over = threading.Event()

    def run() -> None:
        number = SENDS
        while not over.wait(0.02):
            number += 1
            text = f"{scene.reused}.{number}"
            body = {"connection": NAME, "to": contact, "text": text}
            with suppress(httpx.TransportError):
                answer = scene.instance.api.post("/api/messages", json=body)
                if answer.status_code == 202:
                    sent[text] = answer.json()["id"]

    thread = threading.Thread(target=run, name="sends to a name")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _broken(
    scene: Scene, text: str, message: str, first: str, inbox: dict[str, dict[str, Any]]
) -> str | None:
    """What is wrong with what became of a send; None where nothing is."""
    former = message.partition(".")[0] == first
    who = "former" if former else "later"
    if text in inbox:
        right = inbox[text]["from"].startswith(ACCOUNTS[0] if former else ACCOUNTS[1])
        return None if right else f"a send of the {who} one left from the other one's account"
    if not former:
        return "a send of the later one did not arrive, and one behind it did"
    found = _done(scene, "GET", f"/api/messages/{message}", {200})
    if (found["status"], found["error"]) == ("cancelled", DELETED):
        return None
    return f"a send of the former one did not arrive, and is {found['status']}"


def _inbox(scene: Scene, contact: str) -> dict[str, dict[str, Any]]:
    answer = scene.instance.simulator.get(f"/contacts/{contact}/inbox")
    return {each["text"]: each for each in answer.json()["items"]} if answer.is_success else {}


def _open(scene: Scene, account: str) -> None:
    _done(scene, "POST", "/api/connections", {201, 409}, body={"id": NAME})
    scene.instance.simulator.post("/phones", json={"number": account})

    def scanned() -> bool:
        seen = scene.instance.api.get(f"/api/connections/{NAME}")
        if seen.status_code == 404:  # it was the former one that was there still
            scene.instance.api.post("/api/connections", json={"id": NAME})
        elif seen.is_success and seen.json()["state"] == "open":
            return True
        elif qr := scene.instance.qr(NAME):
            scene.instance.simulator.post(f"/phones/{account}/scan", json={"qr": qr})
        return False

    until(f"{NAME} is open", scanned, LONG)


def _send(scene: Scene, contact: str, text: str) -> str:
    """The id of the message, which is accepted once however often it is asked for."""
    body = {"connection": NAME, "to": contact, "text": text}
    accepted = _done(
        scene, "POST", "/api/messages", {202}, body=body, headers={"Idempotency-Key": text}
    )
    return str(accepted["id"])


def _gone(scene: Scene) -> None:
    _done(scene, "DELETE", f"/api/connections/{NAME}", {204, 404})


def _done(
    scene: Scene,
    method: str,
    path: str,
    statuses: set[int],
    *,
    body: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """What is answered once the gateway, and what it needs, is there."""

    def answered() -> httpx.Response | None:
        answer = scene.instance.api.request(method, path, json=body, headers=headers)
        return answer if answer.status_code in statuses else None

    answer = until(f"{method} {path} is answered", answered, LONG)
    told: dict[str, Any] = answer.json() if answer.content else {}
    return told


REUSE = Fault("use a name again", 45, reuse, "nobody")
