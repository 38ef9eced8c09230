from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from actors.config.sources import resolve_settings
from actors.connection.engine import EngineUnfit
from actors.connection.neonize import server
from actors.connection.neonize.server import point


@pytest.fixture(autouse=True)
def pointed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    fresh: list[tuple[str, str]] = []
    monkeypatch.setattr(server, "_pointed", fresh)
    return fresh


def library(path: Path = Path("/nowhere/neonize.so")) -> Any:
    return SimpleNamespace(path=path)


def test_whatsapp_itself_needs_nothing(pointed: list[tuple[str, str]]) -> None:
    point(library(), resolve_settings())
    assert not pointed


def test_an_address_that_does_not_fit_is_refused() -> None:
    settings = resolve_settings(whatsapp_url="ws://a-host-with-a-long-name:8080/ws/chat")
    with pytest.raises(EngineUnfit, match="server_address_too_long"):
        point(library(), settings)


def test_a_library_without_the_constants_is_refused() -> None:
    with pytest.raises(EngineUnfit, match="unknown_library"):
        point(library(), resolve_settings(whatsapp_url="ws://127.0.0.1:8080/ws/chat"))


def test_a_process_has_one_server(pointed: list[tuple[str, str]]) -> None:
    pointed.append(("ws://127.0.0.1:1/", "00" * 32))
    with pytest.raises(EngineUnfit, match="server_is_fixed"):
        point(library(), resolve_settings(whatsapp_url="ws://127.0.0.1:2/"))
