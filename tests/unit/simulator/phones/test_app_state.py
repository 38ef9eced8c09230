"""App state: keys, settings and their MACs, between an account's phone and its companions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pywhats.appstate.keys import AppStateSyncKey
from pywhats.appstate.patches import HashState

from simulator.phones.app_state import patches
from simulator.wire.protocol_library import (
    Node,
    subtract_then_add,
)
from tests.unit.simulator.phones.replica import Replica

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import httpx

    from tests.unit.simulator.device import Device

NUMBER, FRIEND = "15550100001", "15550100002"
SETTINGS = f"/phones/{NUMBER}/app-state"
CHAT = f"{FRIEND}@s.whatsapp.net"


def spoil(blob: bytes, at: int) -> bytes:
    return blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :]


@pytest.mark.parametrize(
    "part",
    ["value", "value_mac", "index", "snapshot_mac", "patch_mac", "key", "twice", "empty", "bytes"],
)
async def test_a_patch_that_no_device_would_apply_is_refused(
    paired: Callable[[str], Awaitable[Device]], http: httpx.AsyncClient, part: str
) -> None:
    device = await paired(NUMBER)
    replica = Replica(device, "regular_low")
    patch = replica.patch("pin_v1", CHAT)
    record = patch.mutations[0].record
    match part:
        case "value":
            record.value.blob = spoil(record.value.blob, 20)
        case "value_mac":
            record.value.blob = spoil(record.value.blob, -2)
        case "index":
            record.index.blob = spoil(record.index.blob, 0)
        case "key":
            patch.key_id.id = b"another"
        case "twice":
            # as it would be right for a client that does not mind
            key_id, key = next(iter(device.sync_keys.items()))
            first = patches.value_mac(record)
            patch.mutations.append(patch.mutations[0])
            whole = HashState(1, subtract_then_add(replica.state.hash, added=[first], removed=[]))
            patches.sign(patch, replica.name, whole, AppStateSyncKey(key_id, key, b"", 0))
        case "empty":
            del patch.mutations[:]
        case "snapshot_mac" | "patch_mac":
            setattr(patch, part, spoil(getattr(patch, part), 0))
    content = b"\xff" if part == "bytes" else patch.SerializeToString()
    answer = await replica.ask(Node("patch", {}, content))
    assert answer.get_child("error").attrs["code"] == "400"
    state = (await http.get(SETTINGS)).json()
    assert (state["patches_refused"], state["collections"]["regular_low"]) == (1, 0)
    replica = Replica(device, "regular_low")
    assert (await replica.write(replica.patch("pin_v1", CHAT))).attrs["type"] == "result"
