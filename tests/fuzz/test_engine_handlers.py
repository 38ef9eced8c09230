"""The engine's handler of deliveries on what strangers may say, and on hostile headers: nothing breaks it."""

from __future__ import annotations

import asyncio
import itertools
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.connection.session.session import Session
from tests.fuzz.corpus import ACCOUNT, CONTACT, HOSTILE_TEXTS, RECORDED, damaged, fuzzed
from tests.fuzz.test_engine_decoders import KINDS
from tests.unit.actors.connection.deliveries import Deliveries

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "120363000000000001@g.us"
PLAINTEXTS = [*map(bytes.fromhex, RECORDED["plaintexts"]), *KINDS]
HOSTILE = st.sampled_from(HOSTILE_TEXTS)


class Loop:
    """Takes one delivery after the other, each in a transaction of its own as the receive pipeline does."""

    def __init__(self, directory: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self.session = Session.open(directory / "session.db", 1)
        self.deliveries = Deliveries(self.session)
        self.number = itertools.count()

    def take(self, what: str, body: bytes, **header: Any) -> None:
        self.loop.run_until_complete(self.deliveries.take(what, body, **header))

    def close(self) -> None:
        self.session.close()
        self.loop.close()


@pytest.fixture(scope="module")
def loop() -> Iterator[Loop]:
    with tempfile.TemporaryDirectory() as directory, closing(Loop(Path(directory))) as made:
        yield made


@fuzzed(300)
@given(
    plaintext=damaged(PLAINTEXTS),
    sender=st.sampled_from([CONTACT, ACCOUNT, "90000000000002@lid"]),
    chat=st.sampled_from([None, GROUP, "status@broadcast", "1@broadcast"]),
)
def test_no_plaintext_breaks_the_handler(
    loop: Loop, plaintext: bytes, sender: str, chat: str | None
) -> None:
    """The sender is who it says; what it says is hostile."""
    number = f"3EB0{next(loop.number):06X}"
    where = {"chat": chat or CONTACT, "sender": sender, "from_me": sender == ACCOUNT}
    loop.take("message", plaintext, message_id=number, at=900, **where)


@fuzzed(200)
@given(
    what=st.sampled_from(["message", "undecryptable", "receipt", "group", "picture", "call"]),
    header=st.dictionaries(
        st.sampled_from(
            [
                "message_id",
                "chat",
                "sender",
                "sender_alt",
                "recipient_alt",
                "push_name",
                "category",
                "kind",
                "type",
                "subject",
                "change",
                "at",
                "from_me",
                "offline",
            ]
        ),
        HOSTILE,
    ),
    ids=st.lists(HOSTILE, max_size=3),
)
def test_no_header_breaks_the_handler(
    loop: Loop, what: str, header: dict[str, str], ids: list[str]
) -> None:
    """The program takes addresses and ids from the stanza as they are; times are numbers."""
    named = {"message_id": "A", "chat": CONTACT, "sender": CONTACT, "kind": "empty"} | header
    at = named.pop("at", None)
    loop.take(what, b"", **named, ids=ids, left=ids, at=900 if at is None else len(at))


@fuzzed(200)
@given(
    what=st.sampled_from(["resent", "mex", "media_retried", "history"]),
    body=damaged([*PLAINTEXTS, b'{"data":{"xwa2_notify":[]}}']) | HOSTILE.map(str.encode),
    number=HOSTILE,
)
def test_no_answer_breaks_the_handler(loop: Loop, what: str, body: bytes, number: str) -> None:
    loop.take(what, body, request_id=number, message_id=number or "A", chat=CONTACT, sender=ACCOUNT)
