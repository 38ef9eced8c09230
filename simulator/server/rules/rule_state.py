"""Constructs the rules of one simulated WhatsApp, which need only its store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.server.rules.chat_timers import ChatTimers
from simulator.server.rules.lid_migrations import Migrations
from simulator.server.rules.login_failures import Standings
from simulator.server.rules.login_remarks import LoginRemarks
from simulator.server.rules.number_redirects import NumberRedirects
from simulator.server.rules.properties import Properties
from simulator.server.rules.remarks import Remarks
from simulator.server.rules.switches import Switches
from simulator.server.rules.versions import Versions

if TYPE_CHECKING:
    from simulator.store import Store


class RuleState:
    """The rules, by the names that all parts of the server have for them."""

    def __init__(self, store: Store) -> None:
        self.properties = Properties(store)
        self.remarks = Remarks(store)
        self.login_remarks = LoginRemarks(self.remarks)
        self.switches = Switches(self.properties)
        self.standings = Standings(self.properties)
        self.migrations = Migrations(self.properties)
        self.versions = Versions(store, self.properties)
        self.answering_numbers = NumberRedirects(self.properties)
        self.chat_timers = ChatTimers(store, self.properties, self.remarks)
