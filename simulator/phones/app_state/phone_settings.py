"""Plays the phone in app state: stores settings in SQLite as encrypted patches, notifies companions, shares sync keys.

A phone shares its keys after the first prekey upload of a companion, and when one requests a missing key
(whatsmeow `appstate.go` requestMissingAppStateKeys). Changes of its owner go to the companions, and it reads
theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from simulator.phones.app_state.actions import PUSH_NAME_SETTING, SETTING_KINDS, is_name
from simulator.phones.app_state.collections import COLLECTION_NAMES
from simulator.phones.app_state.external_blobs import with_external_mutations
from simulator.phones.app_state.patches import REMOVE, SET_OPERATION, SettingChange, sealed_patch
from simulator.phones.app_state.sync_keys import shared
from simulator.wire.proto_schema import SyncActionValue

if TYPE_CHECKING:
    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.phones.app_state.actions import Actions, AppStateSetting
    from simulator.phones.app_state.collections import Collections
    from simulator.phones.app_state.sync_keys import SyncKeys
    from simulator.server.companions import Companion, Companions
    from simulator.server.notifications import Notifications
    from simulator.server.rules.privacy_tokens import PrivacyTokens
    from simulator.store import Store

log = structlog.get_logger()


class PhoneSettings:
    """The settings of all phones. Each method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        companions: Companions,
        keys: SyncKeys,
        collections: Collections,
        actions: Actions,
        media: MediaStore,
        notifications: Notifications,
        contact_behaviour: ContactBehaviour,
        tokens: PrivacyTokens,
    ) -> None:
        self._store = store
        self._media = media
        self._people = people
        self._companions = companions
        self._keys = keys
        self._collections = collections
        self._actions = actions
        self._notifications = notifications
        self._contact_behaviour = contact_behaviour
        self._tokens = tokens

    def paired(self, companion: Companion) -> None:
        """Shares the keys with a companion after its first prekey upload.

        The first companion of an account finds the owner's name and the salt of privacy tokens among the settings.
        """
        number = companion.number
        self._keys.newest(number)
        own_name = self._actions.push_name(self._people.named(number).name)
        if not self._collections.state(number, own_name.kind.collection).version:
            self._apply(number, own_name)
        salt = self._actions.salt(self._tokens.salt(number))
        if salt.value is not None and not self._collections.named(
            number, salt.kind.collection, salt.index
        ):
            self._apply(number, salt)
        self._contact_behaviour.to_companion(companion, shared(self._keys.of(number)))

    def renew_key(self, number: str, *, share: bool) -> None:
        """Creates another key, which seals from now on; companions request it where it is not shared."""
        key = self._keys.renew(number)
        for companion in self._companions.of(number) if share else ():
            self._contact_behaviour.to_companion(companion, shared([key]))

    def receive(self, companion: Companion, message: Any) -> None:
        """Answers a companion's request for keys, by those that exist."""
        if not message.HasField("app_state_sync_key_request"):
            return
        requested = [one.key_id for one in message.app_state_sync_key_request.key_ids]
        keys = [self._keys.get(companion.number, key_id) for key_id in requested]
        found = [key for key in keys if key is not None]
        log.info("keys_requested", action="keys_requested", asked=len(requested), found=len(found))
        self._store.count(companion.number, "app_state_keys_requested")
        self._contact_behaviour.to_companion(companion, shared(found))

    def change(
        self, number: str, setting: AppStateSetting, *, notify: bool = True, external: bool = False
    ) -> int:
        """Sets or removes a setting; returns the version of the collection afterwards.

        Without `notify` the companions get no notification. An `external` patch has its mutations in a file.
        """
        if setting.kind is SETTING_KINDS["salt"]:
            self._tokens.salted(number, _salt(setting))
        if self._apply(number, setting, external=external):
            self.read(number, setting.kind.collection)
            if notify:
                self.notify(number, setting.kind.collection)
        return self._collections.state(number, setting.kind.collection).version

    def _apply(self, number: str, setting: AppStateSetting, *, external: bool = False) -> bool:
        """Seals and stores a setting; False where there is nothing to remove.

        A record of the same index under an older key is removed along with it: its sealed index is
        another one (WhatsApp Web's rule, as whatsmeow's `fakeIndexesToRemove` hints at).
        """
        name, key = setting.kind.collection, self._keys.newest(number)
        older = self._collections.named(number, name, setting.index)
        changes = [
            self._change(number, setting, record.sealed.key_id.id, REMOVE, record.action)
            for record in older
            if setting.value is None or record.sealed.key_id.id != key.key_id
        ]
        if setting.value is not None:
            changes.append(
                SettingChange(
                    setting.index, setting.value, setting.kind.version, key, SET_OPERATION
                )
            )
        if not changes:
            return False
        patch = sealed_patch(
            name,
            self._collections.state(number, name),
            key,
            changes,
            lambda index: self._collections.value_mac_of(number, name, index),
        )
        sent = with_external_mutations(patch, self._media) if external else None
        self._collections.apply(number, name, patch, sent=sent)
        return True

    def read(self, number: str, name: str) -> None:
        """Reads a collection with a new version: the phone takes its push name from it."""
        for record in self._collections.named(number, name, (PUSH_NAME_SETTING,)):
            own_name = SyncActionValue.FromString(record.action).push_name_setting.name
            if is_name(own_name):
                self._people.change(number, {"name": own_name})

    def notify(self, number: str, name: str, author: Companion | None = None) -> None:
        """Notifies the companions, but not the author, of a collection's new version."""
        version = self._collections.state(number, name).version
        self._notifications.app_state(number, {name: version}, except_for=author)

    def shown(self, number: str) -> dict[str, Any]:
        """Answer to `GET /phones/{number}/app-state`."""
        return {
            "keys": [key.key_id.hex() for key in self._keys.of(number)],
            "keys_requested": self._store.counted(number, "app_state_keys_requested"),
            "patches_refused": self._store.counted(number, "app_state_patches_refused"),
            "collections": {
                name: self._collections.state(number, name).version for name in COLLECTION_NAMES
            },
            "settings": [
                self._actions.shown(name, record.index, record.action)
                for name in COLLECTION_NAMES
                for record in self._collections.records(number, name)
            ],
        }

    def _change(
        self, number: str, setting: AppStateSetting, key_id: bytes, operation: int, action: bytes
    ) -> SettingChange:
        key = self._keys.get(number, key_id)
        assert key is not None  # the record was verified under it
        value = SyncActionValue.FromString(action)
        return SettingChange(setting.index, value, setting.kind.version, key, operation)


def _salt(setting: AppStateSetting) -> bytes:
    """Returns the salt of such a setting; empty where it is removed."""
    return b"" if setting.value is None else bytes(setting.value.nct_salt_sync_action.salt)
