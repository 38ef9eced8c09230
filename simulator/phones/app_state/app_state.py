"""Connects the parts of the phones' app state: actions, settings with their keys, and answers to companions' queries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.phones.app_state.actions import Actions
from simulator.phones.app_state.collections import Collections
from simulator.phones.app_state.phone_settings import PhoneSettings
from simulator.phones.app_state.queries import AppStateQueries
from simulator.phones.app_state.sync_keys import SyncKeys

if TYPE_CHECKING:
    from simulator.contacts.contact_behaviour import ContactBehaviour
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.server.companions import Companions
    from simulator.server.groups.group import Groups
    from simulator.server.notifications import Notifications
    from simulator.server.rules.privacy_tokens import PrivacyTokens
    from simulator.store import Store


class AppState:
    """Settings of all accounts. Every method runs inside its caller's transaction."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        companions: Companions,
        groups: Groups,
        media: MediaStore,
        notifications: Notifications,
        contact_behaviour: ContactBehaviour,
        tokens: PrivacyTokens,
    ) -> None:
        self.actions = Actions(people, groups)
        keys = SyncKeys(store, people)
        collections = Collections(store, keys)
        self.settings = PhoneSettings(
            store=store,
            people=people,
            companions=companions,
            keys=keys,
            collections=collections,
            actions=self.actions,
            media=media,
            notifications=notifications,
            contact_behaviour=contact_behaviour,
            tokens=tokens,
        )
        self.queries = AppStateQueries(
            store=store, collections=collections, settings=self.settings, media=media
        )
