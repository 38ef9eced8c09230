"""Constructs the parts that change groups (members, texts, settings, invites) and the answers to queries about them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.server.groups.entry import GroupEntry
from simulator.server.groups.info import GroupInfo
from simulator.server.groups.invites import GroupInvites
from simulator.server.groups.membership import Membership
from simulator.server.groups.nodes import GroupNodes
from simulator.server.groups.notifications import GroupNotifications
from simulator.server.groups.queries import GroupQueries
from simulator.server.groups.settings import GroupSettings
from simulator.server.groups.versions import GroupVersions

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.contacts.sender_keys import SenderKeys
    from simulator.server.companions import Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Groups
    from simulator.server.rules.chat_timers import ChatTimers
    from simulator.server.rules.lid_migrations import Migrations
    from simulator.server.rules.properties import Properties
    from simulator.store import Store


class GroupManagement:
    """Changes by the server and by the control API, which notify the members alike."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        properties: Properties,
        migrations: Migrations,
        companions: Companions,
        groups: Groups,
        chat_timers: ChatTimers,
        sender_keys: SenderKeys,
        switchboard: StanzaRouter,
    ) -> None:
        self.settings, versions = GroupSettings(properties), GroupVersions(properties)
        nodes = GroupNodes(people, self.settings, versions, chat_timers)
        self.invites = GroupInvites(store)
        self.notifications = GroupNotifications(people, companions, nodes, versions, switchboard)
        self.membership = Membership(
            store=store,
            people=people,
            properties=properties,
            groups=groups,
            settings=self.settings,
            invites=self.invites,
            sender_keys=sender_keys,
            notifications=self.notifications,
        )
        self.info = GroupInfo(
            groups=groups,
            settings=self.settings,
            versions=versions,
            chat_timers=chat_timers,
            nodes=nodes,
            notifications=self.notifications,
        )
        self.entry = GroupEntry(
            store=store,
            groups=groups,
            settings=self.settings,
            invites=self.invites,
            membership=self.membership,
            nodes=nodes,
            notifications=self.notifications,
        )
        self.queries = GroupQueries(
            people=people,
            migrations=migrations,
            groups=groups,
            settings=self.settings,
            chat_timers=chat_timers,
            info=self.info,
            membership=self.membership,
            entry=self.entry,
            nodes=nodes,
            notifications=self.notifications,
        )
