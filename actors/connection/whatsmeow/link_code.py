"""The code that links the device in place of a QR, asked for by way of the program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.connection.engine import NotConnected, PairingCode, SendError
from actors.connection.native.identities.addresses import Address
from actors.connection.whatsmeow.program.pipe import PipeLost, PipeTimeout, Refused

if TYPE_CHECKING:
    from actors.connection.whatsmeow.program.pipe import Pipe

_NOT_ASKED: Final = frozenset({"not_connected", "disconnected", "timeout"})
_LIMITED: Final = 429


async def link_code(pipe: Pipe, phone: str, seconds: float) -> PairingCode:
    """A code for that phone, which serves for so many seconds. Raises `NotConnected` or `SendError`."""
    try:
        answer = await pipe.request("code", phone=Address.parse(phone).user)
    except (PipeLost, PipeTimeout):
        raise NotConnected from None
    except Refused as error:
        if error.code in _NOT_ASKED:
            raise NotConnected from None
        limited = error.number == _LIMITED
        raise SendError("pairing_code_limited" if limited else "pairing_code_refused") from None
    return PairingCode(str(answer.header["code"]), time.time() + seconds)
