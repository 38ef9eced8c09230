"""The actions that are offered for a message are those that the API accepts."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import pytest

from actors.messages.content import (
    Audio,
    Card,
    Contact,
    Document,
    File,
    Image,
    Location,
    Other,
    Poll,
    Sticker,
    Text,
    Video,
    pack,
)
from gateway.acceptance.forwarded_content import forwarded
from gateway.acceptance.message_targets import allowed_change, of_document, require_there
from gateway.console.pages.offered_actions import offered
from gateway.http.problems import Problem
from gateway.schemas import presenters
from gateway.schemas.content.outbound_messages import NewMessage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from actors.messages.content import Content

ANA: Final = "15550100002@s.whatsapp.net"
ID: Final = "shop--T00000000000.in.0123456789abcdef01234567"
FILE: Final = File("0" * 64, 9, "image/png", "tea.png")
HOUR: Final = 3600.0
KINDS: Final[Mapping[str, Content | None]] = {
    "plain text": None,
    "text": Text("hi"),
    "poll": Poll("Tea?", ("yes", "no"), 1, "00" * 32),
    "location": Location(1.0, 2.0),
    "contact": Contact((Card("Ana", "BEGIN:VCARD\nEND:VCARD"),)),
    "image": Image(FILE),
    "video": Video(FILE),
    "audio": Audio(FILE),
    "document": Document(FILE),
    "sticker": Sticker(FILE),
    "other": Other("order", "two"),
}
SENT: Final = {"direction": "out", "sender": None, "status": "read"}
STATES: Final[Mapping[str, Mapping[str, Any]]] = {
    "received": {"direction": "in", "sender": ANA, "status": "received"},
    "deleted": {"direction": "in", "sender": ANA, "status": "received", "deleted": True},
    "sent": {**SENT, "sent": 60.0},
    "sent an hour ago": {**SENT, "sent": HOUR},
    "sent days ago": {**SENT, "sent": 72 * HOUR},
    "queued": {**SENT, "status": "queued"},
    "sent later": {**SENT, "status": "waiting", "later": HOUR},
    "dead": {**SENT, "status": "dead"},
    "cancelled": {**SENT, "status": "cancelled"},
}
ASKED: Final[Mapping[str, Mapping[str, Any]]] = {
    "react": {"type": "reaction", "emoji": "\N{THUMBS UP SIGN}"},
    "pin": {"type": "pin", "seconds": 86_400},
    "vote": {"type": "poll_vote", "options": ["yes"]},
    "edit": {"type": "edit", "text": "ho"},
    "delete": {"type": "delete"},
}


def stored(said: Content | None, state: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The document of a message in that state."""
    return {
        "id": ID,
        "message_id": "B",
        "connection": "shop--T00000000000",
        "chat": ANA,
        "sender": state["sender"],
        "direction": state["direction"],
        "type": "text" if said is None else said.type,
        "text": "hi" if said is None or isinstance(said, Text) else None,
        "content": None if said is None else pack(said),
        "status": state["status"],
        "at": now,
        "sent_at": now - state["sent"] if "sent" in state else None,
        "send_at": now + state["later"] if "later" in state else None,
        "changes": {"deleted": {"at": now}} if "deleted" in state else {},
    }


def accepted(document: dict[str, Any], now: float) -> Iterator[str]:
    """The actions for which the API has no refusal."""
    found = of_document(document, api=False)
    with suppress(Problem):
        require_there(found)
        yield from ("reply", "star")
        for action, fields in ASKED.items():
            envelope = {"connection": "shop", "to": "15550100002", "message": ID}
            wanted: Any = NewMessage.model_validate(envelope | dict(fields), strict=False).root
            with suppress(Problem):
                allowed_change(wanted, found, now)
                yield action
    with suppress(Problem):
        forwarded(document)
        yield "forward"


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_offered_is_what_the_api_accepts(kind: str, state: str) -> None:
    now = time.time()
    document = stored(KINDS[kind], STATES[state], now)
    message = presenters.stored(document).model_dump(mode="json")
    assert set(offered(message, now)) == set(accepted(document, now))


def test_a_file_that_is_not_there_is_not_forwarded() -> None:
    now = time.time()
    document = stored(Image(FILE), STATES["received"], now) | {"media": {"state": "pending"}}
    message = presenters.stored(document).model_dump(mode="json")
    assert offered(message, now) == ("reply", "react", "pin", "star")


@pytest.mark.parametrize("kind", ["read_mark", "star", "reaction", "pin"])
def test_for_what_is_no_message_nothing_is_offered(kind: str) -> None:
    now = time.time()
    document = stored(None, STATES["received"], now) | {"type": kind}
    message = presenters.stored(document).model_dump(mode="json")
    assert offered(message, now) == ()
