"""Constructs server, phones, people and media of one simulated WhatsApp on a data directory, and serves clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.contacts.contact_behaviour import ContactBehaviour
from simulator.contacts.content_decryption import SealedContent
from simulator.contacts.device_changes import DeviceChanges
from simulator.contacts.devices import Devices
from simulator.contacts.group_behaviour import GroupBehaviour
from simulator.contacts.inbox import ContactInboxes
from simulator.contacts.message_builder import MessageBuilder
from simulator.contacts.message_handler import MessageHandler
from simulator.contacts.people import People
from simulator.contacts.sender_keys import SenderKeys
from simulator.contacts.sent_messages import SentMessages
from simulator.contacts.signal_endpoints import SignalEndpoints
from simulator.fault_injector import FaultInjector
from simulator.faults import Faults
from simulator.media.reuploads import Reuploads
from simulator.media.store import MediaStore
from simulator.phones.app_state.app_state import AppState
from simulator.phones.code_pairing import CodePairing
from simulator.phones.history_sync import HistorySyncs
from simulator.phones.lid_migration_sync import MigrationSync
from simulator.phones.pairing import Pairing
from simulator.phones.passkey_pairing import PasskeyPairing
from simulator.phones.placeholder_resend import PlaceholderResend
from simulator.phones.scan_demands import ScanDemands
from simulator.server.calls import Calls
from simulator.server.companions import Companions
from simulator.server.delivery.answer_deadlines import ANSWER_DEADLINE_SECONDS, AnswerDeadlines
from simulator.server.delivery.offline_queue import OfflineQueue
from simulator.server.delivery.stanza_router import StanzaRouter
from simulator.server.dispatcher import Dispatcher
from simulator.server.groups.group import Groups
from simulator.server.groups.management import GroupManagement
from simulator.server.groups.member_receipts import GroupReceipts
from simulator.server.groups.messages import GroupMessages
from simulator.server.logins import Logins
from simulator.server.malformed_stanzas import MalformedStanzas
from simulator.server.messages import MessageRouter
from simulator.server.notifications import Notifications
from simulator.server.prekeys import Prekeys
from simulator.server.presence import Presence
from simulator.server.profiles.profiles import Profiles
from simulator.server.queries import Queries
from simulator.server.read_messages import ReadMessages
from simulator.server.receipts import Receipts
from simulator.server.rules.address_rules import AddressRules
from simulator.server.rules.hidden_numbers import HiddenNumbers
from simulator.server.rules.new_chat_limits import NewChatLimits
from simulator.server.rules.privacy import Privacy
from simulator.server.rules.privacy_tokens import PrivacyTokens
from simulator.server.rules.rule_state import RuleState
from simulator.server.usync import UsyncDirectory
from simulator.store import Store
from simulator.trace.recorder import Recorder
from simulator.web_page import WebPage
from simulator.wire.connection import Connection
from simulator.wire.static_key import StaticKey

if TYPE_CHECKING:
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

    from simulator.server.companions import Companion


class ServerState(RuleState):
    """All parts of one simulated WhatsApp, each constructed with the parts that it uses.

    Acknowledged state survives `kill -9`: the dispatcher handles a stanza in one transaction, and
    answers leave after the commit.
    """

    def __init__(self, data: Path, *, answer_seconds: float = ANSWER_DEADLINE_SECONDS) -> None:
        """`answer_seconds`: the deadline for a client's answer to a stanza."""
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(data / "simulator.db")
        super().__init__(self.store)
        self.static_key = StaticKey(self.store)
        self.faults = Faults()
        self.recorder = Recorder(data / "trace")
        self.people = People(self.store)
        self.hidden_numbers = HiddenNumbers(self.people, self.properties)
        self.web_page = WebPage(self.store, self.faults, self.versions)
        self._make_records(data)
        self.answer_deadlines = AnswerDeadlines(self.store, self.switches, answer_seconds)
        self.switchboard = StanzaRouter(
            self.store, self.queue, self.faults, self.answer_deadlines, self.switches
        )
        self.devices = Devices(self.people, self.endpoints, self.companions)
        self.notifications = Notifications(
            store=self.store,
            people=self.people,
            companions=self.companions,
            devices=self.devices,
            queue=self.queue,
            switchboard=self.switchboard,
        )
        self.tokens = PrivacyTokens(
            self.store, self.properties, self.people, self.companions, self.switchboard
        )
        self.prekeys = Prekeys(
            self.people, self.endpoints, self.companions, self.notifications, self.faults
        )
        self.group_management = GroupManagement(
            store=self.store,
            people=self.people,
            properties=self.properties,
            migrations=self.migrations,
            companions=self.companions,
            groups=self.groups,
            chat_timers=self.chat_timers,
            sender_keys=self.sender_keys,
            switchboard=self.switchboard,
        )
        self.profiles = Profiles(
            store=self.store,
            people=self.people,
            rules=self,
            companions=self.companions,
            groups=self.groups,
            group_management=self.group_management,
            media=self.media,
            notifications=self.notifications,
            switchboard=self.switchboard,
        )
        self.directory = UsyncDirectory(
            people=self.people,
            devices=self.devices,
            properties=self.properties,
            answering=self.answering_numbers,
            profiles=self.profiles,
            faults=self.faults,
        )
        self.logins = Logins(
            store=self.store,
            faults=self.faults,
            people=self.people,
            companions=self.companions,
            notifications=self.notifications,
            standings=self.standings,
            versions=self.versions,
            login_remarks=self.login_remarks,
            switchboard=self.switchboard,
        )
        self.odd_stanzas = MalformedStanzas(
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            prekeys=self.prekeys,
            switchboard=self.switchboard,
            switches=self.switches,
        )
        self.fault_injector = FaultInjector(
            store=self.store,
            faults=self.faults,
            companions=self.companions,
            switchboard=self.switchboard,
            deadlines=self.answer_deadlines,
            logins=self.logins,
            odd_stanzas=self.odd_stanzas,
        )
        self.device_changes = DeviceChanges(
            self.people, self.endpoints, self.devices, self.notifications
        )
        self.sealed_content = SealedContent(self.store, self.people, self.media)
        self.message_handler = MessageHandler(
            store=self.store,
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            inbox=self.inbox,
            sent=self.sent,
            sealed_content=self.sealed_content,
            chat_timers=self.chat_timers,
            switchboard=self.switchboard,
            peer_message=self._peer_message,
        )
        self.group_receipts = GroupReceipts(
            self.people, self.companions, self.properties, self.switchboard
        )
        self.group_messages = GroupMessages(
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            devices=self.devices,
            settings=self.group_management.settings,
            message_handler=self.message_handler,
            inbox=self.inbox,
            sealed_content=self.sealed_content,
            sender_keys=self.sender_keys,
            group_receipts=self.group_receipts,
            chat_timers=self.chat_timers,
            switchboard=self.switchboard,
        )
        self.group_behaviour = GroupBehaviour(
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            inbox=self.inbox,
            sealed_content=self.sealed_content,
            sender_keys=self.sender_keys,
            prekeys=self.prekeys,
            group_receipts=self.group_receipts,
            switchboard=self.switchboard,
        )
        self.contact_behaviour = ContactBehaviour(
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            groups=self.groups,
            message_handler=self.message_handler,
            sent=self.sent,
            group_behaviour=self.group_behaviour,
            prekeys=self.prekeys,
            chat_timers=self.chat_timers,
            tokens=self.tokens,
            blocklists=self.profiles.blocklists,
            switchboard=self.switchboard,
        )
        self.placeholder_resend = PlaceholderResend(
            store=self.store,
            people=self.people,
            groups=self.groups,
            properties=self.properties,
            contact_behaviour=self.contact_behaviour,
        )
        self.composer = MessageBuilder(
            store=self.store,
            people=self.people,
            groups=self.groups,
            media=self.media,
        )
        self.history = HistorySyncs(
            store=self.store,
            people=self.people,
            groups=self.groups,
            composer=self.composer,
            media=self.media,
            properties=self.properties,
            hidden_numbers=self.hidden_numbers,
            contact_behaviour=self.contact_behaviour,
            chat_timers=self.chat_timers,
            tokens=self.tokens,
        )
        self.app_state = AppState(
            store=self.store,
            people=self.people,
            companions=self.companions,
            groups=self.groups,
            media=self.media,
            notifications=self.notifications,
            contact_behaviour=self.contact_behaviour,
            tokens=self.tokens,
        )
        self.migration_sync = MigrationSync(
            self.people, self.companions, self.migrations, self.contact_behaviour
        )
        self.presence = Presence(
            people=self.people,
            companions=self.companions,
            groups=self.groups,
            blocklists=self.profiles.blocklists,
            switchboard=self.switchboard,
        )
        self.passkey_pairing = PasskeyPairing(
            self.store,
            link=lambda *client: self.pairing.link(*client),  # noqa: PLW0108 - made below
        )
        self.scan_demands = ScanDemands(self.properties, self.passkey_pairing.request)
        self.pairing: Pairing = Pairing(
            store=self.store,
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            notifications=self.notifications,
            migrations=self.migrations,
            switches=self.switches,
            login_remarks=self.login_remarks,
            scan_demands=self.scan_demands,
        )
        self.code_pairing = CodePairing(
            people=self.people,
            endpoints=self.endpoints,
            faults=self.faults,
            pairing=self.pairing,
        )
        self.reach_out = NewChatLimits(
            self.store, self.properties, self.companions, self.switchboard
        )
        self.privacy = Privacy(self.properties, self.people, self.companions, self.switchboard)
        self.queries = Queries(
            store=self.store,
            faults=self.faults,
            companions=self.companions,
            prekeys=self.prekeys,
            directory=self.directory,
            group_queries=self.group_management.queries,
            media=self.media,
            app_state=self.app_state,
            history=self.history,
            logins=self.logins,
            migrations=self.migrations,
            privacy=self.privacy,
            reach_out=self.reach_out,
            tokens=self.tokens,
            profiles=self.profiles,
            switchboard=self.switchboard,
        )
        self.messages = MessageRouter(
            store=self.store,
            faults=self.faults,
            people=self.people,
            endpoints=self.endpoints,
            companions=self.companions,
            devices=self.devices,
            addresses=AddressRules(self.migrations, self.switches),
            groups=self.groups,
            group_messages=self.group_messages,
            message_handler=self.message_handler,
            reach_out=self.reach_out,
            tokens=self.tokens,
            blocklists=self.profiles.blocklists,
            switchboard=self.switchboard,
        )
        self.read_messages = ReadMessages(self.store)
        self.receipts = Receipts(
            store=self.store,
            queue=self.queue,
            people=self.people,
            companions=self.companions,
            sent=self.sent,
            contact_behaviour=self.contact_behaviour,
            media_retries=Reuploads(
                store=self.store,
                people=self.people,
                media=self.media,
                switchboard=self.switchboard,
            ),
            deadlines=self.answer_deadlines,
            privacy=self.privacy,
            remarks=self.remarks,
            read_messages=self.read_messages,
            group_receipts=self.group_receipts,
            switchboard=self.switchboard,
        )
        self.calls = Calls(self.people, self.companions, self.profiles.blocklists, self.switchboard)
        self.dispatcher = Dispatcher(
            store=self.store,
            companions=self.companions,
            switchboard=self.switchboard,
            deadlines=self.answer_deadlines,
            versions=self.versions,
            pairing=self.pairing,
            code_pairing=self.code_pairing,
            passkey_pairing=self.passkey_pairing,
            logins=self.logins,
            queries=self.queries,
            messages=self.messages,
            receipts=self.receipts,
            presence=self.presence,
            calls=self.calls,
        )
        self._serial = 0

    def _peer_message(self, companion: Companion, message_id: str, message: Any) -> None:
        """Passes a companion's message to its own phone on to the parts that answer it."""
        self.placeholder_resend.answer(companion, message_id, message)
        if message.HasField("protocol_message"):
            self.app_state.settings.receive(companion, message.protocol_message)

    def _make_records(self, data: Path) -> None:
        """Builds the records of devices, groups and messages."""
        self.endpoints = SignalEndpoints(self.store)
        self.companions = Companions(self.store)
        self.queue = OfflineQueue(self.store)
        self.groups = Groups(self.store)
        self.sender_keys = SenderKeys(self.store)
        self.inbox = ContactInboxes(self.store)
        self.sent = SentMessages(self.store)
        self.media = MediaStore(self.store, data / "media")

    async def serve(self, socket: ServerConnection) -> None:
        """Runs one client's connection until it ends."""
        self._serial += 1
        connection = Connection(
            self.dispatcher,
            socket,
            self._serial,
            identity=self.static_key.identity,
            after_commit=self.store.after_commit,
            trace=self.recorder.socket(),
            seen=self.hidden_numbers.without,
        )
        await connection.serve()

    def close(self) -> None:
        """Closes the trace files and the SQLite file; the data directory can be opened anew."""
        self.recorder.close()
        self.store.close()
