from __future__ import annotations

import pytest

from actors.connection.engine import NotConnected
from actors.connection.neonize.send_errors import error_of


@pytest.mark.parametrize(
    ("said", "code", "permanent", "uncertain"),
    [
        ("server returned error 463", "reach_out_refused", True, False),
        ("server returned error 500", "refused_500", False, False),
        ("server returned error 404", "refused_404", True, False),
        ("timed out waiting for message send response", "ack_timeout", False, True),
        ("no LID found for 15550100002 from server", "not_on_whatsapp", True, False),
        ("failed to get device list: info query timed out", "whatsapp_timeout", False, False),
        ("failed to get user info for 15550100002: x", "request_failed", False, False),
        ("message send was interrupted: websocket disconnected", "connection_lost", False, True),
        ("whatever 15550100002", "whatsmeow_failed", False, True),
    ],
)
def test_an_error_is_a_code(said: str, code: str, permanent: bool, uncertain: bool) -> None:
    """G10: none of the words gets out, for they may name the recipient."""
    error = error_of(said)
    assert (error.code, error.permanent, error.uncertain) == (code, permanent, uncertain)
    assert str(error) == code


def test_what_never_left_is_no_attempt() -> None:
    assert isinstance(error_of("websocket not connected"), NotConnected)
