from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from actors.config.settings import Settings
from gateway import setting_texts


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, "true"),
        (0, "0"),
        (80.0, "80"),
        (0.5, "0.5"),
        ("", ""),
        (Path("/a/b"), "/a/b"),
        (SecretStr("s3cret"), "(set)"),
    ],
)
def test_a_value_is_written_as_a_person_writes_it(value: object, written: str | None) -> None:
    assert setting_texts.written(value) == written


def test_a_default_and_a_text_are_those_of_the_declaration() -> None:
    assert setting_texts.default("RATE_LIMIT") == "120000"
    assert setting_texts.default("WEBHOOK_URL_PRIVATE") == "false"
    assert setting_texts.default("REDIS_PASSWORD") is None
    assert setting_texts.default("MAX_WEBHOOKS") == "202"
    small = Settings.model_validate({"data": "/a", "max_connections": 50})
    assert setting_texts.default("MAX_WEBHOOKS", small) == "102"
    assert "requests" in setting_texts.text("RATE_LIMIT")
    assert setting_texts.plain("see [one](a.md) and [two](b.md#c)") == "see one and two"
