"""What the library is asked to send."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from actors.connection.engine import Outgoing
from actors.connection.native.identities.addresses import Address
from actors.connection.native.transport.nodes import proto
from actors.connection.neonize.requests import Asking
from actors.connection.session.unread import Unread
from actors.messages.content import PollVote, Reaction, ReadMark, Target

if TYPE_CHECKING:
    from actors.messages.content import Content

CHAT = "15550100002@s.whatsapp.net"
LID = "90000000000002@lid"
TARGET = Target("A", CHAT)


class Library:
    """Acknowledges what it is to send, and keeps its plaintext."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    async def answer(self, _function: str, *arguments: Any) -> bytes:
        self.sent.append(proto.Message.FromString(arguments[2]))
        return b""

    def FromString(self, _data: bytes) -> Any:  # noqa: N802 - the name that protobuf gives it
        return SimpleNamespace(Error="", SendResponse=SimpleNamespace(Timestamp=7, ID="B"))

    def SerializeToString(self) -> bytes:  # noqa: N802
        return b""


@pytest.mark.parametrize("at", [5.25, None])
@pytest.mark.parametrize(
    "said", [Reaction(TARGET, "+"), PollVote(TARGET, ("yes",), secret="ab" * 32)]
)
async def test_a_reaction_or_a_vote_bears_the_time_that_it_is_given(
    said: Content, at: float | None
) -> None:
    """At each attempt the same; else that at which it leaves."""
    library: Any = Library()
    account = Address.parse("15550100001@s.whatsapp.net")
    people: Any = SimpleNamespace(canonical=lambda one: one, account=account, lid=None)
    events = SimpleNamespace(JID=lambda **_: library, SendMessageReturnFunction=library)
    known: Any = SimpleNamespace(theirs=lambda _: None, timer=lambda _: 0)
    asking = Asking(library, people, known, events, lambda _: None, 5.0)
    before = int(time.time() * 1000)
    await asking.send(Outgoing("3EB1", CHAT, said, at))
    (sent,) = library.sent
    part = sent.reactionMessage if isinstance(said, Reaction) else sent.pollUpdateMessage
    if at is None:
        assert before <= part.senderTimestampMs <= int(time.time() * 1000)
    else:
        assert part.senderTimestampMs == 5250


class MarkingLibrary(Library):
    """Notes what is marked as read."""

    def __init__(self) -> None:
        super().__init__()
        self.marked: list[tuple[Any, ...]] = []

    async def text(self, function: str, *arguments: Any) -> str:
        assert function == "MarkRead"
        self.marked.append(arguments)
        return ""


async def test_what_was_read_is_marked_by_author_and_in_its_own_words() -> None:
    library: Any = MarkingLibrary()
    named: list[str] = []

    def jid(**parts: Any) -> Any:
        named.append(f"{parts['User']}@{parts['Server']}")
        return library

    group = "120363000000000001@g.us"
    unread = [Unread(4, "A", CHAT, ""), Unread(5, "B", CHAT, ""), Unread(0, "C", group, LID)]
    known: Any = SimpleNamespace(marked=lambda *_: unread, chat_today=lambda one: one)
    events = SimpleNamespace(JID=jid)
    people: Any = SimpleNamespace()
    asking = Asking(library, people, known, events, lambda _: None, 5.0)
    assert await asking.mark_read(CHAT, ReadMark(arrived=1.0), 7.5) == [4, 5, 0]
    assert [(ids, at, kind) for ids, at, *_, kind in library.marked] == [
        (b"A B", 7, b"read"),
        (b"C", 7, b"read"),
    ]
    assert named == [CHAT, CHAT, group, LID]
