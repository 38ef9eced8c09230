"""Stores message secrets, and edits that precede them, in the session file; puts an edit into the inbox once it opens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from actors.connection.protocol.identities.addresses import Address
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.from_proto import Forged, content_of, unsealed
from actors.connection.protocol.receive.messages.message_context import scene_of
from actors.connection.session.messages.sealed_edits import SealedEdit
from actors.connection.session.received.inbox import UNDECRYPTABLE_ROW
from actors.messages.content import Edit, encode

if TYPE_CHECKING:
    from typing import Literal

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.receive.message_source import MessageKey
    from actors.connection.protocol.receive.wrappers import Received
    from actors.connection.session.session import Session
    from actors.messages.content import Content


class OpenedEdit(NamedTuple):
    """An edit in the inbox, in place of its placeholder: the keys of both items, None where it is stored."""

    placeholder: int | None
    edit: int | None


class EditOpener:
    """Opens each edit in the transaction that brings its secret, in whatever order they come (G5).

    One without a known secret is kept with its placeholder (`session/messages/sealed_edits.py`). After a
    crash either the secret and the edit are there, or its message comes again. Where the message came by
    another address of its sender, the transaction is the one that joins both.
    """

    def __init__(self, session: Session, people: LidMapping) -> None:
        self._session = session
        self._people = people
        self._joined: list[OpenedEdit] = []

    def store(
        self,
        key: MessageKey,
        found: Received,
        plaintext: bytes,
        *,
        at: int,
        from_me: bool,
        push_name: str | None,
        source: Literal["live", "offline", "history"],
    ) -> None:
        """Keep a message whose edit could not be opened, and no other."""
        if found.type == UNDECRYPTABLE_ROW and found.part == wrappers.SEALED:
            target = found.message.secretEncryptedMessage.targetMessageKey.id
            self._session.sealed_edits.add(
                SealedEdit(*key, target, at, from_me, push_name, source, plaintext)
            )

    def learn(
        self, key: MessageKey, content: Content, secret: bytes | None, author: str | None = None
    ) -> list[OpenedEdit]:
        """Note the secret that came with a message, as `MessageSecrets.learn`, and open what waits for it."""
        self._session.secrets.learn(*key, content=content, secret=secret, author=author)
        if secret is None:
            return []
        target = content.target.message_id if isinstance(content, Edit) else key.message_id
        return self._open_all(key.chat, key.sender, target)

    def look_again(self, person: str) -> None:
        """Open edits of a person whose addresses became one; inside the transaction that joins them."""
        for waits in self._session.sealed_edits.edited_by(person):
            self._joined += self._open_all(*waits)

    def take_joined(self) -> list[OpenedEdit]:
        """The edits that `look_again` opened since the last call."""
        joined, self._joined = self._joined, []
        return joined

    def _open_all(self, chat: str, sender: str, target: str) -> list[OpenedEdit]:
        opened: list[OpenedEdit] = []
        # An edit may bring the secret of one that came before it.
        while one := self._next(chat, sender, target):
            opened.append(one)
        return opened

    def _next(self, chat: str, sender: str, target: str) -> OpenedEdit | None:
        for edit in self._session.sealed_edits.of_message(chat, sender, target):
            if (opened := self._open(edit)) is not None:
                return opened
        return None

    def _open(self, edit: SealedEdit) -> OpenedEdit | None:
        """Put the edit in the inbox; None where nothing opens it, or it is there already."""
        received = wrappers.read(edit.plaintext)
        chat, sender = Address.parse(edit.chat), Address.parse(edit.sender)
        scene = scene_of(self._session, self._people, chat, sender)
        try:
            found = None if received is None else unsealed(received, scene)
            if found is None or found.type == UNDECRYPTABLE_ROW:
                return None
            content = content_of(found, scene)
        except Forged:
            self._session.inbox.bury(chat=edit.chat, sender=edit.sender, message_id=edit.message_id)
            self._session.sealed_edits.forget(edit)
            return None
        self._session.sealed_edits.forget(edit)
        placeholder = self._session.refused.unsettled(*edit[:3])
        added = self._session.inbox.add(
            chat=edit.chat,
            sender=edit.sender,
            message_id=edit.message_id,
            at=edit.at,
            type=content.type,
            text=None,
            from_me=edit.from_me,
            push_name=edit.push_name,
            source=edit.source,
            body=edit.plaintext,
            content=encode(content),
        )
        self._session.secrets.learn(*edit[:3], content=content, secret=found.secret)
        return (
            OpenedEdit(placeholder, self._session.refused.unsettled(*edit[:3])) if added else None
        )
