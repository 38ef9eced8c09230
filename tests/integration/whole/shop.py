"""The connection ``shop`` of a whole instance: what is done to it, and what it says of itself."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

SHOP, ACCOUNT, CONTACT, STRANGER = "shop", "15550100001", "15550100002", "15550100009"

A_LOOK = 2.5
"""Seconds in which the root has looked at every connection, and one that fell has tried again."""


def becomes(
    instance: Instance, state: str, cause: str | None, seconds: float = 20
) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen = instance.connection(SHOP)
        return seen if (seen["state"], seen["cause"]) == (state, cause) else None

    return until(f"{SHOP} is {state}, {cause}", look, seconds)


def alerts(instance: Instance) -> list[dict[str, Any]]:
    found = instance.api.get("/health").raise_for_status().json()["alerts"]
    return [each for each in found if each["connection"] == SHOP]


def alerted(instance: Instance, words: str, name: str | None = None) -> dict[str, Any]:
    """The alert that says so, once there is one, by that `name` if one is given."""

    def look() -> dict[str, Any] | None:
        found = [each for each in alerts(instance) if words in each["reason"]]
        return next((each for each in found if name in {None, each["name"]}), None)

    return until(f"an alert says {words!r}", look, 10)


def fault(instance: Instance, kind: str, **more: Any) -> int:
    asked = instance.simulator.post("/faults", json={"account": ACCOUNT, "kind": kind, **more})
    number: int = asked.raise_for_status().json()["id"]
    return number


def refused(instance: Instance, reason: int, **more: Any) -> int:
    """The socket falls, and logins are refused from now on."""
    number = fault(instance, "reject_login", reason=reason, **more)
    fault(instance, "drop")
    return number


def struck(instance: Instance, number: int) -> int:
    items = instance.simulator.get("/faults").raise_for_status().json()["items"]
    [times] = [item["struck"] for item in items if item["id"] == number]
    return int(times)


def send(instance: Instance, text: str) -> str:
    accepted = instance.api.post(
        "/api/messages", json={"connection": SHOP, "to": CONTACT, "text": text}
    )
    assert accepted.status_code == 202, accepted.text
    identity: str = accepted.json()["id"]
    return identity


def arrived(instance: Instance, text: str) -> list[str]:
    """From whom the contact got it."""
    return [item["from"] for item in instance.inbox(CONTACT) if item["text"] == text]


def waits(instance: Instance, message: str) -> bool:
    seen = instance.message(message)
    return (seen["status"], seen["attempts"], seen["error"]) == ("queued", 0, None)


def start(instance: Instance) -> None:
    assert instance.api.post(f"/api/connections/{SHOP}/start").status_code == 202


def scan(instance: Instance, number: str = ACCOUNT) -> str:
    """A phone scans what is shown; the text of the QR."""
    instance.simulator.post("/phones", json={"number": number}).raise_for_status()
    qr = until("a QR is shown", lambda: instance.qr(SHOP), 60)
    instance.simulator.post(f"/phones/{number}/scan", json={"qr": qr}).raise_for_status()
    return qr


def seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
