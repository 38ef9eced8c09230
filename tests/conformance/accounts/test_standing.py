"""A client whose login is refused, or whose stream ends."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.processes import Client, Simulator

FAR = "2.3000.1999999999"


@pytest.fixture
def own(kind: str, another: Callable[..., Client], friend: str) -> Client:
    """A client with an account of its own, which it may lose."""
    one = another(kind)
    one.pair(friend.replace("1555011", "1555012"))
    return one


@pytest.fixture
def versions(simulator: Simulator) -> Iterator[dict[str, Any]]:
    """The versions of WhatsApp Web that there are; put back when the test ends."""
    found = simulator.http.get("/version").json()
    yield found
    simulator.post("/version", **{name: found[name] for name in ("current", "oldest", "ends")})


def reported(simulator: Simulator, client: Client, tag: str, **attrs: str) -> bool:
    """Whether a stanza like this left to the client, by the simulator's trace."""
    (device,) = simulator.account(client.number)["devices"]
    trace = simulator.directory / "trace" / f"{client.number}-{device['device']}.jsonl"
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    return any(
        part["tag"] == tag and attrs.items() <= part.get("attrs", {}).items()
        for line in lines
        if line.get("dir") == "in"
        for part in (line, *line.get("parts", []))
    )


def talks(simulator: Simulator, client: Client, friend: str) -> None:
    client.send(friend, "back")
    until(lambda: simulator.texts(friend) == ["back"])


def test_is_refused_with_a_version_that_is_too_old(
    simulator: Simulator, client: Client, friend: str, versions: dict[str, Any]
) -> None:
    """It keeps its keys, and logs in once its version is accepted."""
    simulator.answered()
    client.process.kill()
    simulator.post("/version", oldest=FAR)
    client.start()
    until(lambda: reported(simulator, client, "failure", reason="405"))
    assert not simulator.account(client.number)["online"]
    client.process.kill()
    simulator.post("/version", oldest=versions["oldest"])
    client.start()
    client.wait("connected")
    talks(simulator, client, friend)


@pytest.mark.usefixtures("versions")
def test_reports_the_end_of_its_version(simulator: Simulator, client: Client, friend: str) -> None:
    simulator.post("/version", current=FAR, ends=int(time.time()) + 86_400)
    simulator.answered()
    client.restart()
    assert reported(simulator, client, "client_expiration")
    talks(simulator, client, friend)


def forgotten(client: Client) -> bool:
    """Whether whatsmeow has deleted its session, which it does a moment after it says so."""
    file = client.directory / "session.db"
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as database:
        (count,) = database.execute("SELECT count(*) FROM whatsmeow_device").fetchone()
    return bool(count == 0)


@pytest.mark.differs(neonize="D22")
def test_keeps_its_keys_while_its_account_is_locked(
    simulator: Simulator, own: Client, friend: str
) -> None:
    simulator.answered()
    simulator.post(f"/accounts/{own.number}", standing="locked")
    until(lambda: reported(simulator, own, "failure", reason="403"))
    forgets = own.kind == "neonize"
    if forgets:
        until(lambda: forgotten(own))
    simulator.post(f"/accounts/{own.number}", standing="good")
    own.process.kill()
    own.start()
    kept = own.wait(("qr", "connected"))["event"] == "connected"
    assert kept != forgets
    if kept:
        talks(simulator, own, friend)


def test_hears_that_its_account_is_banned(simulator: Simulator, own: Client) -> None:
    simulator.answered()
    simulator.post(f"/accounts/{own.number}", standing="banned")
    own.wait("logged_out")
    assert reported(simulator, own, "failure", reason="406")


@pytest.mark.differs(neonize="D23")
def test_yields_when_its_stream_ends_by_409(simulator: Simulator, own: Client, friend: str) -> None:
    simulator.answered()
    assert simulator.post("/faults", account=own.number, kind="stream_error", code=409)["reached"]
    if own.kind == "neonize":
        own.wait("connected")
        talks(simulator, own, friend)
        return
    own.wait("replaced")
    until(lambda: not simulator.account(own.number)["online"])
    with pytest.raises(AssertionError, match=r"silent|ended"):
        own.wait("connected", 3)


def test_comes_back_after_its_stream_ended_for_a_missing_ack(
    simulator: Simulator, client: Client, friend: str
) -> None:
    simulator.say(friend, client.number, "before")
    client.wait("message", text="before")
    simulator.settled(client.number)
    fault = simulator.post("/faults", account=client.number, kind="stream_ack")
    assert fault["reached"] == 1
    client.wait("connected")
    assert reported(simulator, client, "xmlstreamend")
    talks(simulator, client, friend)
