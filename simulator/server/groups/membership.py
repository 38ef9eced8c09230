"""Adds and removes group members, notifies the group, and renews simulated senders' keys after a removal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from simulator.contacts.sender_keys import SenderKeys
    from simulator.server.groups.group import Group, Groups
    from simulator.server.notifications import Notifications


class Membership:
    """Adds and removes members within its caller's transaction."""

    def __init__(
        self, groups: Groups, sender_keys: SenderKeys, notifications: Notifications
    ) -> None:
        self._groups = groups
        self._sender_keys = sender_keys
        self._notifications = notifications

    def change(
        self,
        group: Group,
        added: Sequence[str],
        removed: Sequence[str],
        by: str,
        *,
        notify: bool = True,
    ) -> Group:
        """Adds and removes members and notifies present and former ones, unless `notify` is false.

        A removed member cannot decrypt later messages: simulated senders renew their keys.
        """
        before = group
        added = [number for number in added if number not in before.members]
        removed = [number for number in removed if number in before.members]
        after = self._groups.change(group, added, removed)
        if removed:
            self._sender_keys.renew(group)
        for tag, changed in (("add", added), ("remove", removed)):
            if changed and notify:
                told = {*before.members, *after.members}
                self._notifications.members(after, tag, changed, by, sorted(told))
        return after
