"""Which engine a connection gets, and why it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config import default_engine
from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from actors.connection.whatsmeow.program import executable
from gateway.acceptance.engine_limits import usable
from gateway.http.problems import Problem

if TYPE_CHECKING:
    from pathlib import Path

SIMULATED: dict[str, Any] = {"whatsapp_root_key": "cd" * 32}
"""Settings as ``--simulate`` makes them, of which the root key alone decides."""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The program of whatsmeow, there whether it is built or not."""
    file = tmp_path / "teimoso-whatsmeow"
    file.touch(mode=0o700)
    monkeypatch.setattr(executable, "BUILT", file)
    monkeypatch.setenv("PATH", "")
    return file


def test_the_setting_decides_where_the_caller_does_not() -> None:
    assert usable(None, resolve_settings(**SIMULATED)) == "native"
    assert usable("whatsmeow", resolve_settings(**SIMULATED)) == "whatsmeow"
    assert usable(None, resolve_settings(engine="whatsmeow", **SIMULATED)) == "whatsmeow"
    assert usable("native", resolve_settings(engine="whatsmeow", **SIMULATED)) == "native"


@pytest.mark.parametrize(
    ("engine", "flags", "allowed", "refused"),
    [
        ("native", {}, False, True),
        (None, {"engine": "native"}, False, True),
        ("native", {}, True, False),
        (None, {"engine": "native"}, True, False),
        ("whatsmeow", {}, False, False),
        (None, {"engine": "whatsmeow"}, False, False),
        ("native", {"engine": "whatsmeow"}, False, True),
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
    assert "Use the engine whatsmeow, or set" in found.value.detail
    assert "allow_unproven_engine" in found.value.detail
    assert ("ENGINE" in found.value.detail) == (engine is None)


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
    if not there:
        program.unlink()
    settings = resolve_settings(data=tmp_path, **flags)
    assert default_engine.of(settings) == expected
    assert usable(None, settings, allow_unproven=True) == expected
    settings.save()
    assert default_engine.of(Settings.load(tmp_path)) == expected


def test_the_simulator_is_known_once_it_runs() -> None:
    """`--simulate` changes settings that were resolved before."""
    settings = resolve_settings()
    assert default_engine.of(settings) == "whatsmeow"
    assert default_engine.of(settings.model_copy(update=SIMULATED)) == "native"


def test_a_program_that_comes_and_goes_decides_for_new_connections_alone(
    program: Path, tmp_path: Path
) -> None:
    settings = resolve_settings(data=tmp_path)
    settings.save()
    assert usable(None, settings) == "whatsmeow"
    program.unlink()
    with pytest.raises(Problem, match="unproven_engine") as refused:
        usable(None, settings)
    assert "make whatsmeow" in str(refused.value.detail)
    assert Settings.load(tmp_path) == settings


def test_one_that_is_not_installed_is_refused(program: Path) -> None:
    program.unlink()
    with pytest.raises(Problem) as refused:
        usable("whatsmeow", resolve_settings())
    assert refused.value.kind.code == "engine_not_installed"
    assert "make whatsmeow" in str(refused.value.detail)
    assert usable("native", resolve_settings(**SIMULATED)) == "native"


def test_a_start_that_could_serve_nobody_is_refused(program: Path) -> None:
    with pytest.raises(InvalidSettings, match="ENGINE is not valid"):
        resolve_settings(engine="another")
    program.unlink()
    with pytest.raises(InvalidSettings, match="ENGINE is not valid: whatsmeow is not installed"):
        resolve_settings(engine="whatsmeow")


def test_the_setting_may_name_a_former_engine(program: Path) -> None:
    settings = resolve_settings(engine="neonize")
    assert usable(None, settings) == "whatsmeow"
    runtime = settings.model_dump_json().replace('"whatsmeow"', '"neonize"')
    assert Settings.model_validate_json(runtime).engine == "whatsmeow"
    program.unlink()
    with pytest.raises(
        InvalidSettings, match="whatsmeow, which replaces neonize, is not installed"
    ):
        resolve_settings(engine="neonize")
