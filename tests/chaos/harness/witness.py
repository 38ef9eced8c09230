"""Compares each state that the service reports with WhatsApp's own (G14)."""

from __future__ import annotations

import json
import re
import threading
import time
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import httpx

from tests.plain_http import NO_AUTHORITIES
from tests.processes.instance import API_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.processes.instance import Instance

PAUSE = 0.1
"""Seconds between two looks."""

_SHOWN = re.compile(r'<li id="c-([^"]+)" class="row">.*?<span class="badge good">Open<', re.DOTALL)
_OPEN = re.compile(r'teimoso_connection_state\{connection="([^"]+)",state="open"\} 1\.0')


class Witness:
    """Asks from the first answer on until it is left; `lies` are the claims that were not true.

    A connection that is called open is looked for at WhatsApp after the answer came.
    """

    def __init__(self, instance: Instance, accounts: Mapping[str, str]) -> None:
        """`accounts` are the numbers by connection."""
        self.looks = 0
        self.lies: list[str] = []
        self.shown = False
        """The console called a connection open, at last."""
        self.opened: dict[str, float] = {}
        """When each connection first opened again, by its events."""
        self._offline: dict[str, float] = {}
        self._accounts = accounts
        headers = {"X-Api-Key": API_KEY}
        base, simulator = str(instance.api.base_url), str(instance.simulator.base_url)
        self._api = httpx.Client(base_url=base, headers=headers, verify=NO_AUTHORITIES)
        self._simulator = httpx.Client(base_url=simulator, verify=NO_AUTHORITIES)
        self._failure: Exception | None = None
        self._left = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=(watch,), name="witness")
            for watch in (self._ask_the_service, self._ask_whatsapp, self._read_events)
        ]

    def __enter__(self) -> Self:
        self._begun, self._begun_at = time.monotonic(), time.time()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._left.set()
        for thread in self._threads:
            thread.join()
        self._api.close()
        self._simulator.close()
        assert self._failure is None, f"the witness ended early: {self._failure!r}"
        assert self._offline.keys() == self._accounts.keys(), "an account was never seen offline"
        for connection, at in self.opened.items():
            if at < self._offline[connection]:
                self._lie("an event", f"{connection} open", at - self._begun_at)

    def _watch(self, watch: Callable[[], None]) -> None:
        try:
            watch()
        except Exception as failure:  # noqa: BLE001 - the caller gets the failure
            self._failure = failure

    def _read_events(self) -> None:
        """Read the log of connections' states from its start; note each one's first "open" since it began."""
        last = number = "0"
        while not self._left.wait(PAUSE):
            with (
                suppress(httpx.TransportError),  # cut, or silent for a while, or not there yet
                self._api.stream(
                    "GET",
                    "/api/events",
                    params={"events": "connection.state"},
                    headers={"Last-Event-ID": last},
                    timeout=httpx.Timeout(5, read=1),
                ) as answer,
            ):
                for line in answer.iter_lines() if answer.is_success else ():
                    if self._left.is_set():
                        return
                    field, _, value = line.partition(": ")
                    if field == "id":
                        number = value
                    elif field == "data":
                        self._note_open(json.loads(value))
                        last = number

    def _note_open(self, event: dict[str, Any]) -> None:
        if event.get("type") != "connection.state" or event["data"]["state"] != "open":
            return
        at = datetime.fromisoformat(event["timestamp"]).timestamp()
        if at >= self._begun_at:
            self.opened.setdefault(event["data"]["id"], at)

    def _ask_the_service(self) -> None:
        while not self._left.wait(PAUSE):
            for surface, path in (
                ("the API", "/api/connections"),
                ("/health", "/health"),
                ("the metrics", "/metrics"),
                ("the console", "/"),
            ):
                try:
                    answer = self._page() if path == "/" else self._api.get(path)
                except httpx.TransportError:
                    continue  # no answer yet
                if answer.is_success:
                    self.looks += 1
                    self._judge(surface, answer)

    def _ask_whatsapp(self) -> None:
        """Note when each account was last seen offline."""
        while not self._left.wait(PAUSE):
            for connection, account in self._accounts.items():
                at = time.time()
                if not self._is_online(account):
                    self._offline[connection] = at

    def _page(self) -> httpx.Response:
        if not self._api.cookies:
            self._api.post("/console/login", data={"key": API_KEY})
        return self._api.get("/")

    def _judge(self, surface: str, answer: httpx.Response) -> None:
        if surface == "the metrics":
            named = _OPEN.findall(answer.text)
        elif surface == "the console":
            named = [row for part in answer.text.split("</li>") for row in _SHOWN.findall(part)]
            self.shown |= bool(named)
        else:
            said = answer.json()
            named = [each["id"] for each in said["items"] if each["state"] == "open"]
            if surface == "/health" and said["connections"]["active"] > len(named):
                self._lie(surface, "more active than open")
        for connection in named:
            if not self._is_online(self._accounts[connection]):
                self._lie(surface, f"{connection} open")

    def _is_online(self, account: str) -> bool:
        try:
            found: bool = self._simulator.get(f"/accounts/{account}").json()["online"]
        except httpx.TransportError:
            return False  # WhatsApp itself is not there yet
        return found

    def _lie(self, surface: str, what: str, after: float | None = None) -> None:
        seconds = time.monotonic() - self._begun if after is None else after
        self.lies.append(f"{surface}: {what}, {seconds:.1f} s after")
