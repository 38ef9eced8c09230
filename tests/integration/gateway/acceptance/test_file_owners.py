"""G12: the SHA-256 of another tenant's file neither sends it nor shows that it is there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from actors.messages.content import Document as Paper
from actors.messages.content import File, encode
from actors.runtime import actor_base
from actors.state.actor import StateManager
from tests.integration.gateway.api.keys.test_access import made
from tests.integration.gateway.files import code, send, unlike, upload
from tests.integration.gateway.served import OTHER, SHOP, Gateway

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api


@pytest.fixture
def tenants(own_gateway: Gateway) -> Iterator[tuple[Api, Api]]:
    """The key of ``shop`` and that of ``other``, which may do all but reach the other one."""
    own_gateway.connect(OTHER)
    with (
        made(own_gateway, ["send", "read"], ["shop"]) as shop,
        made(own_gateway, ["send", "read"], ["other"]) as other,
    ):
        yield shop, other


def test_an_upload_is_its_tenants_own(own_gateway: Gateway, tenants: tuple[Api, Api]) -> None:
    shop, other = tenants
    media = {"sha256": upload(shop, unlike())["sha256"]}
    refused = send(other, media, connection="other")
    nothing = send(other, {"sha256": "0" * 64}, connection="other")
    assert code(refused) == code(nothing) == (404, "unknown_media")
    assert refused.json()["detail"] == nothing.json()["detail"]
    assert send(shop, media).status_code == 202
    assert send(own_gateway.api, media, connection="other").status_code == 202, "a key for all"
    key = {"Idempotency-Key": "order-1"}
    first = send(shop, media, headers=key)
    assert send(shop, media, headers=key).json() == first.json()
    with made(own_gateway, ["send"], ["shop"]) as second:
        assert send(second, media).status_code == 202, "another key of the same tenant"


def test_each_tenant_calls_it_what_it_likes(own_gateway: Gateway, tenants: tuple[Api, Api]) -> None:
    """The bytes are stored once; another tenant's name for them is shown to nobody, and decides nothing."""
    shop, other = tenants
    content = unlike()
    told = upload(shop, content, name="Offer for nobody.png")
    media = {"sha256": told["sha256"]}
    upload(other, content, "application/pdf", name="other.pdf")

    def name(api: Api, connection: str) -> str | None:
        sent = send(api, media, "document", connection=connection)
        found = api.get(f"/api/messages/{sent.json()['id']}").json()["media"]
        return f"{found['name']} {found['mime']}"

    assert name(other, "other") == "other.pdf application/pdf"
    assert name(shop, "shop") == "Offer for nobody.png image/png"
    assert send(shop, media).status_code == 202, "it is an image to its tenant"


async def test_what_arrived_is_its_connections_own(
    own_gateway: Gateway, tenants: tuple[Api, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actor_base, "log_to", lambda *_: None)  # this process has a log of its own
    shop, other = tenants
    told = upload(own_gateway.api, unlike())
    media = {"sha256": told["sha256"]}
    assert code(send(shop, media)) == (404, "unknown_media")
    state = StateManager(str(own_gateway.data), "state")
    chat = "15550100002@s.whatsapp.net"
    content = encode(Paper(File(told["sha256"], told["size"], "image/png")))
    item = {"key": 1, "chat": chat, "sender": chat, "message_id": "3EB0", "type": "document"}
    item |= {"at": time.time(), "text": None, "content": content}
    try:
        assert await state.store_messages(SHOP, 1, [item])
    finally:
        await state._stop()
    assert send(shop, media).status_code == 202
    assert code(send(other, media, connection="other")) == (404, "unknown_media")
