"""A form of the console that is refused says the rule and an example, in the words of the API."""

from __future__ import annotations

from html import unescape
from typing import TYPE_CHECKING

import pytest

from tests.integration.gateway.person import Person
from tests.integration.gateway.served import KEY, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PLACE = "/console/connections/shop"
ANA = "/console/conversations/shop/15550100002@s.whatsapp.net"
HOOK = {"url": "https://example.com/hook"}
WRONG = "h0sh"


@pytest.fixture(scope="module")
def admin(gateway: Gateway) -> Iterator[Person]:
    with Person(gateway, KEY) as person:
        yield person


@pytest.mark.parametrize(
    ("address", "fields", "example"),
    [
        ("/console/connections", {"id": f"My {WRONG}"}, "as in shop-2"),
        ("/console/connections", {"id": "a", "proxy": WRONG}, "as in socks5://shop:"),
        (f"{PLACE}/settings", {"setting": "proxy", "proxy": WRONG}, "as in socks5://shop:"),
        (f"{PLACE}/settings", {"setting": "calls", "reject_calls_text": f"{WRONG}\x07"}, "in hi"),
        (f"{PLACE}/pairing-code", {"phone": WRONG}, "as in 15550100002"),
        ("/console/api-keys", {"name": "", "scope.read": "true"}, "as in checkout"),
        ("/console/api-keys", {"name": WRONG}, 'as in ["send", "read"]'),
        (
            "/console/api-keys",
            {"name": WRONG, "scope.read": "true", "connections": f"{WRONG}!"},
            "as in shop-2",
        ),
        ("/console/webhooks", {"url": WRONG}, "as in https://example.com/teimoso"),
        ("/console/webhooks", {**HOOK, "headers": WRONG}, "as in Authorization: Bearer s3cret"),
        ("/console/webhooks", {**HOOK, "wait": "true", "media_wait": WRONG}, "as in 30"),
        (f"{ANA}/forward", {"message": "shop.3EB0" + "0" * 18, "to": WRONG}, "as in 15550100002"),
        (ANA, {"text": f"{WRONG}\x07"}, "as in hi"),
    ],
)
def test_a_refusal_has_the_rule_and_an_example(
    admin: Person, address: str, fields: Mapping[str, str], example: str
) -> None:
    refused = admin.submit(address, **fields)
    assert refused.status_code == 422, refused.text
    notice = unescape(refused.text.partition('role="alert"')[2].partition("</div>")[0])
    assert example in notice
    assert "Input should" not in notice
    assert WRONG not in notice


def test_a_number_to_write_to_that_is_wrong_has_an_example(admin: Person) -> None:
    refused = admin.get("/console/conversations/shop", params={"to": WRONG})
    assert refused.status_code == 422
    assert "as in 15550100002" in refused.text
    assert f'value="{WRONG}"' in refused.text
