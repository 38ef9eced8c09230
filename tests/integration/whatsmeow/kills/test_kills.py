"""G3, G5: the engine or its program is killed at each step while 20 messages are in flight."""

from __future__ import annotations

import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.processes import until

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town
    from tests.integration.whatsmeow.device import Device
    from tests.run.figures import Figure

pytestmark = pytest.mark.timeout(180)

COUNT, AT = 20, 7


def gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def output_of(device: Device) -> list[dict[str, Any]]:
    """Returns all events that a process that is gone printed."""
    with suppress(AssertionError):
        while True:
            device.process.line(5)
    return device.process.seen


def killed(dying: Device) -> None:
    """Waits until it killed itself, and until its program went with it."""
    until(lambda: dying.process._process.poll() is not None, 30)
    assert dying.process._process.returncode == -signal.SIGKILL, dying.log.read_text()[-2000:]
    programs = [one["program"] for one in output_of(dying) if one["event"] == "open"]
    until(lambda: all(map(gone, programs)), 10)


def died(dying: Device) -> None:
    """Waits until its program was killed, and the engine said so."""
    ended: dict[str, Any] = dying.wait("ended", 30)
    assert (ended["kind"], ended["detail"]) == ("network", "program_died"), ended


def outlived(town: Town, dying: Device, victim: str, *, waits: bool = False) -> Device:
    """Waits for the kill of the process, or of its program; returns what goes on, once that is open.

    `waits`: something that the process did not answer has to wait at WhatsApp.
    """
    if victim == "program":
        died(dying)
    else:
        killed(dying)
        until(lambda: not town.account["online"])
        assert town.account["unacknowledged"] > 0 or not waits, "nothing was in flight"
        dying = town.made(directory=dying.directory, epoch=dying.epoch + 1, files=dying.files)
    dying.wait("open")
    return dying


STORED = ("after_commit Inbox.add", "before_answer message", "after_answer message")
RECEIVING = [
    *(("self", dies) for dies in ("before_commit", *STORED)),
    *(("program", dies) for dies in STORED),
]


@pytest.mark.parametrize(("victim", "dies"), RECEIVING)
def test_nothing_that_was_received_is_lost_or_doubled(
    town: Town, victim: str, dies: str, figure: Figure
) -> None:
    directory = town.acquainted()
    texts = [f"text {each}" for each in range(COUNT)]
    for text in texts:
        town.say(text)
    assert town.account["unacknowledged"] == COUNT
    after = town.made(directory=directory, epoch=2, dies_at=AT, dies=dies, victim=victim)
    if victim == "self":
        killed(after)
        until(lambda: not town.account["online"])
        waiting = town.account["unacknowledged"]
        figure(f"{waiting} of {COUNT} unacknowledged at a kill {dies}")
        assert waiting > 0, "nothing was in flight"
        after = town.made(directory=directory, epoch=3)
    else:
        died(after)
    after.wait("open")
    town.goes_on(after)
    assert [one["text"] for one in after.pending("message") if one["text"] in texts] == texts


SENDING = [
    (victim, dies)
    for dies in ("before_post send", "after_post send", "after_ack send")
    for victim in ("self", "program")
]


@pytest.mark.parametrize("chats", [1, 5])
def test_nothing_that_was_sent_is_lost_or_doubled(town: Town, chats: int) -> None:
    """A send that is asked for again has the same id, and in each chat the same order; chats share commits."""
    device = town.linked()
    friends = [town.friend, *(f"{town.friend}{number}" for number in range(1, chats))]
    for friend in friends:
        device.send(friend, "opens")
    wanted: list[tuple[str, str, str]] = []
    for number, (victim, dies) in enumerate(SENDING):
        device.arm(dies, victim, AT)
        dying, done = device, len(outcomes(device))
        texts = [(friends[each % chats], f"{number} {each}") for each in range(COUNT)]
        begun = [(to, dying.begin(to, text), text) for to, text in texts]
        device = outlived(town, dying, victim)
        if victim == "program":
            until(partial(reported, dying, done + COUNT))
        sent = {one["id"] for one in outcomes(dying) if one["event"] == "sent"}
        assert {id_ for _, id_, _ in begun} - sent, f"nothing was in flight: {victim} {dies}"
        for to, id_, text in begun:
            if id_ not in sent:
                town.sent_again(device, text, id_, to)
        wanted += begun
    town.simulator.settled(town.number)
    for friend in friends:
        found = [(one["id"], one["text"]) for one in town.simulator.inbox(friend)]
        assert found[1:] == [(id_, text) for to, id_, text in wanted if to == friend]
    town.goes_on(device)


def reported(sending: Device, count: int) -> bool:
    return len(outcomes(sending)) == count


def outcomes(sending: Device) -> list[dict[str, Any]]:
    sending.process.quiet()
    return [one for one in sending.process.seen if one["event"] in ("sent", "failed")]


GROUP = [
    ("self", "before_commit Inbox.add"),
    ("self", "after_commit Inbox.add"),
    ("program", "after_commit Inbox.add"),
    ("self", "after_answer message"),
    ("program", "after_answer message"),
    ("self", "after_post send"),
    ("program", "after_post send"),
    ("self", "before_post send"),
    ("self", "after_ack send"),
]


def test_nothing_of_a_group_is_lost_or_doubled(town: Town) -> None:
    """The first message of each side brings a key, and the kill comes with it."""
    device, few = town.linked(), 6
    people = {"creator": town.friend, "participants": [town.number]}
    group = town.simulator.post("/groups", subject="Us", **people)["id"]
    sent: list[tuple[str, str]] = []
    said: list[str] = []
    for number, (victim, dies) in enumerate(GROUP):
        texts = [f"{number} {each}" for each in range(few)]
        first = not (sent if dies.endswith("send") else said)
        device.arm(dies, victim, 1 if first else 3)
        if dies.endswith("send"):
            begun = [(device.begin(group, text), text) for text in texts]
            dying, device = device, outlived(town, device, victim)
            before = {one["id"] for one in outcomes(dying) if one["event"] == "sent"}
            assert {id_ for id_, _ in begun} - before, "nothing was in flight"
            sent += begun
            for id_, text in begun:
                town.sent_again(device, text, id_, group)
        else:
            ids = [town.simulator.say(town.friend, group, text) for text in texts]
            device = outlived(town, device, victim, waits=True)
            device.has_message(ids[-1])
            said += texts
        town.simulator.settled(town.number)
    found = [one for one in town.simulator.inbox(town.friend) if one["group"] == group]
    assert [(one["id"], one["text"]) for one in found] == sent
    town.goes_on(device)
    assert [one["text"] for one in device.pending("message") if one["chat"] == group] == said
    assert town.account["retries"] == 0, "a key was lost"
