"""Challenges of passkeys, as a browser parses them."""

from __future__ import annotations

import json

from actors.connection.abilities.port import Passkey


def test_fields_that_whatsapp_left_out_are_left_out() -> None:
    """WebAuthn's `parseRequestOptionsFromJSON` takes no null where a list belongs."""
    options = {
        "challenge": "AAEC",
        "timeout": 0,
        "rpId": "",
        "allowCredentials": [{"id": "AAEC", "type": "public-key", "transports": None}],
        "extensions": None,
    }
    assert json.loads(Passkey.challenge(options, 1.0).text) == {
        "options": {
            "challenge": "AAEC",
            "timeout": 0,
            "allowCredentials": [{"id": "AAEC", "type": "public-key"}],
        }
    }
    assert json.loads(Passkey.challenge({"allowCredentials": None}, 1.0).text) == {"options": {}}
