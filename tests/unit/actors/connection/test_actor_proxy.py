"""The proxy of a connection: its own, else the instance's; never none where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from actors.config.settings import InvalidSettings, Settings
from actors.config.sources import resolve_settings
from actors.connection.actor import ConnectionActor
from actors.connection.proxy.address import parse

if TYPE_CHECKING:
    from pathlib import Path

    from actors.connection.proxy.address import ProxyAddress

OWN = "socks5://shop:s3cret@own.example:1080"
OF_ALL = "http://all:s3cret@all.example:3128"


class Engine:
    def __init__(self) -> None:
        self.proxies: list[ProxyAddress | None] = []
        self.shown: list[bool] = []

    async def use_proxy(self, proxy: ProxyAddress | None) -> None:
        self.proxies.append(proxy)

    async def configure(self, *, show_online: bool) -> None:
        self.shown.append(show_online)


@pytest.mark.parametrize("private", [False, True])
@pytest.mark.parametrize("of_all", [None, OF_ALL])
async def test_its_own_comes_first_and_the_instances_where_it_has_none(
    tmp_path: Path, of_all: str | None, private: bool
) -> None:
    """Its own may have a private address by a setting alone, the instance's in any case."""
    resolve_settings(data=tmp_path, whatsapp_proxy=of_all, connection_proxy_private=private).save()
    actor = ConnectionActor(str(tmp_path), "connection:a")
    actor._settings = Settings.load(tmp_path)
    engine: Any = Engine()
    actor._engine = engine
    await actor.configure(False, {"show_online": True, "proxy": OWN, "of a later release": 1})
    await actor.configure(False, {"proxy": None})
    own = parse(OWN, private=private)
    assert engine.proxies == [own, None if of_all is None else parse(of_all)]
    assert engine.shown == [True, False]
    assert "s3cret" not in repr(actor._options) + repr(actor._settings)


def test_a_setting_that_is_no_proxy_stops_the_start_and_is_not_quoted(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="WHATSAPP_PROXY is not valid") as refused:
        resolve_settings(data=tmp_path, whatsapp_proxy="socks5://s3cret@p.example:1")
    assert "s3cret" not in str(refused.value)
    assert resolve_settings(data=tmp_path, whatsapp_proxy="").whatsapp_proxy is None
