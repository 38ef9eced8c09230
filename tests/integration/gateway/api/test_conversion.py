"""Sends of voice notes and videos of other formats: accepted at once with ffmpeg on the host, refused without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.gateway.api.connections.test_account import here
from tests.integration.gateway.files import ANA, code, send, unlike, upload
from tests.media_samples import film, needs_ffmpeg, voice_note

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.gateway.served import Api, Gateway


@needs_ffmpeg
@pytest.mark.parametrize(
    ("kind", "mime", "more"),
    [("audio", "audio/mpeg", {"voice": True}), ("video", "video/webm", {})],
)
def test_a_file_of_another_format_is_accepted_as_it_was_given(
    api: Api, kind: str, mime: str, more: dict[str, Any]
) -> None:
    told = upload(api, unlike(), mime)
    key = {"Idempotency-Key": told["sha256"]}
    first, again = (
        send(api, {"sha256": told["sha256"]}, kind, headers=key, **more) for _ in range(2)
    )
    assert first.status_code == again.status_code == 202, first.text
    assert first.json()["id"] == again.json()["id"]
    media = api.get(f"/api/messages/{first.json()['id']}").json()["media"]
    assert (media["sha256"], media["mime"]) == (told["sha256"], mime)


async def test_without_ffmpeg_the_refusal_says_what_is_missing(
    gateway: Gateway, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases: tuple[tuple[str, dict[str, bool], bytes, bytes, str], ...] = (
        ("audio", {"voice": True}, unlike(), voice_note(), "Opus in Ogg"),
        ("video", {}, film(codec=b"hvc1"), film(), "H.264"),
    )
    async with here(gateway) as client:

        async def sent(kind: str, content: bytes, more: dict[str, bool]) -> Any:
            media = {"sha256": upload(api, content, f"{kind}/x")["sha256"]}
            body = {"connection": "shop", "to": ANA, "type": kind, "media": media, **more}
            return await client.post("/api/messages", json=body)

        monkeypatch.setenv("PATH", str(tmp_path))
        for kind, more, other, played, format_ in cases:
            before = (await client.get("/api/queue")).json()
            refused = await sent(kind, other, more)
            assert code(refused) == (422, "conversion_unavailable")
            assert "ffmpeg" in refused.json()["detail"]
            assert format_ in refused.json()["detail"]
            assert (await client.get("/api/queue")).json() == before
            assert (await sent(kind, played, more)).status_code == 202
        # As a file of sound it goes as it is.
        assert (await sent("audio", unlike(), {})).status_code == 202


@needs_ffmpeg
async def test_a_forward_of_an_own_file_is_refused_likewise(
    gateway: Gateway, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with here(gateway) as client:
        ids = []
        for content in (film(), unlike()):
            told = upload(api, content, "video/x")
            ids.append(send(api, {"sha256": told["sha256"]}, "video").json()["id"])
        monkeypatch.setenv("PATH", str(tmp_path))
        played, other = [
            await client.post(f"/api/messages/{id_}/forward", json={"to": ANA}) for id_ in ids
        ]
        assert played.status_code == 202, played.text
        assert code(other) == (422, "conversion_unavailable")
