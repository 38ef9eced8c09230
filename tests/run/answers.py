"""Whether every stanza that a client was given was answered: asked of each simulator after each test.

Whoever starts a simulator names its control address with `watch`; whoever ends a client or a
simulator asks before, since a socket that is closed owes nothing. One that outlives the tests of its
kind, as that of `tests/conformance`, is not asked after those of another.
"""

from __future__ import annotations

import json
import os
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS: Final = 10.0
"""How long a client has, in seconds; in `tests/chaos`, where processes stand still, `PATIENT`."""
PATIENT: Final = 90.0


class Check:
    """Collects what was not answered in time, once each, until it is taken."""

    def __init__(self) -> None:
        self._servers: dict[str, str] = {}
        self._found: dict[tuple[Any, ...], str] = {}
        self._connections: dict[str, HTTPConnection] = {}

    def watch(self, control_url: str) -> None:
        """From now on this simulator is asked after each test of the kind that runs now."""
        self._servers[control_url] = _kind()

    def ask(self, control_url: str) -> None:
        """Waits until nothing is owed, or it is too late; a simulator that is gone tells nothing."""
        patience = PATIENT if _kind() == "tests/chaos" else SECONDS
        try:
            status, report = self._request(
                control_url, "GET", f"/unanswered?wait={patience}", patience + 10
            )
            if status == 404:
                return  # the simulator of an older release knows no such question
            if report["late"] or report["open"]:
                self._request(control_url, "DELETE", "/unanswered", 10)
        except ConnectionRefusedError:
            self._servers.pop(control_url, None)  # until it is started again
            return
        except (OSError, HTTPException):
            return
        late = report["late"] + [one for one in report["open"] if one["seconds"] >= patience - 1]
        for one in late:
            key = (control_url, one["account"], one["device"], one["id"], one["kind"])
            self._found[key] = "; ".join([one["kind"], *one["wrong"]])

    def end(self, control_url: str) -> None:
        """Asks a simulator for the last time."""
        self.ask(control_url)
        self._servers.pop(control_url, None)

    def close(self) -> None:
        """At the end of a run: closes the connections to simulators."""
        while self._connections:
            self._connections.popitem()[1].close()

    def _request(
        self, control_url: str, method: str, path: str, seconds: float
    ) -> tuple[int, dict[str, Any]]:
        """Status and body. Raises OSError and HTTPException: a connection that failed is not kept.

        One that was kept may have been closed meanwhile, by a simulator that started anew.
        """
        connection = self._connections.pop(control_url, None)
        kept = connection is not None
        if connection is None:
            connection = HTTPConnection(urlsplit(control_url).netloc)
        connection.timeout = seconds
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            found = answer.status, json.loads(answer.read())
        except (OSError, HTTPException) as error:
            connection.close()
            if kept and isinstance(error, ConnectionError):
                return self._request(control_url, method, path, seconds)
            raise
        self._connections[control_url] = connection
        return found

    def taken(self) -> list[str]:
        """The kinds of all that was not answered since the last call, such as `message/text`."""
        for server in sorted(each for each, kind in self._servers.items() if kind == _kind()):
            self.ask(server)
        found = sorted(self._found.values())
        self._found.clear()
        return found


def _kind() -> str:
    """The folder of the test that runs now, such as `tests/chaos`."""
    return "/".join(os.environ.get("PYTEST_CURRENT_TEST", "").split("/")[:2])


CHECK: Final = Check()
"""That of this process of the run."""


def judged(found: list[str], left: tuple[str, ...]) -> list[str]:
    """What is wrong with a test that leaves stanzas of the kinds in `left` on purpose."""
    unexpected = [f"not answered: {one}" for one in found if not one.startswith(left)]
    idle = [kind for kind in left if not any(one.startswith(kind) for one in found)]
    return [*unexpected, *(f"answered after all: {kind}" for kind in idle)]
