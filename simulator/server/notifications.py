"""Builds and queues the server's notifications to linked devices: devices, identities, app state, prekeys.

Shapes after whatsmeow `notification.go` and whatsapp-rust `handlers/notification.rs`: one change
of a device list a notification, with the hash that the list has afterwards.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING, Any, Literal

from simulator.wire.protocol_library import LID_SERVER, PN_SERVER, SERVER, Node

if TYPE_CHECKING:
    from simulator.contacts.devices import Devices
    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions
    from simulator.server.delivery.offline_queue import OfflineQueue
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.store import Store


class Notifications:
    """Queues notifications like messages: a device that is offline gets them at its next login."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        companions: Companions,
        devices: Devices,
        queue: OfflineQueue,
        switchboard: StanzaRouter,
    ) -> None:
        self._store = store
        self._people = people
        self._companions = companions
        self._devices = devices
        self._queue = queue
        self._switchboard = switchboard

    def device(self, number: str, change: Literal["add", "remove"], device: int) -> None:
        """Notifies all accounts that know the number of an added or removed device.

        Its own companions get the whole list instead. Called after the change.
        """
        person, listed = self._people.named(number), self._devices.signed_list(number)
        server = person.addressing or PN_SERVER
        shown: dict[str, Any] = {"jid": person.address(server, device)}
        hashes = {"device_hash": self._devices.hash(number, server)}
        if server == PN_SERVER:
            shown["lid"] = person.address(LID_SERVER, device)
            hashes["device_lid_hash"] = self._devices.hash(number, LID_SERVER)
        if change == "add":
            shown["key-index"] = self._devices.of(number)[device]
            index = Node("key-index-list", {"ts": listed.at}, listed.signed)
        else:
            index = Node("key-index-list", {"ts": listed.at})
        changed = Node(change, hashes, [Node("device", shown), index])
        for account in self._contacts_of(number):
            self._notify(account, "devices", changed, number)
        self._own_devices(number, device)

    def identity(self, number: str) -> None:
        """Notifies all accounts that know the number of a new identity key."""
        for account in self._contacts_of(number):
            self._notify(account, "encrypt", Node("identity", {}), number)

    def profile(self, number: str, kind: str, change: Any, *, jid: bool = False) -> None:
        """Notifies all accounts that know the number, and its own devices, of a change of its profile.

        With `jid` the change names the person, by the address that the notification comes from.
        """
        person = self._people.named(number)
        if jid:
            change.attrs["jid"] = person.address(person.addressing or PN_SERVER)
        for account in [*self._contacts_of(number), number]:
            self._notify(account, kind, change, number)

    def prekeys(self, companion: Companion, left: int, *, again: bool = False) -> None:
        """Notifies a companion of the number of its one-time prekeys.

        Not again until it acknowledges, except with `again`.
        """
        if not again and self._queue.holds_type(companion.key, "notification", "encrypt"):
            return
        self._switchboard.deliver(
            companion.key,
            Node(
                "notification",
                {"from": SERVER, "type": "encrypt", "id": _stanza_id(), "t": int(time.time())},
                [Node("count", {"value": left})],
            ),
        )

    def app_state(
        self, number: str, collections: dict[str, int], *, except_for: Companion | None = None
    ) -> None:
        """Notifies the account's companions, but not the author, of a collection's new version.

        As in whatsmeow `notification.go` handleAppStateNotification.
        """
        attrs = {"from": SERVER, "type": "server_sync", "t": int(time.time())}
        changed = [
            Node("collection", {"name": name, "version": version})
            for name, version in collections.items()
        ]
        for companion in self._companions.of(number):
            if except_for is None or companion.device != except_for.device:
                self._switchboard.deliver(
                    companion.key, Node("notification", {**attrs, "id": _stanza_id()}, changed)
                )

    def _contacts_of(self, number: str) -> list[str]:
        """Returns the other accounts that have a session, a message or a group with the number."""
        rows = self._store.rows(
            "SELECT DISTINCT companions.number FROM companions JOIN ("
            " SELECT peer AS known FROM sessions WHERE number = ?1"
            " UNION SELECT recipient FROM said WHERE number = ?1"
            " UNION SELECT number FROM said WHERE recipient = ?1"
            " UNION SELECT sender FROM inbox WHERE number = ?1"
            " UNION SELECT others.number FROM group_members AS own JOIN group_members AS others"
            " USING (group_id) WHERE own.number = ?1"
            ") ON companions.number = known WHERE known != ?1 ORDER BY 1",
            number,
        )
        return [row["number"] for row in rows]

    def _notify(self, account: str, kind: str, content: Any, number: str) -> None:
        person = self._people.named(number)
        attrs = {
            "from": person.address(person.addressing or PN_SERVER),
            "lid": person.address(LID_SERVER),
            "type": kind,
            "id": _stanza_id(),
            "t": int(time.time()),
        }
        for companion in self._companions.of(account):
            self._switchboard.deliver(companion.key, Node("notification", attrs, [content]))

    def _own_devices(self, number: str, changed: int) -> None:
        person = self._people.named(number)
        listed = [
            Node(
                "device",
                {
                    "jid": person.address(PN_SERVER, device),
                    **({"key-index": index} if device else {}),
                },
            )
            for device, index in self._devices.of(number).items()
        ]
        signed = self._devices.signed_list(number)
        index_list = Node("key-index-list", {"ts": signed.at}, signed.signed)
        attrs = {"from": person.address(PN_SERVER), "type": "account_sync", "t": int(time.time())}
        devices = Node(
            "devices", {"dhash": self._devices.hash(number, PN_SERVER)}, [*listed, index_list]
        )
        for companion in self._companions.of(number):
            if companion.device == changed:
                continue
            self._switchboard.deliver(
                companion.key, Node("notification", {**attrs, "id": _stanza_id()}, [devices])
            )


def _stanza_id() -> str:
    return str(secrets.randbelow(1 << 31))
