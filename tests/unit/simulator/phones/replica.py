"""A companion's copy of a collection of app state, for tests of the simulator's phones."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any

from pywhats.appstate.keys import AppStateSyncKey
from pywhats.appstate.patches import HashState, Mutation, decode_patch, decode_snapshot

from simulator.media.encryption import decrypted
from simulator.phones.app_state import patches
from simulator.wire.proto_schema import SyncActionValue
from simulator.wire.protocol_library import (
    ExternalBlobReference,
    Node,
    SyncdPatch,
    SyncdSnapshot,
    bytes_of,
)

if TYPE_CHECKING:
    from tests.unit.simulator.device import Device


class Replica:
    """A companion's copy of one collection, verified by the library alone."""

    def __init__(self, device: Device, name: str) -> None:
        self.device = device
        self.name = name
        self.state = HashState()
        self.macs: dict[bytes, bytes] = {}

    def get(self, key_id: bytes) -> AppStateSyncKey | None:
        """The key of that id, as the library asks for it."""
        key = self.device.sync_keys.get(key_id)
        return None if key is None else AppStateSyncKey(key_id, key, b"", 0)

    def put(self, key: AppStateSyncKey) -> None:
        """The library hands no key over where it verifies."""
        raise AssertionError(key.key_id)

    async def ask(self, *content: Any, snapshot: bool = False) -> Any:
        """The server's answer about the collection from the version that is here."""
        attrs = {
            "name": self.name,
            "version": str(self.state.version),
            "return_snapshot": str(snapshot).lower(),
        }
        collection = Node("collection", attrs, list(content) or None)
        answer = await self.device.query("w:sync:app:state", "set", Node("sync", {}, [collection]))
        (answered,) = answer.get_child("sync").get_children("collection")
        assert answered.attrs["name"] == self.name
        return answered

    def take(self, collection: Any) -> list[Mutation]:
        """Verifies the patches of an answer and moves on to their version."""
        changed: list[Mutation] = []
        listed = collection.get_child("patches")
        for node in [] if listed is None else listed.get_children("patch"):
            result = decode_patch(
                SyncdPatch.FromString(node.content),
                self,
                self.name,
                self.state,
                get_prev_value_mac=self.macs.get,
            )
            self._moved(result.state, result.mutations)
            changed += result.mutations
        return changed

    async def restore(self) -> list[Mutation]:
        """Begins anew, as a client that has nothing yet: with the snapshot, if the server names one."""
        self.state = HashState()
        self.macs.clear()
        collection = await self.ask(snapshot=True)
        restored: list[Mutation] = []
        if collection.get_child("snapshot") is not None:
            named = ExternalBlobReference.FromString(bytes_of(collection, "snapshot"))
            media = self.device.world.media
            held = media.at(named.direct_path)
            assert held is not None
            body = media.file(held.token).read_bytes()
            opened = decrypted(BytesIO(body), len(body), "md-app-state", named.media_key)
            snapshot = SyncdSnapshot.FromString(b"".join(opened))
            result = decode_snapshot(snapshot, self, self.name)
            self._moved(result.state, result.mutations)
            restored += result.mutations
        return restored + self.take(collection)

    def _moved(self, state: HashState, mutations: list[Mutation]) -> None:
        self.state = state
        for one in mutations:
            if one.operation == patches.REMOVE:
                del self.macs[one.index_mac]
            else:
                self.macs[one.index_mac] = one.value_mac

    def patch(self, *index: str, **action: dict[str, Any]) -> Any:
        """A patch by which this companion sets something; the chat is pinned unless it says what."""
        fields: dict[str, Any] = action or {"pin_action": {"pinned": True}}
        value = SyncActionValue(timestamp=1_790_000_000_000, **fields)
        key_id, key = next(iter(self.device.sync_keys.items()))
        change = patches.SettingChange(index, value, 5, AppStateSyncKey(key_id, key, b"", 0))
        sealed = patches.sealed_patch(self.name, self.state, change.key, [change], self.macs.get)
        sealed.ClearField("version")  # the server gives it
        return sealed

    async def write(self, patch: Any) -> Any:
        return await self.ask(Node("patch", {}, patch.SerializeToString()))
