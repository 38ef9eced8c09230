"""Composition root of the simulator: builds one simulated WhatsApp on one data directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.contacts.compose import Composer
from simulator.contacts.contact_behaviour import Speech
from simulator.contacts.devices import Devices
from simulator.contacts.group_behaviour import GroupSpeech
from simulator.contacts.message_handler import Contacts
from simulator.contacts.people import People
from simulator.contacts.sender_keys import SenderKeys
from simulator.contacts.signal_endpoints import Endpoints
from simulator.fault_injector import FaultInjector
from simulator.faults import Faults
from simulator.media.retries import MediaRetries
from simulator.media.store import MediaStore
from simulator.phones.code_pairing import Linking
from simulator.phones.history import History
from simulator.phones.pairing import Pairing
from simulator.server.companions import Companions
from simulator.server.dispatcher import Dispatcher
from simulator.server.groups.group import Groups
from simulator.server.groups.membership import Membership
from simulator.server.groups.messages import GroupMessages
from simulator.server.groups.queries import GroupQueries
from simulator.server.logins import Logins
from simulator.server.messages import Messages
from simulator.server.notifications import Notices
from simulator.server.offline_queue import OfflineQueue
from simulator.server.prekeys import Prekeys
from simulator.server.presence import Presence
from simulator.server.queries import Queries
from simulator.server.receipts import Receipts
from simulator.server.switchboard import Switchboard
from simulator.server.usync import Directory
from simulator.store import Store
from simulator.wire.connection import Connection
from simulator.wire.static_key import StaticKey

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection


class World:
    """All parts of one simulated WhatsApp, each constructed with the parts that it uses.

    State that a client was told of survives `kill -9`: the dispatcher handles a stanza in one
    transaction, and answers leave after the commit.
    """

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(data / "simulator.db")
        self.static_key = StaticKey(self.store)
        self.faults = Faults()
        self.people = People(self.store)
        self.endpoints = Endpoints(self.store)
        self.companions = Companions(self.store)
        self.queue = OfflineQueue(self.store)
        self.switchboard = Switchboard(self.store, self.queue, self.faults)
        self.devices = Devices(self.people, self.endpoints, self.companions)
        self.notices = Notices(
            store=self.store,
            people=self.people,
            companions=self.companions,
            devices=self.devices,
            queue=self.queue,
            switchboard=self.switchboard,
        )
        self.logins = Logins(
            store=self.store,
            faults=self.faults,
            people=self.people,
            companions=self.companions,
            notices=self.notices,
            switchboard=self.switchboard,
        )
        self.fault_injector = FaultInjector(
            store=self.store,
            faults=self.faults,
            companions=self.companions,
            switchboard=self.switchboard,
            logins=self.logins,
        )
        self.prekeys = Prekeys(self.people, self.endpoints, self.companions, self.notices)
        self.directory = Directory(self.people, self.devices)
        self.contacts = Contacts(self)
        self.speech = Speech(self)
        self.composer = Composer(self)
        self.groups = Groups(self.store)
        self.sender_keys = SenderKeys(self.store)
        self.membership = Membership(self.groups, self.sender_keys, self.notices)
        self.group_queries = GroupQueries(self.people, self.groups, self.membership)
        self.group_messages = GroupMessages(self)
        self.group_speech = GroupSpeech(self)
        self.history = History(self)
        self.presence = Presence(self)
        self.media = MediaStore(self.store, data / "media")
        self.media_retries = MediaRetries(self)
        self.pairing = Pairing(self)
        self.linking = Linking(self)
        self.dispatcher = Dispatcher(
            store=self.store,
            companions=self.companions,
            switchboard=self.switchboard,
            pairing=self.pairing,
            linking=self.linking,
            logins=self.logins,
            queries=Queries(self),
            messages=Messages(self),
            receipts=Receipts(self),
            presence=self.presence,
        )
        self._serial = 0

    async def serve(self, socket: ServerConnection) -> None:
        """Runs one client's connection until it ends."""
        self._serial += 1
        connection = Connection(
            self.dispatcher,
            socket,
            self._serial,
            identity=self.static_key.identity,
            after_commit=self.store.after_commit,
        )
        await connection.serve()

    def close(self) -> None:
        self.store.close()
