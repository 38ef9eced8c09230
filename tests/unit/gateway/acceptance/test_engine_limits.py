"""Which engine a connection gets, and why it is refused."""

from __future__ import annotations

from typing import Any

import pytest

from actors.config.settings import InvalidSettings
from actors.config.sources import resolve_settings
from actors.connection import engine
from gateway.acceptance.engine_limits import require_able, usable
from gateway.http.problems import Problem

KEY = "ab" * 32


def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.NEEDS, "whatsmeow", "a_package_that_is_nowhere")


def test_the_setting_decides_where_the_caller_does_not() -> None:
    assert usable(None, resolve_settings()) == "native"
    assert usable("whatsmeow", resolve_settings()) == "whatsmeow"
    assert usable(None, resolve_settings(engine="whatsmeow")) == "whatsmeow"
    assert usable("native", resolve_settings(engine="whatsmeow")) == "native"


def test_one_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without_extra(monkeypatch)
    with pytest.raises(Problem) as refused:
        usable("whatsmeow", resolve_settings())
    assert refused.value.kind.code == "engine_not_installed"
    assert "make whatsmeow" in str(refused.value.detail)
    assert usable("native", resolve_settings()) == "native"


@pytest.mark.parametrize("kept", ["hybrid", "cloud"])
def test_one_that_keeps_no_copies_is_refused_where_they_are_wanted(kept: str) -> None:
    settings = resolve_settings(
        storage_bucket="sessions", session_encryption_key=KEY, session_storage_type=kept
    )
    with pytest.raises(Problem) as refused:
        usable("whatsmeow", settings)
    assert refused.value.kind.code == "engine_keeps_no_copies"
    assert kept in str(refused.value.detail)
    assert usable("native", settings) == "native"


def test_a_start_that_could_serve_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket: Any = {"storage_bucket": "sessions", "session_encryption_key": KEY}
    with pytest.raises(InvalidSettings, match="SESSION_STORAGE_TYPE is not valid: hybrid needs"):
        resolve_settings(engine="whatsmeow", **bucket)
    with pytest.raises(InvalidSettings, match="ENGINE is not valid"):
        resolve_settings(engine="another")
    without_extra(monkeypatch)
    with pytest.raises(InvalidSettings, match="ENGINE is not valid: whatsmeow is not installed"):
        resolve_settings(engine="whatsmeow")


@pytest.mark.parametrize(
    ("kind", "to"), [("image", "15550100002@s.whatsapp.net"), ("text", "120363000000000001@g.us")]
)
def test_what_one_cannot_send_is_refused_at_once(kind: str, to: str) -> None:
    with pytest.raises(Problem) as refused:
        require_able("whatsmeow", kind, to)
    assert refused.value.kind.code == "unsupported_by_engine"
    require_able("native", kind, to)
    require_able("whatsmeow", "text", "15550100002@s.whatsapp.net")
