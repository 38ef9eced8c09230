"""Signatures as the library of Standard Webhooks verifies them."""

from __future__ import annotations

import base64
import time

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from gateway.webhooks.requests import signatures

BODY = '{"text": "João"}'.encode()


def signed(*secrets: str, at: int | None = None) -> dict[str, str]:
    now = int(time.time()) if at is None else at
    return dict(signatures.headers(secrets, "evt_1", now, [BODY[:9], BODY[9:]]))


def test_a_secret_is_new_and_long() -> None:
    one, other = signatures.new_secret(), signatures.new_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"))) == 32


def test_the_library_takes_what_was_signed_and_nothing_else() -> None:
    secret = signatures.new_secret()
    headers = signed(secret)
    assert Webhook(secret).verify(BODY, headers) == {"text": "João"}
    for forged in ({"webhook-id": "evt_2"}, {"webhook-timestamp": str(int(time.time()) + 1)}):
        with pytest.raises(WebhookVerificationError):
            Webhook(secret).verify(BODY, headers | forged)
    with pytest.raises(WebhookVerificationError):
        Webhook(secret).verify(BODY + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(signatures.new_secret()).verify(BODY, headers)


def test_each_of_two_secrets_verifies() -> None:
    secrets = [signatures.new_secret(), signatures.new_secret()]
    for secret in secrets:
        assert Webhook(secret).verify(BODY, signed(*secrets))


def test_it_is_what_the_library_signs() -> None:
    secret = signatures.new_secret()
    headers = signed(secret, at=1_764_000_000)
    assert headers["webhook-id"] == "evt_1"
    assert headers["webhook-timestamp"] == "1764000000"
    body = BODY.decode()
    from datetime import UTC, datetime

    moment = datetime.fromtimestamp(1_764_000_000, UTC)
    assert headers["webhook-signature"] == Webhook(secret).sign("evt_1", moment, body)
