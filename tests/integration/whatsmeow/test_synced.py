"""G3, G5: what a message left is on disk on both sides before its receipt, or the message itself, leaves.

`kill -9` keeps the page cache, so that only the order of system calls proves it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.processes.tracing import STRACE, calls, under

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.whatsmeow.conftest import Town

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.skipif(STRACE is None, reason="strace is not installed, so no fsync can be seen"),
]

WRITES, SYNCS = {"write", "pwrite64", "sendto", "sendmsg", "writev"}, {"fsync", "fdatasync"}
QUIET = 2.0
"""Seconds until nothing leaves any more that belongs to the login."""

FRAME = '"\\202'
"""The first byte of a WebSocket frame with bytes in it, as strace shows it."""


def order(trace: str) -> list[str]:
    """Steps in their order: `keys` or `session` written, or `… on disk`; `delivered`, `answered`, `asked`, `left`."""
    found: list[str] = []
    for name, target, rest in calls(trace):
        file = next((one for one in ("whatsmeow.db", "session.db") if f"{one}-wal" in target), None)
        if file is not None:
            word = "keys" if file == "whatsmeow.db" else "session"
            found.append(f"{word} on disk" if name in SYNCS and rest.endswith("= 0") else word)
        elif name in WRITES and "socket:" in target.lower():
            text = rest.replace("\\", "")
            if '"do":"message"' in text:
                found.append("delivered")
            elif '"do":"send"' in text:
                found.append("asked")
            elif '"ok":{}' in text:
                found.append("answered")
            elif rest.lstrip(", ").startswith(FRAME):
                found.append("left")
    return found


def test_a_message_is_on_disk_before_its_receipt_leaves(town: Town, tmp_path: Path) -> None:
    directory = town.acquainted()
    output = tmp_path / "strace"
    traced = town.made(directory=directory, epoch=2, before=under(output))
    traced.wait("open", 120)
    town.simulator.settled(town.number)
    time.sleep(QUIET)
    town.say("to be on disk")
    traced.until_pending("message", lambda one: bool(one["text"] == "to be on disk"))
    town.simulator.settled(town.number)
    traced.close()
    found = order(output.read_text())
    delivered = found.index("delivered")
    answered = found.index("answered", delivered)
    left = found.index("left", delivered)
    assert delivered < answered < left, found[delivered - 10 : left + 5]
    for word, until in (("keys", delivered), ("session", answered)):
        last = max(at for at, what in enumerate(found[:until]) if what == word)
        assert f"{word} on disk" in found[last:until], (word, found[:until][-20:])
    assert "session" in found[delivered:answered], "nothing was stored between the two"


def test_steps_of_keys_are_on_disk_before_the_messages_leave(town: Town, tmp_path: Path) -> None:
    """Of messages to several chats, which share a transaction on each side."""
    directory = town.acquainted()
    output = tmp_path / "strace"
    traced = town.made(directory=directory, epoch=2, before=under(output))
    traced.wait("open", 120)
    friends = [town.friend, *(f"{town.friend}{number}" for number in range(3))]
    for friend in friends:
        traced.send(friend, "opens")
    town.simulator.settled(town.number)
    time.sleep(QUIET)
    begun = [traced.begin(friend, "to be on disk") for friend in friends]
    for _ in begun:
        traced.wait("sent")
    town.simulator.settled(town.number)
    traced.close()
    found = order(output.read_text())
    asked = [at for at, what in enumerate(found) if what == "asked"][len(friends)]
    between = found[asked : found.index("left", asked)]
    assert "keys" in between, between
    written = max(at for at, what in enumerate(between) if what == "keys")
    assert "keys on disk" in between[written:], between
    last = max(at for at, what in enumerate(found[:asked]) if what == "session")
    assert "session on disk" in found[last:asked], found[asked - 20 : asked]
