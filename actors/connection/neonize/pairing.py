"""QRs and codes of a client that is not linked."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from actors.connection.engine import NotConnected, PairingCode, Qr, SendError
from actors.connection.pairing_window import Offering

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.native.identities.addresses import Address
    from actors.connection.neonize.client import Client

FIRST_QR, NEXT_QR, MORE_QRS = 60.0, 20.0, 5
"""Seconds for which a QR can be scanned, and how many follow the first on one socket."""

_CHROME: Final = 1
_DISPLAY: Final = "Chrome (Linux)"


class Linking:
    """The QRs and the codes of one client after the other; `classes` has those of its answers."""

    def __init__(self, classes: Any) -> None:
        self._classes = classes
        self._offering = Offering()
        self._qrs = 0

    def begin(self) -> None:
        """A client is started, or was closed."""
        self._offering.end()
        self._qrs = 0

    def qr(self, text: str) -> Qr:
        """The next QR of the client."""
        if not self._qrs:
            self._offering.begin(FIRST_QR + MORE_QRS * NEXT_QR)
        life = NEXT_QR if self._qrs else FIRST_QR
        self._qrs += 1
        return Qr(text, time.time() + life)

    async def code(
        self, client: Callable[[], Client | None], phone: Address, renew: Callable[[], None]
    ) -> PairingCode:
        """A new code for that phone; `renew` is to have another `client`. Raises `SendError`."""
        until = await self._offering.left(renew) + time.time()
        if (shows := client()) is None:
            raise NotConnected
        wanted = self._classes.PairPhoneParams(
            phone=phone.user,
            showPushNotification=True,
            clientType=_CHROME,
            clientDisplayName=_DISPLAY,
        ).SerializeToString()
        answered = await shows.answer("PairPhone", wanted, len(wanted))
        reply = self._classes.PairPhoneReturnFunction.FromString(answered)
        if reply.Error or not reply.Code:
            raise error_of(reply.Error)
        return PairingCode(reply.Code, until)


def error_of(said: str) -> SendError:
    """Why there is no code. What is said may name the phone: only a code comes out of it."""
    if "status 429:" in said:
        return SendError("pairing_code_limited")
    if any(sign in said for sign in ("not connected", "disconnected", "timed out")):
        return NotConnected()
    return SendError("pairing_code_refused")
