"""The proxy of a connection: its own, else the instance's; never none where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from actors.connection.actor import ConnectionActor

if TYPE_CHECKING:
    from pathlib import Path

OWN = "socks5://shop:s3cret@own.example:1080"
OF_ALL = "http://all:s3cret@all.example:3128"


class Engine:
    def __init__(self) -> None:
        self.proxies: list[str | None] = []
        self.shown: list[bool] = []

    async def use_proxy(self, proxy: str | None) -> None:
        self.proxies.append(proxy)

    async def configure(self, *, show_online: bool) -> None:
        self.shown.append(show_online)


@pytest.mark.parametrize("of_all", [None, OF_ALL])
async def test_its_own_comes_first_and_the_instances_where_it_has_none(
    tmp_path: Path, of_all: str | None
) -> None:
    resolve_settings(data=tmp_path, whatsapp_proxy=of_all).save()
    actor = ConnectionActor(str(tmp_path), "connection:a")
    actor._settings = Settings.load(tmp_path)
    engine: Any = Engine()
    actor._engine = engine
    await actor.configure(False, {"show_online": True, "proxy": OWN, "of a later release": 1})
    await actor.configure(False)  # as a root of an older release asks
    await actor.configure(False, {"proxy": None})
    assert engine.proxies == [OWN, OWN, of_all]
    assert engine.shown == [True, False, False]
    assert "s3cret" not in repr(actor._options) + repr(actor._settings)


def test_a_setting_that_is_no_proxy_stops_the_start_and_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="WHATSAPP_PROXY is not valid") as refused:
        resolve_settings(data=tmp_path, whatsapp_proxy="socks5://s3cret@p.example:1")
    assert "s3cret" not in str(refused.value)
    assert resolve_settings(data=tmp_path, whatsapp_proxy="").whatsapp_proxy is None
