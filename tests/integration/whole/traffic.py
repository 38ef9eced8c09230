"""Messages both ways of two accounts while something is done to the instance, and who serves them."""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Any

import httpx

from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.plain_http import NO_AUTHORITIES
from tests.processes.instance import API_KEY
from tests.waits import until

if TYPE_CHECKING:
    from tests.processes.instance import Instance

SECOND, OTHER = "second", "15550100003"


class Traffic(threading.Thread):
    """Messages both ways of both accounts, and which connections were away together meanwhile."""

    def __init__(self, instance: Instance) -> None:
        super().__init__()
        self._instance = instance
        self._over = threading.Event()
        self.sent: list[str] = []
        self.said: list[str] = []
        self.away_together = 0
        self.looks = 0

    def run(self) -> None:
        number = 0
        headers = {"X-Api-Key": API_KEY}
        base = f"http://127.0.0.1:{self._instance.port}"
        with httpx.Client(base_url=base, headers=headers, timeout=15, verify=NO_AUTHORITIES) as api:
            while not self._over.wait(0.2):
                number += 1
                for connection, account in ((SHOP, ACCOUNT), (SECOND, OTHER)):
                    text = f"out {connection} {number}"
                    body = {"connection": connection, "to": CONTACT, "text": text}
                    try:
                        if api.post("/api/messages", json=body).status_code == 202:
                            self.sent.append(text)
                    except httpx.TransportError:
                        pass  # not answered, so not promised: the gateway is being replaced
                    text = f"in {connection} {number}"
                    self._instance.say(CONTACT, account, text)
                    self.said.append(text)
                self._look(api)

    def stop(self) -> None:
        self._over.set()
        self.join(30)
        assert not self.is_alive()

    def judge(self) -> None:
        """All that was accepted arrived, and all that was said is stored: each once."""
        expected = set(self.sent)

        def arrived() -> list[str]:
            inbox = self._instance.inbox(CONTACT)
            return [item["text"] for item in inbox if item["text"] in expected]

        until("all that was accepted arrived", lambda: set(arrived()) == expected, 60)
        assert sorted(arrived()) == sorted(self.sent), "each once"
        for connection in (SHOP, SECOND):
            said = {text for text in self.said if connection in text}
            stored = until(
                "all that was said is stored",
                partial(_received, self._instance, connection, said),
                60,
            )
            texts = [one["text"] for one in stored if one["text"] in said]
            assert sorted(texts) == sorted(said), "each once"

    def _look(self, api: httpx.Client) -> None:
        try:
            items = api.get("/api/connections").json()["items"]
        except (httpx.TransportError, ValueError, KeyError):
            return
        self.looks += 1
        self.away_together += all(one["state"] != "open" for one in items)


def owners(instance: Instance) -> dict[str, int]:
    found = instance.status()["processes"]
    return {one["connection"]: one["pid"] for one in found if one["role"] == "connection"}


def _received(instance: Instance, connection: str, said: set[str]) -> list[dict[str, Any]] | None:
    """Returns the connection's inbound messages, once all texts of `said` are among them."""
    found = instance.messages(connection=connection, direction="in")
    return found if {one["text"] for one in found} >= said else None
