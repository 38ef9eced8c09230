"""Files of a gateway, for tests: uploads, downloads, and the directory."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import httpx

    from tests.integration.gateway.served import Api, Gateway

ANA = "15550100002"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40


def unlike() -> bytes:
    """A file that no other test has."""
    return PNG + os.urandom(16)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def upload(api: Api, content: bytes, mime: str = "image/png", **query: str) -> dict[str, Any]:
    answer = api.post("/api/media", content=content, headers={"Content-Type": mime}, params=query)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.json()
    return told


def send(api: Api, media: dict[str, str], kind: str = "image", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = {"connection": "shop", "to": ANA, "type": kind, "media": media, **more}
    return api.post("/api/messages", json=body, headers=headers)


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def kept(gateway: Gateway) -> set[str]:
    """Returns the names of all stored files, halves included."""
    return {each.name for each in gateway.settings.media.rglob("*") if each.is_file()}


def reserve(gateway: Gateway, size: int) -> None:
    """Set DISK_RESERVE while the gateway runs, as `teimoso settings set` does."""
    gateway.settings = gateway.settings.model_copy(update={"disk_reserve": size})
    gateway.settings.save()
