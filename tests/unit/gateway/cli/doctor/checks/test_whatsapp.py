"""The doctor's check of the announced version."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors.config.sources import resolve_settings
from actors.connection.whatsapp_version import BUILT_IN, VERSION_FILE, VersionRecord
from gateway.cli.doctor.checks.whatsapp import whatsapp
from tests.whatsapp_page import PAGE, serving

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("chosen", "page", "result", "words"),
    [
        (None, PAGE, "ok", ["2.3000.1999999999, as WhatsApp's page says"]),
        (
            None,
            b"",
            "warn",
            [f"names none (HTTPError); {BUILT_IN} is announced", "a proxy in between"],
        ),
        ("2.3000.7", PAGE, "ok", ["2.3000.7, set by WHATSAPP_VERSION"]),
        ("2.3000.8", PAGE, "warn", ["accepts it until 2033-05-18T03:33:20Z", "or to nothing"]),
    ],
)
async def test_the_version_that_is_announced(
    tmp_path: Path, chosen: str | None, page: bytes, result: str, words: list[str]
) -> None:
    (tmp_path / VERSION_FILE).write_text(VersionRecord(ends={"2.3000.8": 2e9}).to_json())
    with serving(sw=page) as server:
        settings = resolve_settings(data=tmp_path, whatsapp_url=server.url, whatsapp_version=chosen)
        findings = {each.check: each for each in await whatsapp(settings)}
    seen = findings["whatsapp version"]
    assert seen.result == result
    assert all(each in f"{seen.found}; {seen.do}" for each in words), seen
    assert findings["whatsapp"].result == "ok"
