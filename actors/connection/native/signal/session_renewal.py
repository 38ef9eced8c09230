"""Retires keys and prekey ids of a restored, possibly outdated session, so that none is used a second time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from actors.connection.native.signal.device_sessions import new_signed_prekey

if TYPE_CHECKING:
    from actors.connection.session.session import Session

SKIPPED: Final = 65_536
"""Prekey ids that are left out: more than any session gave away between two backups."""

SKIPPED_ARRIVALS: Final = 65_536
"""Places in the order of arrival that are left out: those of what only the lost file had."""

SKIPPED_SIGNED: Final = 64
"""The same of signed prekeys, of which there is one a week."""


async def renew(session: Session) -> None:
    """See that no key is used a second time, and that both directions of every chat go on.

    The session that was lost may have sent on each ratchet and given away any prekey. So each
    ratchet only decrypts from now on, also one of a first message that was on its way meanwhile, which the lost
    session may have answered; the next message to a device sets up a fresh one. No id
    of a prekey comes again with another key. The server holds what it was last given, sees another
    signed prekey at the next login, and is given fresh ones of both. A message under keys
    that are gone is requested again. One that arrives now is behind those that the lost file had stored, also
    where WhatsApp's times, which are whole seconds, do not distinguish them.
    """
    async with session.transaction():
        session.keys.spend_ratchets()
        session.keys.skip_prekeys(SKIPPED)
        session.inbox.skip_arrivals(SKIPPED_ARRIVALS)
        session.identities.forget_all_devices()
        session.groups.drop_own_sender_keys()
        session.groups.forget_all_members()
        own = session.credentials.read()
        if own is not None:
            fresh = new_signed_prekey(own.identity_private, own.signed_prekey.id + SKIPPED_SIGNED)
            session.credentials.save(replace(own, signed_prekey=fresh))
