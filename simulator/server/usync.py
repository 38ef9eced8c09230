"""Answers clients' usync queries as the server: device lists, LIDs, and whether phone numbers are on WhatsApp."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.server.query_errors import QueryError, users_of
from simulator.server.rules.properties import CONTACT
from simulator.wire.protocol_library import HOSTED_DEVICE, JID, LID_SERVER, PN_SERVER, Node, jid_of

if TYPE_CHECKING:
    from simulator.contacts.devices import Devices
    from simulator.contacts.people import People, Person
    from simulator.faults import Fault, Faults
    from simulator.server.profiles.profiles import Profiles
    from simulator.server.rules.number_redirects import NumberRedirects
    from simulator.server.rules.properties import Properties


class UsyncDirectory:
    """Answers usync queries; device lists carry the phone's signature over the valid indexes."""

    def __init__(
        self,
        *,
        people: People,
        devices: Devices,
        properties: Properties,
        answering: NumberRedirects,
        profiles: Profiles,
        faults: Faults,
    ) -> None:
        self._people = people
        self._faults = faults
        self._answering = answering
        self._listed = devices
        self._profiles = profiles
        self._properties = properties

    def answer(self, account: str, query: Any) -> list[Any]:
        """Returns the content of the answer to a usync query of the account. Raises QueryError."""
        usync = query.get_child("usync")
        fields = None if usync is None else usync.get_child("query")
        listed = None if usync is None else usync.get_child("list")
        if usync is None or fields is None or listed is None:
            raise QueryError(400, "bad-request")
        protocols = fields.get_children()
        users = [self._user(account, user, protocols) for user in users_of(listed)]
        attrs = {
            name: value
            for name, value in usync.attrs.items()
            if name in ("sid", "mode", "last", "index", "context")
        }
        return [
            Node(
                "usync",
                attrs,
                [
                    Node("result", {}, [Node(protocol.tag) for protocol in protocols]),
                    Node("list", {}, [user for user in users if user is not None]),
                ],
            )
        ]

    def _user(self, account: str, user: Any, protocols: list[Any]) -> Any:
        jid = jid_of(user, "jid")
        contact = user.get_child("contact")
        queried = b"" if contact is None else contact.content_bytes()
        if jid is None and queried:
            digits = queried.decode("utf-8", "replace").split("@")[0].lstrip("+")
            jid = JID(digits, PN_SERVER)
        person = self._people.at(jid)
        other = None if person is None or not queried else self._answering.of(person.number)
        if other is not None:
            person = self._people.named(other)
        if person is None or not person.registered:
            children = [
                Node("contact", {"type": "out"}, queried)
                for protocol in protocols
                if protocol.tag == "contact"
            ]
            return Node("user", {} if jid is None else {"jid": JID(jid.user, jid.server)}, children)
        omitted = self._omission(account, person, protocols)
        if omitted is not None and omitted.device is None:
            return None
        server = jid.server
        attrs: dict[str, Any] = {}
        for protocol in protocols:
            if protocol.tag == "contact" and protocol.attrs.get("addressing_mode") == "lid":
                server = LID_SERVER
                attrs["pn_jid"] = person.address(PN_SERVER)
        attrs["jid"] = person.address(server)
        without = None if omitted is None else omitted.device
        found = [self._answer(protocol.tag, person, queried, without) for protocol in protocols]
        return Node("user", attrs, [node for node in found if node is not None])

    def _omission(self, account: str, person: Person, protocols: list[Any]) -> Fault | None:
        """Returns the fault by which a device list lacks the person, or a device of theirs; own devices are listed."""
        asks = any(protocol.tag == "devices" for protocol in protocols)
        fault = self._faults.find(account, "omit_devices")
        if fault is None or not asks or account == person.number:
            return None
        if fault.contact is not None and fault.contact != person.number:
            return None
        self._faults.struck(fault)
        return fault

    def _answer(
        self, protocol: str, person: Person, queried: bytes, without: int | None = None
    ) -> Any:
        match protocol:
            case "devices":
                return self._devices(person, without)
            case "lid":
                return Node("lid", {"val": person.address(LID_SERVER)})
            case "contact":
                return Node("contact", {"type": "in"}, queried)
            case "status":
                return self._profiles.abouts.node(person.number)
            case "picture":
                id_ = self._profiles.pictures.id(person.number)
                return Node("picture", {"id": id_} if id_ else {})
            case "disappearing_mode":
                seconds = self._properties.value(person.number, "default_timer", CONTACT)
                return Node("disappearing_mode", {"duration": seconds, "t": 0})
            case _:
                return None

    def _devices(self, person: Person, without: int | None) -> Any:
        signed = self._listed.signed_list(person.number)
        devices = [
            Node("device", _described(device, index))
            for device, index in self._listed.of(person.number).items()
            if device != without
        ]
        return Node(
            "devices",
            {},
            [
                Node("device-list", {}, devices),
                Node("key-index-list", {"ts": signed.at}, signed.signed),
            ],
        )


def _described(device: int, index: int) -> dict[str, Any]:
    """Builds a device of a list; a hosted one has an attribute for it (whatsmeow, user.go `parseDeviceList`)."""
    shown: dict[str, Any] = {"id": device}
    if device:
        shown["key-index"] = index
    if device == HOSTED_DEVICE:
        shown["is_hosted"] = "true"
    return shown
