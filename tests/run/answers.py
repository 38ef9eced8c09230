"""Whether every stanza that a client was given was answered: asked of each simulator after each test.

A simulator's control address is registered with `watch`, when it starts. Before a client or a
simulator is ended it is asked, since a socket that is closed owes nothing. One that outlives the
tests of its kind, as that of `tests/conformance`, is not asked after those of another.

A simulator that does not answer the question fails the test, unless nobody listens at its address
any more.
"""

from __future__ import annotations

import json
import os
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any, Final
from urllib.parse import urlsplit

SECONDS: Final = 10.0
"""Seconds that a client has; in `tests/chaos`, where processes stand still, `PATIENT`."""
PATIENT: Final = 90.0
MARGIN: Final = 10.0
"""Seconds beyond those within which a simulator answers that has a question to wait for."""
START: Final = 10.0
"""Seconds within which a simulator that is watched has to answer for the first time."""


class Check:
    """Collects what was not answered in time, once each, until it is taken."""

    def __init__(self) -> None:
        self._servers: dict[str, str] = {}
        self._found: dict[tuple[Any, ...], str] = {}
        self._connections: dict[str, HTTPConnection] = {}

    def watch(self, control_url: str) -> None:
        """Ask this simulator after each test of the kind that runs now, from now on.

        Raises AssertionError where the simulator does not answer it now, and where none listens
        within `START`.
        """
        deadline = time.monotonic() + START
        while True:
            try:
                self._report(control_url, 0.001)
            except ConnectionRefusedError:
                assert time.monotonic() < deadline, f"no simulator listens at {control_url}"
                time.sleep(0.05)
            else:
                break
        self._servers[control_url] = _kind()

    def ask(self, control_url: str) -> None:
        """Wait until nothing is owed, or it is too late.

        A simulator whose process died, so that nobody listens at its address, owes nothing. Any
        other failure of the question is found like an answer that is missing.
        """
        patience = PATIENT if _kind() == "tests/chaos" else SECONDS
        try:
            report = self._report(control_url, patience)
            if report["late"] or report["open"]:
                self._request(control_url, "DELETE", "/unanswered", MARGIN)
        except ConnectionRefusedError:
            self._servers.pop(control_url, None)  # until it is started again
            return
        except (OSError, HTTPException, AssertionError) as error:
            self._found[control_url,] = f"the question of {control_url}: {error!r}"
            return
        late = report["late"] + [one for one in report["open"] if one["seconds"] >= patience - 1]
        for one in late:
            key = (control_url, one["account"], one["device"], one["id"], one["kind"])
            self._found[key] = "; ".join([one["kind"], *one["wrong"]])

    def end(self, control_url: str) -> None:
        """Asks a simulator for the last time, and closes the connection to it."""
        self.ask(control_url)
        self._servers.pop(control_url, None)
        connection = self._connections.pop(control_url, None)
        if connection is not None:
            connection.close()

    def close(self) -> None:
        """At the end of a run: closes the connections to simulators."""
        while self._connections:
            self._connections.popitem()[1].close()

    def _report(self, control_url: str, wait: float) -> dict[str, Any]:
        """Return what is owed after at most `wait` seconds: the lists `late` and `open`.

        Raises AssertionError for any status but 200, and what `_request` raises.
        """
        path = f"/unanswered?wait={wait}"
        try:
            status, report = self._request(control_url, "GET", path, wait + MARGIN)
        except ConnectionError:
            # It may die while it is asked; then nobody listens any more.
            status, report = self._request(control_url, "GET", path, wait + MARGIN)
        assert status == HTTPStatus.OK, f"GET {path} was answered by {status}"
        return report

    def _request(
        self, control_url: str, method: str, path: str, seconds: float
    ) -> tuple[int, dict[str, Any]]:
        """Status, and the body of a 200. Raises OSError and HTTPException: a connection that failed is not kept.

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
            body = answer.read()
            found = answer.status, json.loads(body) if answer.status == HTTPStatus.OK else {}
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
    """Returns the faults of a test that leaves stanzas of the kinds in `left` on purpose."""
    unexpected = [f"not answered: {one}" for one in found if not one.startswith(left)]
    idle = [kind for kind in left if not any(one.startswith(kind) for one in found)]
    return [*unexpected, *(f"answered after all: {kind}" for kind in idle)]
