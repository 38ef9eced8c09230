"""The simulated WhatsApp: everything the server knows, and what it does with each stanza."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from simulator.contacts.compose import Composer
from simulator.contacts.contact_behaviour import Speech
from simulator.contacts.devices import Devices
from simulator.contacts.group_behaviour import GroupSpeech
from simulator.contacts.message_handler import Contacts
from simulator.contacts.people import People
from simulator.contacts.sender_keys import SenderKeys
from simulator.contacts.signal_endpoints import Endpoints
from simulator.faults import Fault, Faults
from simulator.media.retries import MediaRetries
from simulator.media.store import MediaStore
from simulator.phones.code_pairing import TAG as LINK_CODE
from simulator.phones.code_pairing import Linking
from simulator.phones.history import History
from simulator.phones.pairing import Pairing
from simulator.server.companions import Companion, Companions
from simulator.server.groups.group import Groups
from simulator.server.groups.membership import Membership
from simulator.server.groups.messages import GroupMessages
from simulator.server.groups.queries import GroupQueries
from simulator.server.messages import Messages
from simulator.server.notifications import Notices
from simulator.server.offline_queue import OfflineQueue
from simulator.server.prekeys import Prekeys
from simulator.server.presence import Presence
from simulator.server.queries import Queries
from simulator.server.receipts import Receipts
from simulator.server.switchboard import CONFLICT_REPLACED, Switchboard
from simulator.server.usync import Directory
from simulator.store import Store
from simulator.wire.certificates import issue, new_private_key, public_key
from simulator.wire.connection import Connection
from simulator.wire.protocol import LID_SERVER, SERVER, Node

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from websockets.asyncio.server import ServerConnection

log = structlog.get_logger()

Certificate = Literal["valid", "expired", "forged"]
# Longer than a certificate is valid.
_LONG_AGO: Final = 365 * 86400.0


class World:
    """One simulated WhatsApp on one data directory.

    What it told anyone survives its own `kill -9`: every stanza is handled in one transaction,
    and answers leave after the commit.
    """

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.store = Store(data / "simulator.db")
        self._root = self.store.secret("root", new_private_key)
        self.root_key = public_key(self._root)
        self.identity = issue(self._root, self.store.secret("static", new_private_key))
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
        self._queries = Queries(self)
        self._messages = Messages(self)
        self._receipts = Receipts(self)
        self._serial = 0
        self._arrived: list[tuple[Connection, Any]] = []

    async def serve(self, socket: ServerConnection) -> None:
        """Runs one client's connection until it ends."""
        self._serial += 1
        await Connection(self, socket, self._serial).serve()

    def entered(self, connection: Connection, payload: Any) -> None:
        """A client finished its handshake: it registers, or it logs in."""
        # What came before this login is handled before it: from then on nothing of the device's
        # old socket counts (G6).
        self._handle_all()
        connection.push_name = payload.push_name
        if payload.HasField("device_pairing_data"):
            connection.registration = payload.device_pairing_data
            self.pairing.offer(connection)
        else:
            self._login(connection, payload)

    def left(self, connection: Connection) -> None:
        """The connection's socket is gone."""
        device = connection.device
        if device is not None and self.switchboard.live(device) is connection:
            self.presence.left(device)
        self.switchboard.left(connection)
        self.pairing.left(connection)
        self.linking.left(connection)

    def handle(self, connection: Connection, stanza: Any) -> None:
        """Handles a stanza at the end of the loop's turn, together with all that came in it.

        They share a transaction. A failure of ours undoes that stanza alone and is logged; the
        client gets no answer, as from a server that lost it.
        """
        if not self._arrived:
            asyncio.get_running_loop().call_soon(self._handle_all)
        self._arrived.append((connection, stanza))

    def _handle_all(self) -> None:
        arrived, self._arrived = self._arrived, []
        if not arrived:
            return
        with self.store.transaction():
            for connection, stanza in arrived:
                try:
                    with self.store.savepoint():
                        self._dispatch(connection, stanza)
                except Exception:
                    log.exception(
                        "stanza_failed",
                        action="stanza_failed",
                        serial=connection.serial,
                        tag=stanza.tag,
                    )

    def _dispatch(self, connection: Connection, stanza: Any) -> None:
        companion = None if connection.device is None else self.companions.get(*connection.device)
        if stanza.tag == "iq" and stanza.attrs.get("type") in ("result", "error"):
            if connection.registration is not None:
                self.pairing.answered(connection, stanza)
            return
        if companion is None:
            if stanza.tag == "iq":
                self._asked_before_login(connection, stanza)
            return
        match stanza.tag:
            case "iq":
                self._queries.answer(connection, companion, stanza)
            case "message":
                self._messages.accept(connection, companion, stanza)
            case "receipt":
                self._receipts.accept(connection, companion, stanza)
            case "ack":
                self._receipts.acked(companion, stanza)
            case "presence" | "chatstate":
                self.presence.accept(connection, companion, stanza)
            case _:
                # ib, call …: nothing that the server answers
                pass

    def _asked_before_login(self, connection: Connection, query: Any) -> None:
        if connection.registration is not None and query.get_child(LINK_CODE) is not None:
            self.linking.answer(connection, query)
            return
        attrs = {"from": SERVER, "type": "result", "id": query.attrs.get("id", "")}
        connection.send(Node("iq", attrs))

    def log_out(self, companion: Companion) -> None:
        """Unlinks the device, as the phone's owner or the device itself asked: it must pair anew.

        Runs within the caller's transaction.
        """
        self.companions.remove(companion)
        self.people.relisted(companion.number)
        self.notices.device(companion.number, "remove", companion.device)
        farewell = Node(
            "stream:error", {"code": "401"}, [Node("conflict", {"type": "device_removed"})]
        )
        connection = self.switchboard.live(companion.key)
        if connection is not None:
            self.store.after_commit(lambda: connection.retire(farewell))

    def strike(self, fault: Fault) -> int:
        """Does an instant fault, or begins one that lasts; returns how many sockets it reached."""
        if fault.lasts is not None:
            loop = asyncio.get_running_loop()
            fault.ends_at = loop.time() + fault.lasts
            loop.call_later(fault.lasts, self.clear, None, fault.id)
        connections = self.switchboard.of(fault.account, fault.device)
        actions: dict[str, Callable[[Connection], None]] = {
            "drop": lambda connection: connection.retire(),
            "abort": lambda connection: connection.abort(),
            "freeze": lambda connection: connection.freeze(),
            "ban": lambda connection: connection.retire(),
            "replaced": lambda connection: connection.retire(CONFLICT_REPLACED),
            "stream_error": lambda connection: connection.retire(
                Node("stream:error", {"code": str(fault.code)})
            ),
            # the device hears of it from `log_out`, online or at its next login
            "logout": lambda _: None,
        }
        if fault.kind not in actions:
            return 0
        for connection in connections:
            actions[fault.kind](connection)
        if fault.kind == "logout":
            with self.store.transaction():
                for companion in self.companions.of(fault.account):
                    if fault.device in (None, companion.device):
                        self.log_out(companion)
        fault.struck += len(connections)
        return len(connections)

    def clear(self, account: str | None = None, fault_id: int | None = None) -> int:
        """Ends faults and lets go what they held; returns how many rules ended."""
        ended = self.faults.clear(account, fault_id)
        for fault in ended:
            if fault.kind == "freeze" and not self.faults.frozen(fault.account):
                for connection in self.switchboard.of(fault.account):
                    connection.thaw()
            if fault.kind == "reorder":
                self.switchboard.release(fault.account, fault.device)
        return len(ended)

    def rotate(self, certificate: Certificate = "valid") -> None:
        """The server gets another static key, vouched for by the same root.

        A client that resumes against the one it knew has to fall back (XXfallback). With an
        `expired` certificate, or one that is `forged` under another root, no client may go on;
        the next rotation mends it, and so does a restart.
        """
        static = self.store.replace_secret("static", new_private_key())
        root = new_private_key() if certificate == "forged" else self._root
        moment = time.time() - (_LONG_AGO if certificate == "expired" else 0.0)
        self.identity = issue(root, static, moment)

    def close(self) -> None:
        self.store.close()

    def _login(self, connection: Connection, payload: Any) -> None:
        number, device = str(payload.username), int(payload.device)
        refused = self.faults.strike(number, "reject_login", "ban", device=device)
        if refused is not None:
            attrs: dict[str, Any] = {"reason": refused.reason, "location": "simulator"}
            if refused.code is not None:
                attrs["code"] = refused.code
            expire = refused.left_at(asyncio.get_running_loop().time())
            if expire is not None:
                attrs["expire"] = expire
            connection.retire(Node("failure", attrs))
            return
        companion = self.companions.get(number, device)
        if companion is None or companion.noise != connection.client_static:
            log.info("login_refused", action="login_refused", serial=connection.serial)
            connection.retire(Node("failure", {"reason": "401", "location": "simulator"}))
            return
        with self.store.transaction():
            self.companions.logged_in(companion, _version(payload))
            self.store.count(number, f"logins_{connection.handshake.lower()}")
        connection.device = companion.key
        replaced = self.switchboard.login(companion.key, connection)
        if self.faults.frozen(number):
            frozen = self.faults.strike(number, "freeze", device=device)
            assert frozen is not None
            connection.freeze()
        log.info(
            "logged_in",
            action="logged_in",
            serial=connection.serial,
            device=device,
            replaced=replaced,
            passive=payload.passive,
        )
        person = self.people.named(number)
        connection.push(
            Node(
                "success",
                {
                    "t": int(time.time()),
                    "lid": person.address(LID_SERVER, device),
                    "display_name": person.name,
                    "location": "simulator",
                    "props": "27",
                    "companion_enc_static": "",
                    "creation": int(companion.paired_at),
                },
            )
        )
        routing = Node("routing_info", {}, b"simulator")
        connection.push(Node("ib", {"from": SERVER}, [Node("edge_routing", {}, [routing])]))
        if not payload.passive:
            self.switchboard.flush(connection)


def _version(payload: Any) -> str:
    version = payload.user_agent.app_version
    return f"{version.primary}.{version.secondary}.{version.tertiary}"
