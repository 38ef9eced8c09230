"""Sends files, polls, edits, groups and history syncs beside a storm's texts, each with a mark in its texts."""

from __future__ import annotations

import base64
import secrets
import sqlite3
import threading
import time
from contextlib import closing
from itertools import count, cycle
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from simulator.wire.proto_schema import Message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.chaos.harness.traffic import Party
    from tests.processes.instance import Instance

MARK: Final = "Zqmark"
"""The beginning of every text, caption, name and subject of this traffic."""

PAUSE: Final = 0.5
"""Seconds between the rounds of two connections."""

ARRIVAL: Final = 90.0
"""Seconds within which the last round of all connections has arrived."""

RECEIPTS: Final = ("each", "by_type", "by_message")


class Round:
    """One round of a connection: files and polls both ways, an edit, a new group, and a history sync."""

    def __init__(self, instance: Instance, party: Party, number: int) -> None:
        self._instance, self.party, self._number = instance, party, number
        self.friend = party.contacts[0].replace("1555011", "1555013", 1)
        self.others = [f"{self.friend[:-2]}{99 - place}" for place in range(2)]
        self.sent: set[str] = set()
        """Texts that the friend's inbox has at the end."""
        self.received: set[str] = set()
        """Texts that the service has stored at the end."""
        self.files: set[str] = set()
        """Those of `received` that bring a file."""
        self.polls: set[str] = set()
        """Questions that have a vote at the end."""

    @property
    def people(self) -> set[str]:
        return {self.friend, *self.others}

    def _mark(self, of: str) -> str:
        return f"{MARK} {of} {self.party.connection} {self._number}"

    def carry(self) -> None:
        """Raises httpx.HTTPError where a part is away."""
        self._send_file()
        for what in ({"type": "image"}, {"type": "document"}):
            self._receive_file(self.party.account, what)
        self._poll()
        self._receive_edit()
        self._receive_history(self._in_a_group())

    def has_arrived(self) -> bool:
        stored = {
            item["content"]["question"] if item["type"] == "poll" else item["text"]: item
            for item in self._instance.messages(connection=self.party.connection, limit="500")
        }
        inbox = {item["text"] for item in self._instance.inbox(self.friend)}
        return (
            self.sent <= inbox
            and self.received | self.polls <= stored.keys()
            and all(stored[text]["media"]["state"] == "stored" for text in self.files)
            and all(stored[question]["votes"] for question in self.polls)
        )

    def _send_file(self) -> None:
        name, caption = self._mark("file") + ".pdf", self._mark("caption")
        upload = self._instance.api.post(
            "/api/media",
            params={"name": name},
            content=secrets.token_bytes(300),
            headers={"Content-Type": "application/pdf"},
        )
        media = {"sha256": upload.raise_for_status().json()["sha256"]}
        self._send(self.friend, type="document", media=media, name=name, caption=caption)
        self.sent.add(caption)

    def _receive_file(self, to: str, what: dict[str, Any]) -> None:
        caption = self._mark(f"{what['type']} to {'me' if to == self.party.account else 'us'}")
        if what["type"] == "document":
            what |= {"file_name": self._mark("paper") + ".pdf", "title": self._mark("title")}
        else:
            what |= {"thumbnail": base64.b64encode(secrets.token_bytes(80)).decode()}
        self._say(to, text=caption, size=400, **what)
        self.received.add(caption)
        self.files.add(caption)

    def _poll(self) -> None:
        """Polls of both sides, and the friend's vote in their own.

        Ours has two choices: the library of whatsmeow sends one of a single choice with the type of a text.
        """
        options = [self._mark("yes"), self._mark("no")]
        question, theirs = self._mark("question"), self._mark("their question")
        self._send(self.friend, type="poll", question=question, options=options, choices=2)
        self.sent.add(question)
        poll = self._say(self.party.account, type="poll", text=theirs, options=options)
        self._say(self.party.account, type="vote", target=poll, options=options[:1])
        self.polls.add(theirs)

    def _receive_edit(self) -> None:
        """A text, and its edit that is encrypted under the secret of the text."""
        account, text = self.party.account, self._mark("new words")
        target = self._say(account, text=self._mark("old words"), secret=True)
        self._say(account, type="edit", target=target, text=text, encrypted=True)
        self.received.add(text)

    def _in_a_group(self) -> str:
        """Makes a group, in which both sides write, and somebody joins and leaves; returns its id."""
        made = self._ask(
            "/groups",
            subject=self._mark("subject"),
            creator=self.friend,
            participants=[self.party.account, self.others[0]],
            receipts=RECEIPTS[self._number % len(RECEIPTS)],
            addressing=("lid", "pn")[self._number % 2],
        )
        group: str = made["id"]
        for of in ("sender key", "chain"):
            text = self._mark(of)
            self._say(group, text=text)
            self.received.add(text)
        self._receive_file(group, {"type": "image"})
        self._ask(f"/groups/{group}/participants", add=[self.others[1]])
        text = self._mark("to all")
        self._send(group, text=text)
        self.sent.add(text)
        self._ask(f"/groups/{group}/participants", remove=[self.others[0]])
        return group

    def _receive_history(self, group: str) -> None:
        at = int(time.time()) - 86_400
        texts = [self._mark("long ago"), self._mark("old photo"), self._mark("in the group")]
        messages = [
            {"text": texts[0], "at": at},
            {"text": texts[1], "at": at + 1, "type": "image", "size": 400},
        ]
        conversations = [
            {"chat": self.others[0], "name": self._mark("chat"), "messages": messages},
            {
                "chat": group,
                "name": self._mark("name of the group"),
                "messages": [{"text": texts[2], "at": at + 2, "from": self.friend}],
            },
        ]
        self._ask(
            f"/phones/{self.party.account}/history",
            conversations=conversations,
            pushnames={self.others[0]: self._mark("push name")},
            inline=self._number % 2 == 0,
        )
        self.received.update(texts)

    def _send(self, to: str, **content: Any) -> None:
        body = {"connection": self.party.connection, "to": to, **content}
        self._instance.api.post("/api/messages", json=body).raise_for_status()

    def _say(self, to: str, **content: Any) -> str:
        """The id of the message."""
        identity: str = self._ask(f"/contacts/{self.friend}/say", to=to, **content)["id"]
        return identity

    def _ask(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self._instance.simulator.post(path, json=body).raise_for_status()
        told: dict[str, Any] = answer.json()
        return told


class MarkedTraffic:
    """Rounds of one connection after the other until it is left; those that meet a fault are given up.

    The last round of each connection begins once it is left, and has to arrive.
    """

    def __init__(self, instance: Instance, parties: Sequence[Party]) -> None:
        self._instance, self._parties = instance, tuple(parties)
        self._numbers = count(1)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="marked traffic")
        self.carried = self.given_up = 0
        self._failure: str | None = None
        self.people = {who for party in parties for who in Round(instance, party, 0).people}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stopping.set()
        self._thread.join()
        if kind is None:
            assert self._failure is None, self._failure
            last = [Round(self._instance, party, next(self._numbers)) for party in self._parties]
            for one in last:
                one.carry()
            for one in last:
                until(f"all of {one.party.connection} arrived", one.has_arrived, ARRIVAL)
            self.carried += len(last)

    def _run(self) -> None:
        for party in cycle(self._parties):
            if self._stopping.wait(PAUSE):
                return
            try:
                Round(self._instance, party, next(self._numbers)).carry()
            except httpx.HTTPError as error:
                if isinstance(error, httpx.HTTPStatusError) and error.response.is_client_error:
                    self._failure = error.response.text
                    return
                self.given_up += 1
            else:
                self.carried += 1


def secrets_of(simulator: Path) -> Iterator[str | bytes]:
    """Returns what the messages in the simulator's database are read with, and where their files are.

    Those are media keys, message secrets, hashes, thumbnails and direct paths, also of histories.
    """
    with closing(sqlite3.connect(f"file:{simulator}?mode=ro", uri=True)) as database:
        for (content,) in database.execute(
            "SELECT content FROM said UNION ALL SELECT content FROM inbox"
        ):
            yield from _fields(Message.FromString(content))


def _fields(message: Any) -> Iterator[str | bytes]:
    for field, value in message.ListFields():
        for each in value if field.is_repeated else (value,):
            if field.message_type is not None:
                yield from _fields(each)
            elif isinstance(each, bytes) or field.name == "direct_path":
                yield each
