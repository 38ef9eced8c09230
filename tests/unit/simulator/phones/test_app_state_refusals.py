"""App state that is refused: settings that nobody has, and collections that do not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from simulator.wire.protocol_library import Node

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SETTINGS = f"/phones/{NUMBER}/app-state"


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 400, "missing_field"),
        ({"type": "colour"}, 400, "bad_type"),
        ({"type": "pin"}, 400, "missing_field"),
        ({"type": "pin", "chat": "1"}, 400, "bad_number"),
        ({"type": "pin", "chat": "1@g.us"}, 404, "no_such_group"),
        ({"type": "pin", "chat": FRIEND, "pinned": 1}, 400, "wrong_type"),
        ({"type": "pin", "chat": FRIEND, "addressing": "fax"}, 400, "bad_addressing"),
        ({"type": "contact", "chat": FRIEND}, 400, "missing_field"),
        ({"type": "star", "chat": FRIEND}, 400, "missing_field"),
        ({"type": "mute", "chat": FRIEND, "until": "noon"}, 400, "wrong_type"),
        ({"type": "mute", "chat": FRIEND, "until": 1e17}, 400, "bad_number"),
        ({"type": "label", "label": "5"}, 400, "missing_field"),
        ({"type": "label", "label": "5", "name": "New", "color": 20}, 400, "bad_number"),
        ({"type": "label_chat", "chat": FRIEND}, 400, "missing_field"),
        ({"type": "push_name"}, 400, "missing_field"),
        ({"type": "push_name", "name": "me@home"}, 400, "bad_name"),
        ({"type": "push_name", "name": ""}, 400, "bad_name"),
    ],
)
async def test_no_such_setting(
    http: httpx.AsyncClient, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await http.post(SETTINGS, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await http.get(SETTINGS)).json()["settings"] == []


@pytest.mark.parametrize(
    ("attrs", "code"),
    [({"name": "irregular"}, "400"), ({"name": "regular", "version": "x"}, "400")],
)
async def test_no_such_collection(
    paired: Callable[[str], Awaitable[Device]], attrs: dict[str, str], code: str
) -> None:
    device = await paired(NUMBER)
    sync = Node("sync", {}, [Node("collection", attrs)])
    answer = await device.query("w:sync:app:state", "set", sync)
    (collection,) = answer.get_child("sync").get_children()
    assert collection.get_child("error").attrs["code"] == code
    assert (await device.query("w:sync:app:state", "set")).attrs["type"] == "error"
