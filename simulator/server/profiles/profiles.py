"""Constructs the parts that store what people show of themselves, and to whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.server.profiles.abouts import Abouts
from simulator.server.profiles.blocklist import Blocklists
from simulator.server.profiles.pictures import Pictures

if TYPE_CHECKING:
    from simulator.contacts.people import People
    from simulator.media.store import MediaStore
    from simulator.server.companions import Companions
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Groups
    from simulator.server.groups.management import GroupManagement
    from simulator.server.notifications import Notifications
    from simulator.server.rules.rule_state import RuleState
    from simulator.store import Store


class Profiles:
    """Block lists, the text of each status, and pictures, also of groups."""

    def __init__(
        self,
        *,
        store: Store,
        people: People,
        rules: RuleState,
        companions: Companions,
        groups: Groups,
        group_management: GroupManagement,
        media: MediaStore,
        notifications: Notifications,
        switchboard: StanzaRouter,
    ) -> None:
        self.blocklists = Blocklists(
            store=store,
            people=people,
            properties=rules.properties,
            migrations=rules.migrations,
            companions=companions,
            switchboard=switchboard,
        )
        self.abouts = Abouts(rules.properties, notifications)
        self.pictures = Pictures(
            store=store,
            people=people,
            properties=rules.properties,
            companions=companions,
            groups=groups,
            group_management=group_management,
            media=media,
            notifications=notifications,
            switchboard=switchboard,
        )
