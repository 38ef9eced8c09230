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
SIMULATED: dict[str, Any] = {"whatsapp_root_key": "cd" * 32}
"""Settings as ``--simulate`` makes them, of which the root key alone decides."""


def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(engine.NEEDS, "neonize", "a_package_that_is_nowhere")


def test_the_setting_decides_where_the_caller_does_not() -> None:
    assert usable(None, resolve_settings(**SIMULATED)) == "native"
    assert usable("neonize", resolve_settings(**SIMULATED)) == "neonize"
    assert usable(None, resolve_settings(engine="neonize", **SIMULATED)) == "neonize"
    assert usable("native", resolve_settings(engine="neonize", **SIMULATED)) == "native"


@pytest.mark.parametrize(
    ("engine", "flags", "allowed", "refused"),
    [
        ("native", {}, False, True),
        (None, {}, False, True),  # ENGINE is native
        ("native", {}, True, False),
        (None, {}, True, False),
        ("neonize", {}, False, False),
        (None, {"engine": "neonize"}, False, False),
        ("native", {"engine": "neonize"}, False, True),
        ("native", SIMULATED, False, False),
        # The key decides: through whatever it is reached, only WhatsApp has its own.
        ("native", {"whatsapp_url": "ws://127.0.0.1:9/ws/chat"}, False, True),
        ("native", {"whatsapp_url": "ws://127.0.0.1:9/ws/chat", **SIMULATED}, False, False),
    ],
)
def test_an_engine_that_never_met_whatsapp_links_no_real_account_unless_allowed(
    engine: str | None, flags: dict[str, Any], allowed: bool, refused: bool
) -> None:
    settings = resolve_settings(**flags)
    if not refused:
        assert usable(engine, settings, allow_unproven=allowed) == (engine or settings.engine)
        return
    with pytest.raises(Problem) as found:
        usable(engine, settings, allow_unproven=allowed)
    assert (found.value.kind.status, found.value.kind.code) == (422, "unproven_engine")
    assert "never WhatsApp itself" in found.value.detail
    assert "Use the engine whatsmeow or neonize" in found.value.detail
    assert "allow_unproven_engine" in found.value.detail
    assert ("ENGINE" in found.value.detail) == (engine is None)


def test_one_that_is_not_installed_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    without_extra(monkeypatch)
    with pytest.raises(Problem) as refused:
        usable("neonize", resolve_settings())
    assert refused.value.kind.code == "engine_not_installed"
    assert "make neonize" in str(refused.value.detail)
    assert usable("native", resolve_settings(**SIMULATED)) == "native"


@pytest.mark.parametrize("kept", ["hybrid", "cloud"])
def test_one_that_keeps_no_copies_is_refused_where_they_are_wanted(kept: str) -> None:
    settings = resolve_settings(
        storage_bucket="sessions",
        session_encryption_key=KEY,
        session_storage_type=kept,
        **SIMULATED,
    )
    with pytest.raises(Problem) as refused:
        usable("neonize", settings)
    assert refused.value.kind.code == "engine_keeps_no_copies"
    assert kept in str(refused.value.detail)
    assert usable("native", settings) == "native"


def test_a_start_that_could_serve_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bucket: Any = {"storage_bucket": "sessions", "session_encryption_key": KEY}
    with pytest.raises(InvalidSettings, match="SESSION_STORAGE_TYPE is not valid: hybrid needs"):
        resolve_settings(engine="neonize", **bucket)
    with pytest.raises(InvalidSettings, match="ENGINE is not valid"):
        resolve_settings(engine="another")
    without_extra(monkeypatch)
    with pytest.raises(InvalidSettings, match="ENGINE is not valid: neonize is not installed"):
        resolve_settings(engine="neonize")


@pytest.mark.parametrize(
    ("kind", "to"), [("image", "15550100002@s.whatsapp.net"), ("text", "120363000000000001@g.us")]
)
def test_what_one_cannot_send_is_refused_at_once(kind: str, to: str) -> None:
    with pytest.raises(Problem) as refused:
        require_able("neonize", kind, to)
    assert refused.value.kind.code == "unsupported_by_engine"
    require_able("native", kind, to)
    require_able("neonize", "text", "15550100002@s.whatsapp.net")


def test_an_engine_without_proxies_serves_nobody_where_all_need_one() -> None:
    proxy = {"whatsapp_proxy": "http://shop:s3cret@proxy.example:3128", **SIMULATED}
    assert usable("native", resolve_settings(**proxy)) == "native"
    with pytest.raises(Problem) as found:
        usable("neonize", resolve_settings(**proxy))
    assert (found.value.kind.status, found.value.kind.code) == (422, "unsupported_by_engine")
    assert "uses no proxies" in found.value.detail
