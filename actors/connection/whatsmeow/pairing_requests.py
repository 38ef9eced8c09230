"""Requests pairing codes from the whatsmeow program, and passes on users' passkey assertions and confirmations."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from actors.connection.engine import NotConnected, PairingCode, SendError
from actors.connection.protocol.identities.addresses import Address
from actors.connection.whatsmeow.program.pipe import PipeLost, PipeTimeout, ProgramError

if TYPE_CHECKING:
    from actors.connection.whatsmeow.program.pipe import Pipe

_UNSENT: Final = frozenset({"not_connected", "disconnected", "timeout"})
_LIMITED: Final = 429


async def link_code(pipe: Pipe, phone: str, seconds: float) -> PairingCode:
    """A code for that phone, which serves for so many seconds. Raises `NotConnected` or `SendError`."""
    try:
        answer = await pipe.request("code", phone=Address.parse(phone).user)
    except (PipeLost, PipeTimeout):
        raise NotConnected from None
    except ProgramError as error:
        if error.code in _UNSENT:
            raise NotConnected from None
        limited = error.number == _LIMITED
        raise SendError("pairing_code_limited" if limited else "pairing_code_refused") from None
    return PairingCode(str(answer.header["code"]), time.time() + seconds)


async def assert_passkey(pipe: Pipe, assertion: str) -> None:
    """Answer the challenge with an assertion. Raises `NotConnected` or `SendError`."""
    await _passkey(pipe, "passkey_assertion", assertion.encode())


async def confirm_passkey(pipe: Pipe) -> None:
    """Say that the phone shows the same code. Raises `NotConnected` or `SendError`."""
    await _passkey(pipe, "passkey_confirm", b"")


async def _passkey(pipe: Pipe, do: str, body: bytes) -> None:
    try:
        await pipe.request(do, body=body)
    except (PipeLost, PipeTimeout):
        raise NotConnected from None
    except ProgramError as error:
        if error.code in _UNSENT:
            raise NotConnected from None
        no_challenge = error.code == "no_passkey_challenge"
        raise SendError(error.code if no_challenge else "passkey_refused", permanent=True) from None
