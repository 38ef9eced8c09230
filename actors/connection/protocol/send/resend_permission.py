"""Decides whether a device that could not decrypt a sent message may be sent it again (G10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import GROUP

if TYPE_CHECKING:
    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session


def may_read_again(
    session: Session, people: LidMapping, *, chat: Address, device: Address, message_id: str
) -> bool:
    """Return whether the device is the account's own, or of a person whom the message was for.

    A group's message was for the members that the account knew when it was sent.
    """
    if people.is_account(device):
        return True
    person = people.canonical(device)
    if chat.server != GROUP:
        return person == people.canonical(chat)
    return session.groups.was_for(str(chat), message_id, str(person))
