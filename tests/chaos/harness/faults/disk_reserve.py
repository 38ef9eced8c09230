"""The disk at its reserve: files wait and uploads are refused, everything else goes on (G13)."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx

from tests.chaos.harness.faults.faults import REACH, Fault, Struck
from tests.reserves import beyond_the_free
from tests.waits import passes, until

if TYPE_CHECKING:
    from tests.chaos.harness.scene import Scene
    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

USUAL = 512 * 2**20
SIZE = 50_000
LOOK = 10.0
"""Seconds between looks for room, of a connection with files that wait."""
WAITS = {"state": "deferred", "error": "disk_reserve"}


def reserve(instance: Instance, size: int) -> None:
    """Set DISK_RESERVE while the instance runs; repeated, for it may be struck at the same time."""

    def done() -> bool:
        return instance.teimoso("settings", "set", f"DISK_RESERVE={size}").returncode == 0

    until(f"DISK_RESERVE is {size}", done, 2 * REACH)


def file_of(instance: Instance, party: Party, message: str) -> dict[str, Any]:
    """The `media` of a received message; nothing while nobody can say, or it is not stored yet."""
    with suppress(httpx.HTTPError):
        query = {"connection": party.connection, "chat": str(party.crowd), "order": "newest"}
        answer = instance.api.get("/api/messages", params=query)
        items = answer.json()["items"] if answer.is_success else ()
        return next((each["media"] or {} for each in items if each["message_id"] == message), {})
    return {}


def _refused(instance: Instance) -> bool:
    with suppress(httpx.HTTPError):
        answer = instance.api.post("/api/media", content=b"x" * SIZE)
        told = answer.headers["content-type"].startswith("application/problem+json")
        full = told and answer.json()["code"] == "disk_reserve"
        return full and answer.status_code == 503 and int(answer.headers["Retry-After"]) > 0
    return False


def _alerted(instance: Instance) -> bool:
    with suppress(httpx.HTTPError):
        answer = instance.api.get("/api/alerts", params={"active": "true", "limit": "200"})
        items = answer.json()["items"] if answer.is_success else ()
        return any(each["name"] == "disk_reserve" for each in items)
    return False


def _at_the_reserve(scene: Scene, party: Party) -> Struck:
    """A contact sends a file meanwhile, which has to come by itself afterwards."""
    instance = scene.instance
    files = instance.data / "media"
    files.mkdir(mode=0o700, exist_ok=True)  # as the first file that is kept does
    reserve(instance, beyond_the_free(files))
    try:
        at = time.time()
        scene.burst(party)
        said = instance.simulator.post(
            f"/contacts/{party.crowd}/say",
            json={"to": party.account, "type": "document", "size": SIZE},
        )
        message = str(said.raise_for_status().json()["id"])

        def waits() -> bool:
            media = file_of(instance, party, message)
            return {name: media.get(name) for name in WAITS} == WAITS

        until("the file waits", waits, 4 * REACH)
        until("uploads are refused", lambda: _refused(instance), 2 * REACH)
        until("the alert is raised", lambda: _alerted(instance), 2 * REACH)
        goes_on = scene.flowing([party], at, 4 * REACH)
        broke = None if goes_on else "no message of the connection flowed at the reserve"
    finally:
        reserve(instance, USUAL)
    over = time.time()

    def came() -> bool:
        return file_of(instance, party, message).get("state") == "stored"

    if not passes(came, LOOK + 4 * REACH):
        broke = f"the file is {file_of(instance, party, message) or 'nowhere'}"
    return Struck(at, over=over, met=True, broke=broke)


AT_RESERVE = Fault("disk at its reserve", 12, _at_the_reserve, "nobody", "disk_reserve")
