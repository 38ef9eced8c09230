"""Downloads and decrypts media, or decrypts a poll vote, that a simulated person received; returns fields for inboxes."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from simulator.contacts import message_content, message_secrets
from simulator.wire.proto_schema import Message

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.store import Store


class SealedContent:
    """Decrypts media with the keys of the message, and votes with those of their poll."""

    def __init__(self, store: Store, people: People, media: MediaStore) -> None:
        self._store = store
        self._people = people
        self._media = media

    def inbox_item(self, message: Any, sender: str) -> dict[str, Any]:
        """Returns the content of a message as an inbox keeps it; `kind` is None where no chat shows the message."""
        kind, text, fields = message_content.described(message)
        return {
            "kind": kind,
            "text": text,
            "fields": fields | self.opened(message, sender),
            "content": message.SerializeToString(),
        }

    def opened(self, message: Any, sender: str) -> dict[str, Any]:
        """Returns the fields that the inbox shows of it; none when the message refers to nothing."""
        message = message_content.unwrapped(message)
        media = message_content.media_in(message)
        if media is not None:
            return self._media.read(*media)
        if not message.HasField("poll_update_message"):
            return {}
        update = message.poll_update_message
        found = self._store.row(
            "SELECT number AS author, content FROM said WHERE id = ?1"
            " UNION ALL SELECT sender, content FROM inbox WHERE id = ?1",
            update.poll_creation_message_key.id,
        )
        poll = None if found is None else Message.FromString(bytes(found["content"]))
        question = None if poll is None else message_content.poll_in(poll)
        if found is None or poll is None or question is None:
            return {"options": None}
        options = [option.option_name for option in question.options]
        people = self._people
        for author, voter in itertools.product(
            people.named(found["author"]).addresses(), people.named(sender).addresses()
        ):
            ballot = message_secrets.AddOn(
                message_secrets.VOTE, update.poll_creation_message_key.id, author, voter
            )
            secret = poll.message_context_info.message_secret
            plaintext = ballot.opened(secret, update.vote.enc_payload, update.vote.enc_iv)
            if plaintext is not None:
                return {"options": message_secrets.chosen(plaintext, options)}
        return {"options": None}
