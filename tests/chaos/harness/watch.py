"""Watches the alerts of a run, and connections that requested a QR."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.plain_http import NO_AUTHORITIES
from tests.processes.instance import API_KEY

if TYPE_CHECKING:
    from tests.processes.instance import Instance

PAUSE = 0.5


@dataclass
class SeenAlert:
    """An alert from when it was first to when it was last seen."""

    name: str
    connection: str | None
    first: float
    last: float


class Watch:
    """Asks `/health` over and over until it is left; an instance that is down says nothing."""

    def __init__(self, instance: Instance) -> None:
        self._instance = instance
        self.alerts: dict[tuple[str, str | None, str], SeenAlert] = {}
        self.unlinked: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the watch does not end"

    def active(self) -> list[str]:
        """Returns the current alerts, by name and connection."""
        return [_name(alert) for alert in self._ask()["alerts"]]

    def seen(self, name: str, since: float) -> bool:
        """Whether such an alert was there at some time after `since`."""
        return any(one.name == name and one.last >= since for one in self.alerts.values())

    def _run(self) -> None:
        while not self._stop.wait(PAUSE):
            try:
                self._note(self._ask(), time.time())
            except httpx.HTTPError:
                continue

    def _ask(self) -> dict[str, Any]:
        url = self._instance.api.base_url.join("/health")
        answer = httpx.get(url, headers={"X-Api-Key": API_KEY}, timeout=5, verify=NO_AUTHORITIES)
        health: dict[str, Any] = answer.raise_for_status().json()
        return health

    def _note(self, health: dict[str, Any], now: float) -> None:
        for alert in health["alerts"]:
            key = (alert["name"], alert["connection"], alert["raised_at"])
            self.alerts.setdefault(key, SeenAlert(key[0], key[1], now, now)).last = now
        for item in health["items"]:
            if item["state"] in ("pairing", "logged_out"):
                self.unlinked.setdefault(item["id"], now)


def _name(alert: dict[str, Any]) -> str:
    return (
        alert["name"]
        if alert["connection"] is None
        else f"{alert['name']} of {alert['connection']}"
    )
