"""Which engine a connection gets, and why it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config import default_engine
from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from actors.connection import engine
from actors.connection.whatsmeow.program import files
from gateway.acceptance.engine_limits import require_able, usable
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

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
        (None, {"engine": "native"}, False, True),
        ("native", {}, True, False),
        (None, {"engine": "native"}, True, False),
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


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the engine on whatsmeow looks for its program: it is not there yet."""
    monkeypatch.setattr(files, "BUILT", tmp_path / files.NAME)
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    return files.BUILT


def install(program: Path) -> None:
    program.touch(0o755)


@pytest.mark.parametrize(
    ("flags", "there", "expected"),
    [
        ({}, True, "whatsmeow"),
        ({}, False, "native"),
        (SIMULATED, True, "native"),
        (SIMULATED, False, "native"),
        ({"engine": "native"}, True, "native"),
        ({"engine": "whatsmeow", **SIMULATED}, True, "whatsmeow"),
    ],
)
def test_the_server_and_what_is_installed_decide_where_nobody_names_an_engine(
    program: Path, tmp_path: Path, flags: dict[str, Any], there: bool, expected: str
) -> None:
    if there:
        install(program)
    settings = resolve_settings(data=tmp_path, **flags)
    assert default_engine.of(settings) == expected
    assert usable(None, settings, allow_unproven=True) == expected
    settings.save()
    assert default_engine.of(Settings.load(tmp_path)) == expected


def test_the_simulator_is_known_once_it_runs(program: Path) -> None:
    """`--simulate` changes settings that were resolved before."""
    install(program)
    settings = resolve_settings()
    assert default_engine.of(settings) == "whatsmeow"
    assert default_engine.of(settings.model_copy(update=SIMULATED)) == "native"


def test_a_program_that_comes_and_goes_decides_for_new_connections_alone(
    program: Path, tmp_path: Path
) -> None:
    settings = resolve_settings(data=tmp_path)
    settings.save()
    with pytest.raises(Problem, match="unproven_engine") as refused:
        usable(None, settings)
    assert "make whatsmeow" in str(refused.value.detail)
    install(program)
    assert usable(None, settings) == "whatsmeow"
    program.unlink()
    assert Settings.load(tmp_path) == settings


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
