"""Converts failed sends to `SendError`."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from actors.connection.engine import NotConnected, SendError
from actors.connection.limits.account_limits import NEW_CHATS_CAPPED
from actors.connection.protocol.identities.group_members import NotInGroup, UnknownGroup
from actors.connection.protocol.request_errors import (
    ConnectionLost,
    NotOnWhatsApp,
    OtherNumber,
    RequestFailed,
    RequestTimeout,
)
from actors.connection.protocol.session_transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.connection.protocol.identities.addresses import Address
    from actors.connection.protocol.session_transactions import SessionLink
    from actors.connection.session.session import Session


@contextmanager
def send_errors() -> Iterator[None]:
    """Turns failures before the message left into a `SendError`."""
    try:
        yield
    except OtherNumber:
        raise NotConnected from None  # earlier messages of that number's chat leave first (G4)
    except NotOnWhatsApp:
        raise SendError("not_on_whatsapp", permanent=True) from None
    except NotInGroup:
        raise SendError("not_in_group", permanent=True) from None
    except UnknownGroup:
        raise SendError("unknown_group", permanent=True) from None
    except RequestTimeout:
        raise SendError("whatsapp_timeout") from None
    except RequestFailed as failed:
        raise SendError(f"request_failed_{failed.code}") from None
    except ConnectionLost as lost:
        if lost.written:
            raise SendError("connection_lost", uncertain=True) from None
        raise NotConnected from None


async def forget_begun(
    session: Session, link: SessionLink, chat: Address, message_id: str, refused: SendError
) -> None:
    """Forget that the account began the chat, where WhatsApp refused the message that did."""
    began = session.outreach.begun_by(str(chat))
    if began is None or (began != message_id and refused.code != NEW_CHATS_CAPPED):
        return
    with suppress(ConnectionLost):  # the next refusal by the cap says it again
        async with transaction(session, link):
            session.outreach.forget_begun(str(chat))
