"""Builds the plaintext of an outgoing message, and finds the secret and the author of the poll that it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.engine import SendError
from actors.connection.protocol.message_size import MAX_MESSAGE
from actors.connection.protocol.send.to_proto import write
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.messages.content import Poll, PollVote

if TYPE_CHECKING:
    from actors.connection.engine import SendRequest
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.send.to_proto import Place
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session
    from actors.messages.content import Content


def plaintext(outgoing: SendRequest, place: Place, upload: Upload | None) -> bytes:
    """The message, not padded. Raises `SendError`."""
    message = write(outgoing.content, place, upload)
    if len(message) > MAX_MESSAGE:
        raise SendError("too_large", permanent=True)
    return message


def poll_secret(content: Content) -> MessageSecret | None:
    """The secret under which votes will come, where it is a poll."""
    if not isinstance(content, Poll) or content.secret is None:
        return None
    return MessageSecret(bytes.fromhex(content.secret), content.options)


def poll_author(session: Session, chat: Address, account: Address, content: Content) -> str | None:
    """The address by which the poll that is voted in names its author, where that is known."""
    if not isinstance(content, PollVote):
        return None
    return session.secrets.poll_author(
        str(chat),
        session.names.chat_today(content.target.sender or str(account)),
        content.target.message_id,
    )
