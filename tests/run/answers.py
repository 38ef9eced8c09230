"""Whether every stanza that a client was given was answered: asked of each simulator after each test.

Whoever starts a simulator names its control address with `watch`; whoever ends a client or a
simulator asks before, since a socket that is closed owes nothing.
"""

from __future__ import annotations

import os
from typing import Any, Final

import httpx

from tests.plain_http import NO_AUTHORITIES

SECONDS: Final = 10.0
"""How long a client has, in seconds; in `tests/chaos`, where processes stand still, `PATIENT`."""
PATIENT: Final = 90.0


class Check:
    """Collects what was not answered in time, once each, until it is taken."""

    def __init__(self) -> None:
        self._servers: set[str] = set()
        self._found: dict[tuple[Any, ...], str] = {}
        self._http: httpx.Client | None = None

    def watch(self, control_url: str) -> None:
        """From now on this simulator is asked after each test."""
        self._servers.add(control_url)

    def ask(self, control_url: str) -> None:
        """Waits until nothing is owed, or it is too late; a simulator that is gone tells nothing."""
        patience = (
            PATIENT if "tests/chaos" in os.environ.get("PYTEST_CURRENT_TEST", "") else SECONDS
        )
        if self._http is None:
            self._http = httpx.Client(verify=NO_AUTHORITIES)
        try:
            answer = self._http.get(
                f"{control_url}/unanswered", params={"wait": patience}, timeout=patience + 10
            )
            if answer.status_code == httpx.codes.NOT_FOUND:
                return  # the simulator of an older release knows no such question
            report = answer.json()
            if report["late"] or report["open"]:
                self._http.delete(f"{control_url}/unanswered")
        except httpx.ConnectError:
            self._servers.discard(control_url)  # until it is started again
            return
        except httpx.TransportError:
            return
        late = report["late"] + [one for one in report["open"] if one["seconds"] >= patience - 1]
        for one in late:
            key = (control_url, one["account"], one["device"], one["id"], one["kind"])
            self._found[key] = "; ".join([one["kind"], *one["wrong"]])

    def end(self, control_url: str) -> None:
        """Asks a simulator for the last time."""
        self.ask(control_url)
        self._servers.discard(control_url)

    def close(self) -> None:
        """At the end of a run: closes the connections to simulators."""
        if self._http is not None:
            self._http.close()
            self._http = None

    def taken(self) -> list[str]:
        """The kinds of all that was not answered since the last call, such as `message/text`."""
        for server in sorted(self._servers):
            self.ask(server)
        found = sorted(self._found.values())
        self._found.clear()
        return found


CHECK: Final = Check()
"""That of this process of the run."""


def judged(found: list[str], left: tuple[str, ...]) -> list[str]:
    """What is wrong with a test that leaves stanzas of the kinds in `left` on purpose."""
    unexpected = [f"not answered: {one}" for one in found if not one.startswith(left)]
    idle = [kind for kind in left if not any(one.startswith(kind) for one in found)]
    return [*unexpected, *(f"answered after all: {kind}" for kind in idle)]
