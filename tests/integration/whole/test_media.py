"""Files both ways through all of it: API, queue, engine, WhatsApp's media servers, and back."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.whole.shop import ACCOUNT, CONTACT
from tests.waiting import until

if TYPE_CHECKING:
    from tests.instance import Instance

pytestmark = [pytest.mark.timeout(240), pytest.mark.usefixtures("is_open")]


def test_a_file_that_is_uploaded_reaches_the_contact(instance: Instance) -> None:
    content = os.urandom(300_000)
    uploaded = instance.api.post(
        "/api/media", content=content, headers={"Content-Type": "application/pdf"}
    )
    assert uploaded.status_code == 201, uploaded.text
    body = {
        "connection": "shop",
        "to": CONTACT,
        "type": "document",
        "media": {"sha256": uploaded.json()["sha256"]},
        "caption": "for you",
        "name": "offer.pdf",
    }
    answer = instance.api.post("/api/messages?wait=20", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] in {"sent", "delivered", "read"}, answer.text

    def look() -> dict[str, Any] | None:
        inbox = instance.inbox(CONTACT)
        return next((one for one in inbox if one["id"] == answer.json()["message_id"]), None)

    got = until("it arrived", look, 15)
    assert got["type"] == "document"
    assert got["content"]["media"] == "ok"
    assert got["content"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert got["content"]["mimetype"] == "application/pdf"


def test_a_file_that_a_contact_sends_can_be_fetched(instance: Instance) -> None:
    content = os.urandom(300_000)
    said = instance.simulator.post(
        f"/contacts/{CONTACT}/say",
        json={
            "to": ACCOUNT,
            "type": "image",
            "data": base64.b64encode(content).decode(),
            "mimetype": "image/png",
        },
    )
    assert said.status_code < 300, said.text

    def look() -> dict[str, Any] | None:
        listed = instance.messages(connection="shop")
        found = next((one for one in listed if one["message_id"] == said.json()["id"]), None)
        return found if found and found["media"] and found["media"]["state"] == "stored" else None

    message = until("its file is here", look, 20)
    assert message["media"]["sha256"] == hashlib.sha256(content).hexdigest()
    answer = instance.api.get(message["media"]["url"])
    assert answer.content == content
    assert answer.headers["content-type"] == "image/png"
