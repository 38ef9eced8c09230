"""Builds the context (chat, sender, lookups) in which `from_proto` interprets a decrypted message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.receive.from_proto import Scene

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.session.session import Session


def scene_of(
    session: Session,
    people: LidMapping,
    chat: Address,
    sender: Address,
    *,
    is_admin: Callable[[], bool] = lambda: False,
) -> Scene:
    """The scene of a message that `sender` wrote in `chat`; both are canonical."""
    account = people.account
    return Scene(
        chat=chat,
        sender=sender,
        account=account,
        canonical=people.canonical,
        from_phone=lambda number: session.inbox.arrived(str(chat), str(account), number),
        secret=lambda author, number: session.secrets.find(str(chat), str(author), number),
        names=people.names,
        is_admin=is_admin,
    )
