"""The simulator and the clients as processes, as tests start and end them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests import waits
from tests.conformance.json_process import JsonProcess
from tests.plain_http import NO_AUTHORITIES
from tests.run import answers, leaks, restarts

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
CLIENTS = Path(__file__).with_name("clients")
KINDS = ("neonize", "tryx", "whatsmeow")
FOREIGN = ("neonize", "tryx")
"""Programs that nobody here wrote, in environments of their own; one that dies before its test begins is started again."""
RESTARTS = 2
"""The limit for one test."""
SOCKET_EVENTS = ("connected", "disconnected")


class Simulator:
    """A simulator on a directory of its own; `start` again on the same ports after a kill."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._ports: tuple[str, ...] = ("0", "0")
        self.start()

    def start(self) -> None:
        port, control_port = self._ports
        self.process = JsonProcess(
            [
                *(sys.executable, "-m", "simulator"),
                *("--port", port, "--control-port", control_port),
                *("--data", str(self.directory)),
            ],
            self.directory.with_suffix(".log"),
            forks=True,
        )
        ready = self.process.line()
        self.ws_url: str = ready["ws_url"]
        self.root_key: str = ready["root_key"]
        self._ports = tuple(str(httpx.URL(ready[name]).port) for name in ("ws_url", "control_url"))
        self.http = httpx.Client(base_url=ready["control_url"], timeout=30.0, verify=NO_AUTHORITIES)
        self.media_authority: str = self.http.get("/").json()["media_authority"]
        self.http.post("/trace").raise_for_status()
        answers.CHECK.watch(ready["control_url"])

    def answered(self) -> None:
        """Notes what the clients owe, before one of them ends."""
        answers.CHECK.ask(str(self.http.base_url))

    def kill(self) -> None:
        try:
            answers.CHECK.end(str(self.http.base_url))
        finally:  # the limit of a test's time may strike meanwhile
            self.http.close()
            self.process.kill()

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def say(self, number: str, to: str, text: str, **more: Any) -> str:
        return str(self.post(f"/contacts/{number}/say", to=to, text=text, **more)["id"])

    def inbox(self, number: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.http.get(f"/contacts/{number}/inbox").json()["items"]
        return items

    def account(self, number: str) -> dict[str, Any]:
        account: dict[str, Any] = self.http.get(f"/accounts/{number}").json()
        return account

    def contact(self, number: str) -> dict[str, Any]:
        contact: dict[str, Any] = self.http.get(f"/contacts/{number}").json()
        return contact

    def item(self, number: str, message_id: str, seconds: float = 30.0) -> dict[str, Any]:
        """Waits for a message in a contact's inbox, and returns it."""
        found: list[dict[str, Any]] = []

        def arrived() -> bool:
            found[:] = [one for one in self.inbox(number) if one["id"] == message_id]
            return bool(found)

        until(arrived, seconds)
        return found[0]

    def texts(self, number: str) -> list[str]:
        """Returns the contents of the contact's inbox, in order."""
        return [item["text"] for item in self.inbox(number)]

    def said(self, number: str, message_id: str) -> dict[str, Any]:
        """A message that a contact sent, and what the contact sees of it."""
        items = self.http.get(f"/contacts/{number}/said").json()["items"]
        found: dict[str, Any] = next(one for one in items if one["id"] == message_id)
        return found

    def fault(self, account: str, kind: str, **more: Any) -> int:
        return int(self.post("/faults", account=account, kind=kind, **more)["id"])

    def struck(self, fault: int) -> int:
        """Returns the injections of a fault: one without any proves nothing."""
        items = self.http.get("/faults").json()["items"]
        return next(int(item["struck"]) for item in items if item["id"] == fault)

    def settled(self, number: str, seconds: float = 30.0) -> None:
        """Waits until the account has acknowledged everything."""
        until(lambda: self.account(number)["unacknowledged"] == 0, seconds)


class Client:
    """A client program of one kind in a process of its own, with one session directory."""

    def __init__(
        self, kind: str, simulator: Simulator, directory: Path, *, root_key: str | None = None
    ) -> None:
        self.kind = kind
        self._simulator = simulator
        self.directory = directory
        self._root_key = root_key or simulator.root_key
        self.number = ""
        self.paired = False
        self.restarts = 0
        self._scanned: JsonProcess | None = None
        self.start()

    def start(self) -> None:
        options = {
            "directory": str(self.directory),
            "ws_url": self._simulator.ws_url,
            "root_key": self._root_key,
        }
        self.process = JsonProcess(
            [interpreter(self.kind), str(CLIENTS / f"{self.kind}_client.py"), json.dumps(options)],
            self.directory / (leaks.FOREIGN_LOG if self.kind in FOREIGN else "client.log"),
            forks=self.kind not in FOREIGN,
            SSL_CERT_FILE=self._simulator.media_authority,
        )

    def attempt(self, step: Callable[[], object]) -> None:
        """Does what has to be done before a test's own part begins.

        A foreign program that dies meanwhile is started again, and the step repeated, at most
        `RESTARTS` times; the run's summary counts it. Raises what the step raised when there was
        one death more, where the program is the project's own, and where it did not die.
        """
        while True:
            try:
                step()
            except AssertionError:
                code = self.process.died(1.0)
                if code is None:
                    raise
                self.process.kill()  # the next test starts another
                if self.kind not in FOREIGN or self.restarts == RESTARTS:
                    raise
            else:
                return
            self.restarts += 1
            restarts.record(self.kind, code)
            self.start()

    def wait(
        self, event: str | tuple[str, ...], seconds: float = 60.0, **values: Any
    ) -> dict[str, Any]:
        """The next event of that kind and with those values; others before it are passed over."""
        return self.process.await_event(event, seconds, **values)

    def scan(self, number: str) -> None:
        """The phone of `number` scans the QR that the client shows."""
        qr = self.wait("qr")["qr"]
        self._link(number, qr)

    def _link(self, number: str, qr: str) -> None:
        if self.number:  # the process before this one may have died between the scan and its login
            self._simulator.post("/faults", account=number, kind="logout")
        self.number, self._scanned = number, self.process
        self._simulator.post(f"/phones/{number}/scan", qr=qr)

    def log_in(self) -> None:
        """Waits until the process is logged in.

        One that was started again before the first login may lack the pairing: it is scanned anew.
        """
        scanned = self.paired or self._scanned is self.process
        event = self.wait("connected" if scanned else ("qr", "connected"))
        if event["event"] == "qr":
            self._link(self.number, event["qr"])
            self.wait("connected")
        self.paired = True

    def prepare(self) -> None:
        """Logs in where that has to be, and waits until nothing of the test before is left.

        The simulator counts a login from the client's last handshake message on, which is before
        the client has a socket for commands: the client's own word is awaited, too.
        """
        assert self.process.died() is None, self.process.end()
        logged_in = any(line["event"] == "connected" for line in self.process.seen)
        online = logged_in and self._simulator.account(self.number)["online"]
        if self.process.end_requested or (logged_in and not online):
            self.process.kill()
            self.start()
            online = False
        if not online:
            self.log_in()
        self.process.quiet()
        if self._is_between_sockets():
            self.wait("connected")
        self._simulator.settled(self.number)
        self.process.quiet()

    def _is_between_sockets(self) -> bool:
        """Whether the client lost its socket, and has not said since that another one is open."""
        states = (one["event"] for one in reversed(self.process.seen))
        return next((one for one in states if one in SOCKET_EVENTS), "") == "disconnected"

    def pair(self, number: str) -> None:
        """The phone of `number` links the client, which logs in."""
        self.attempt(lambda: self.scan(number))
        self.attempt(self.log_in)

    def restart(self) -> None:
        """`kill -9`, then a new process on the same session."""
        self.process.kill()
        self.start()
        self.wait("connected")

    def await_settings(self, chat: str, **expected: Any) -> None:
        """Waits until the client says that these are the settings of the chat."""

        def there() -> bool:
            self.process.command(do="settings", chat=chat)
            found = self.wait("settings")
            return {name: found.get(name) for name in expected} == expected

        until(there)

    def say(self, to: str, kind: str, **more: Any) -> str:
        """Sends a message of any kind, by a client that knows it."""
        self.process.command(do="say", to=to, type=kind, **more)
        return str(self.wait("sent")["id"])

    def send(self, to: str, text: str) -> str:
        self.process.command(do="send", to=to, text=text)
        return str(self.wait("sent", text=text)["id"])


def runs_whatsmeow(kind: str) -> bool:
    """Whether this kind of client is whatsmeow inside."""
    return kind in ("neonize", "whatsmeow")


def as_handed_over(kind: str, items: list[Any]) -> list[Any]:
    """Items in the order in which this kind of client hands them over: tryx in none (D8)."""
    return sorted(items) if kind == "tryx" else items


def interpreter(kind: str) -> str:
    """The Python that runs the client programs of this kind."""
    return str(_environment(kind) / "bin" / "python") if kind in FOREIGN else sys.executable


def absent(kind: str) -> str | None:
    """Why this kind of client cannot be run here, or None."""
    if kind in FOREIGN and not (_environment(kind) / "installed").exists():
        return f"{kind} is not installed: `make setup-test` does it where there is a wheel of it"
    return None


def _environment(kind: str) -> Path:
    """The environment that the Makefile makes for a foreign client."""
    return ROOT / ".venv" / kind


def until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Waits until the condition holds; fails after `seconds`."""
    waits.until("the condition holds", condition, seconds)
