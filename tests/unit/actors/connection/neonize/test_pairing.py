"""What whatsmeow shows of a device that is not linked, and what it says where it has no code."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from actors.connection.engine import NotConnected, SendError
from actors.connection.native.identities.addresses import Address
from actors.connection.neonize.pairing import FIRST_QR, NEXT_QR, Linking, error_of

if TYPE_CHECKING:
    from actors.connection.neonize.client import Client

PHONE = Address.parse("15550100001@s.whatsapp.net")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("info query returned status 429: rate-overlimit", "pairing_code_limited"),
        ("info query returned status 400: bad-request", "pairing_code_refused"),
        ("phone number too short", "pairing_code_refused"),
        ("", "pairing_code_refused"),
        ("whatever 15550100429", "pairing_code_refused"),
        ("info query timed out", "not_connected"),
        ("failed to send IQ: websocket not connected", "not_connected"),
        ("websocket disconnected before info query returned response", "not_connected"),
    ],
)
def test_an_error_is_a_code(said: str, code: str) -> None:
    """G10: none of the words gets out, for they may name the phone."""
    error = error_of(said)
    assert (error.code, str(error)) == (code, code)
    assert isinstance(error, NotConnected) is (code == "not_connected")


class Go:
    """A client that answers with this code, or with this error."""

    def __init__(self, code: str = "", error: str = "") -> None:
        self.asked: list[Any] = []
        self._reply = SimpleNamespace(Code=code, Error=error)

    async def answer(self, function: str, *arguments: Any) -> Any:
        self.asked.append((function, *arguments))
        return self._reply

    @property
    def classes(self) -> Any:
        """As neonize's, but that nothing is serialized."""

        def params(**given: Any) -> Any:
            return SimpleNamespace(SerializeToString=lambda: tuple(given.items()))

        reply = SimpleNamespace(FromString=lambda answered: answered)
        return SimpleNamespace(PairPhoneParams=params, PairPhoneReturnFunction=reply)


async def test_a_code_lasts_as_long_as_the_qrs_of_its_client() -> None:
    go = Go(code="K7RM-2V9D")
    linking = Linking(go.classes)
    first, second = linking.qr("2@a"), linking.qr("2@b")
    assert round(first.expires_at - second.expires_at) == FIRST_QR - NEXT_QR
    code = await linking.code(lambda: cast("Client", go), PHONE, lambda: None)
    assert code.text == "K7RM-2V9D"
    assert 155 < code.expires_at - time.time() <= 160
    ((function, wanted, _),) = go.asked
    assert function == "PairPhone"
    assert dict(wanted) == {
        "phone": "15550100001",
        "showPushNotification": True,
        "clientType": 1,
        "clientDisplayName": "Chrome (Linux)",
    }


async def test_without_a_code_the_error_is_told() -> None:
    go = Go(error="info query returned status 429: rate-overlimit")
    linking = Linking(go.classes)
    linking.qr("2@a")
    with pytest.raises(SendError, match="pairing_code_limited"):
        await linking.code(lambda: cast("Client", go), PHONE, lambda: None)


async def test_a_client_that_was_closed_gives_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.connection.pairing_window.WITHIN", 0.05)
    go = Go(code="K7RM-2V9D")
    linking = Linking(go.classes)
    linking.qr("2@a")
    linking.begin()
    with pytest.raises(NotConnected):
        await linking.code(lambda: cast("Client", go), PHONE, lambda: None)
    linking.qr("2@b")
    with pytest.raises(NotConnected):
        await linking.code(lambda: None, PHONE, lambda: None)
