"""Maps phone numbers to LIDs and back for one account, and stores learnt pairs in the session file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.connection.protocol.identities.addresses import (
    LID,
    PHONE_NUMBER,
    Address,
    parse_optional,
)

if TYPE_CHECKING:
    from actors.connection.abilities.account_settings import PersonNames
    from actors.connection.protocol.identities.addresses import Kind
    from actors.connection.protocol.wire_format.nodes import Node
    from actors.connection.session.session import Session


class LidMapping:
    """Resolves addresses for one paired account; learnt pairs are stored in the session."""

    def __init__(self, session: Session, device: Address, lid: Address | None) -> None:
        self._session = session
        self.device = device
        self.lid = lid

    @property
    def account(self) -> Address:
        """The account's canonical address."""
        return self.device.canonical

    def session_address(self, address: Address) -> Address:
        """The same device under the phone number where that is known: the name of its sessions.

        It is the number by which WhatsApp answers, which may differ from the one that was asked about.
        """
        if self.lid is not None and address.server == LID and address.user == self.lid.user:
            return address.of(self.device)
        former = str(address.canonical)
        today = self._session.names.chat_today(former)
        return address if today == former else address.of(Address.parse(today))

    def canonical(self, address: Address) -> Address:
        """The person's one address, by which chats, senders and tombstones are named."""
        return self.session_address(address).canonical

    def names(self, person: Address) -> tuple[str, ...]:
        """All addresses by which a person may be meant, the canonical one first."""
        addresses = [str(person.canonical)]
        if self.lid is not None and person.canonical == self.account:
            addresses.append(str(self.lid.canonical))
        elif person.server == PHONE_NUMBER and (
            lid := self._session.identities.lid_for(addresses[0])
        ):
            addresses.append(lid)
        return tuple(addresses)

    def naming(self, person: Address) -> PersonNames:
        """The fields `sender_name` and `sender_lid` of a person, as in `engine.InboxMessage`."""
        chat = str(person.canonical)
        session = self._session
        return {
            "sender_name": session.contact_names.find(chat) or session.push_names.find(chat),
            "sender_lid": session.identities.lid_for(chat),
        }

    def named(self, person: Address, kind: Kind) -> Address:
        """The person's address of this kind, where it is known; else the canonical one."""
        person = self.canonical(person)
        server = LID if kind == "lid" else PHONE_NUMBER
        addresses = (Address.parse(name) for name in self.names(person))
        return next((one for one in addresses if one.server == server), person)

    def is_account(self, address: Address) -> bool:
        """Whether the address is one of the account's own devices."""
        return self.canonical(address) == self.account

    def learn(self, address: Address, other: Address | None) -> bool:
        """Note that two addresses are one person's, inside a transaction of the session.

        Sessions under the LID are found under the phone number from then on. True where that is
        news: chats may have to be merged.
        """
        if other is None or {address.server, other.server} != {LID, PHONE_NUMBER}:
            return False
        lid, number = (address, other) if address.server == LID else (other, address)
        return self._session.learn_lid(str(lid.canonical), str(self.canonical(number)))

    def learn_from(self, stanza: Node) -> bool:
        """As `learn`, for what a stanza's attributes say about its sender and recipient."""
        news = False
        for name, alternatives in _ALTERNATIVES.items():
            address = parse_optional(stanza.attrs.get(name))
            if address is None or not address.is_person:
                continue
            for alternative in alternatives:
                news |= self.learn(address, parse_optional(stanza.attrs.get(alternative)))
        return news


# Which attributes name the person of another attribute by the other kind of address.
_ALTERNATIVES = {
    "from": ("sender_pn", "sender_lid", "lid"),
    "participant": ("participant_pn", "participant_lid"),
    "recipient": ("peer_recipient_pn", "peer_recipient_lid", "recipient_pn", "recipient_lid"),
}
