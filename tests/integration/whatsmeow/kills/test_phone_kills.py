"""G5: kills at each step of what the account's phone sends: histories, and messages that came without content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.messages.content import decode
from tests.integration.whatsmeow.kills.test_kills import outlived

if TYPE_CHECKING:
    from tests.integration.whatsmeow.conftest import Town

pytestmark = pytest.mark.timeout(180)

HISTORY = (
    ("before_commit HistorySyncs.add", "self", 1, True),
    ("after_commit HistorySyncs.add", "self", 1, True),
    ("after_commit HistorySyncs.add", "program", 1, True),
    ("after_answer history", "self", 1, False),
    ("after_answer history", "program", 1, False),
    ("before_commit HistorySyncs.note", "self", 2, False),
    ("after_commit HistorySyncs.note", "self", 1, False),
    ("before_ask history_learnt", "self", 1, False),
    ("before_ask history_learnt", "program", 1, False),
    ("after_ask history_learnt", "self", 1, False),
    ("before_commit HistorySyncs.end", "self", 1, False),
    ("after_commit HistorySyncs.end", "self", 1, False),
    ("before_commit HistorySyncs.forget", "self", 1, False),
)
"""Each step, how often it is reached before the kill, and whether the notification waits at WhatsApp then."""

LONG = 120
"""Messages of a history; the first hundred share a commit."""


def test_each_message_of_a_history_is_there_once(town: Town) -> None:
    device = town.linked(files=True)
    town.goes_on(device)
    for round_, (dies, victim, at, waits) in enumerate(HISTORY):
        told = [
            {"text": f"long ago {round_} {number}", "at": 1_790_000_000 + number}
            for number in range(LONG)
        ]
        device.arm(dies, victim, at)
        talk = {"chat": town.friend, "messages": told}
        town.simulator.post(f"/phones/{town.number}/history", conversations=[talk])
        device = outlived(town, device, victim, waits=waits and victim == "self")
        town.simulator.settled(town.number)
        device.drained("histories")
        found = device.pending("history")
        assert [one["text"] for one in found] == [one["text"] for one in told], dies
        device.settle(found)
    town.goes_on(device)


FEW = 4

REQUESTS = (
    ("before_commit Placeholders.note", "self", True),
    ("after_commit Placeholders.note", "self", True),
    ("after_commit Placeholders.note", "program", True),
    ("after_answer undecryptable", "self", False),
    ("after_answer undecryptable", "program", False),
    ("before_commit Placeholders.note_request", "self", False),
    ("before_post peer", "self", False),
    ("before_post peer", "program", False),
    ("after_post peer", "self", False),
    ("after_post peer", "program", False),
    ("after_ack peer", "self", False),
    ("before_commit Placeholders.forget", "self", True),
    ("after_commit Placeholders.forget", "self", True),
    ("after_commit Placeholders.forget", "program", True),
    ("after_answer resent", "self", False),
    ("after_answer resent", "program", False),
)
"""Each step, and whether a stanza that was not answered waits at WhatsApp then."""


def test_the_phone_is_asked_for_each_message_whatever_dies(town: Town) -> None:
    """Each is there once, with its content; the phone is asked again for what may not have been asked."""
    device = town.linked()
    town.goes_on(device)
    asked = 0
    for round_, (dies, victim, waits) in enumerate(REQUESTS):
        texts = [f"from an ad {round_} {number}" for number in range(FEW)]
        device.arm(dies, victim, 2)
        for text in texts:
            town.simulator.say(town.friend, town.number, text, unavailable="plain")
        device = outlived(town, device, victim, waits=waits and victim == "self")
        town.simulator.settled(town.number)
        device.drained("placeholders")
        town.simulator.settled(town.number)
        found = [one for one in device.pending("message") if not one["text"].startswith("and")]
        assert sorted(one["text"] for one in found) == texts, dies
        before, asked = asked, int(town.account["placeholder_resends"])
        assert FEW <= asked - before <= FEW + 2, "what may have been lost alone"
        device.settle(device.pending("message"))
    town.goes_on(device)
    assert town.account["retries"] == 0, "no sender was asked"


QUESTIONS = (
    ("before_commit Inbox.want", "self"),
    ("after_commit Inbox.want", "self"),
    ("after_commit Inbox.want", "program"),
    ("after_answer undecryptable", "self"),
    ("after_answer undecryptable", "program"),
)


def test_senders_are_asked_again_whatever_dies(town: Town) -> None:
    """Each message that could not be read is there once, with its text, at the end."""
    device = town.linked()
    town.goes_on(device)
    for round_, (dies, victim) in enumerate(QUESTIONS):
        texts = [f"in {round_} {number}" for number in range(FEW)]
        fault = town.simulator.fault(town.number, "garble", count=FEW + 2)
        device.arm(dies, victim, 2)
        ids = [town.say(text) for text in texts]
        device = outlived(town, device, victim, waits=victim == "self")
        assert town.simulator.struck(fault) >= 2
        for id_ in ids:
            device.has_message(id_)
        town.goes_on(device)
        shown = device.pending("message")
        assert {one["type"] for one in shown} == {"text"}
        assert sorted(one["text"] for one in shown if one["message_id"] in ids) == texts, dies
        device.settle(shown)


EDITS = (
    ("before_commit SealedEdits.add", "self", True),
    ("after_commit SealedEdits.add", "self", True),
    ("after_commit SealedEdits.add", "program", True),
    ("before_commit SealedEdits.forget", "self", True),
    ("after_commit SealedEdits.forget", "self", True),
    ("after_commit SealedEdits.forget", "program", True),
)


def test_edits_that_wait_for_their_messages_are_opened_whatever_dies(town: Town) -> None:
    """The messages come without their content, and the phone hands it over after the edits."""
    device = town.linked()
    town.goes_on(device)
    device.settle(device.pending("message"))
    say = f"/contacts/{town.friend}/say"
    for dies, victim, waits in EDITS:
        device.arm(dies, victim, 2)
        said = {"to": town.number, "secret": True, "unavailable": "plain"}
        ids = [town.simulator.post(say, text=f"frist {each}", **said)["id"] for each in range(FEW)]
        for number, target in enumerate(ids):
            edit = {"type": "edit", "target": target, "text": f"first {number}", "encrypted": True}
            town.simulator.post(say, to=town.number, **edit)
        device = outlived(town, device, victim, waits=waits and victim == "self")
        town.simulator.settled(town.number)
        device.drained("placeholders", "sealed_edits")
        town.simulator.settled(town.number)
        found = device.pending("message")
        texts = {one["message_id"]: one["text"] for one in found}
        assert len(found) == len(texts) == 2 * FEW, dies
        assert [texts[id_] for id_ in ids] == [f"frist {number}" for number in range(FEW)]
        edits = [decode(one["content"]) for one in found if one["message_id"] not in ids]
        assert {one.target.message_id: one.text for one in edits} == {  # type: ignore[union-attr]
            id_: f"first {number}" for number, id_ in enumerate(ids)
        }
        device.settle(found)
    town.goes_on(device)
