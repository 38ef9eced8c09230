"""Defines outgoing messages to a person or a group before encryption, and builds their plaintext and poll secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from actors.connection.engine import SendError
from actors.connection.native.send.to_proto import write
from actors.connection.session.messages.message_secrets import MessageSecret
from actors.messages.content import Poll, PollVote

if TYPE_CHECKING:
    from actors.connection.engine import Outgoing
    from actors.connection.native.identities.addresses import Address
    from actors.connection.native.identities.group_members import GroupMembers
    from actors.connection.native.identities.recipient_devices import Everyone
    from actors.connection.native.identities.routes import Route
    from actors.connection.native.send.to_proto import Dress, Place
    from actors.connection.session.files.uploads import Upload
    from actors.connection.session.session import Session
    from actors.messages.content import Content

MAX_MESSAGE: Final = 512 * 1024
"""Bytes of one message; WhatsApp's own clients cut a text far below."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A message to a chat, not padded, under the caller's id `number`.

    `chat` is a canonical address. `poll` is what the votes will be read with, where it is one.
    """

    number: str
    chat: Address
    message: bytes
    dress: Dress
    poll: MessageSecret | None


@dataclass(frozen=True, slots=True)
class DirectLetter(Letter):
    """A message to a person, and its copy for the account's own devices.

    `route` has the addresses of the stanza, `everyone` the devices that it is for. `missed`: they are devices
    that the message did not reach when it was sent.
    """

    copy: bytes
    route: Route
    everyone: Everyone
    missed: bool = False


@dataclass(frozen=True, slots=True)
class GroupLetter(Letter):
    """A message to a group for these persons and devices, the account's own devices among them.

    `own` is this device, as the group names it.
    """

    roster: GroupMembers
    people: tuple[Address, ...]
    devices: tuple[Address, ...]
    own: Address


def plaintext(outgoing: Outgoing, place: Place, upload: Upload | None) -> bytes:
    """The message, not padded. Raises `SendError`."""
    message = write(outgoing.content, place, upload)
    if len(message) > MAX_MESSAGE:
        raise SendError("too_large", permanent=True)
    return message


def poll_secret(said: Content) -> MessageSecret | None:
    """The secret under which votes will come, where it is a poll."""
    if not isinstance(said, Poll) or said.secret is None:
        return None
    return MessageSecret(bytes.fromhex(said.secret), said.options)


def poll_author(session: Session, chat: Address, account: Address, said: Content) -> str | None:
    """The address by which the poll that is voted in names its author, where that is known."""
    if not isinstance(said, PollVote):
        return None
    return session.secrets.poll_author(
        str(chat),
        session.names.chat_today(said.target.sender or str(account)),
        said.target.message_id,
    )
