"""Replaces placeholders in the session's inbox with the messages that the account's phone resends."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from actors.connection.protocol.identities.addresses import parse_optional
from actors.connection.protocol.receive import wrappers
from actors.connection.protocol.receive.message_source import Unparseable, source_of
from actors.connection.protocol.receive.messages.stanza_result import StanzaResult
from actors.connection.protocol.wire_format.nodes import Node

if TYPE_CHECKING:
    from collections.abc import Callable

    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.phone.placeholder_resend import ResendAnswer
    from actors.connection.protocol.receive.message_source import MessageSource
    from actors.connection.protocol.receive.wrappers import Received
    from actors.connection.session.messages.placeholders import Placeholder
    from actors.connection.session.session import Session

    Store = Callable[[Node, MessageSource, Received, bytes], StanzaResult]


class ResentMessages:
    """Takes the phone's answers, inside a transaction: each is acknowledged after that committed (G5).

    A message is stored as if it had come in the stanza that brought its placeholder. One that the phone has
    not keeps its placeholder, and is not asked for by itself any more.
    """

    def __init__(self, session: Session, people: LidMapping) -> None:
        self._session = session
        self._people = people

    def apply(self, found: ResendAnswer, answers: tuple[Node, ...], store: Store) -> StanzaResult:
        """The outcome of an answer. `answers` are for the stanza that it came in, `store` puts one message in the inbox."""
        outcome = StanzaResult("message.resent", answers)
        for info in found.messages:
            for placeholder in self._session.placeholders.of_request(found.request, info.key.id):
                if self._is_of(info, placeholder, found.request):
                    stored = self._stored(info, placeholder, store)
                    outcome = replace(
                        outcome,
                        news=outcome.news or stored.news,
                        task=stored.task or outcome.task,
                        held=outcome.held if stored.held is None else stored.held,
                        moved=(*outcome.moved, *stored.moved),
                    )
        self._session.placeholders.reschedule(found.request, None)
        return outcome

    def _is_of(self, info: Any, placeholder: Placeholder, request: str) -> bool:
        """Whether the message is that of the placeholder, also in a late answer to an earlier request."""
        if placeholder.request == request:
            return True
        chat = parse_optional(info.key.remoteJid)
        return chat is not None and str(self._people.canonical(chat)) == placeholder.chat

    def _stored(self, info: Any, placeholder: Placeholder, store: Store) -> StanzaResult:
        attrs = {"notify": info.pushName, "t": str(info.messageTimestamp), **placeholder.stanza}
        stanza = Node("message", {name: value for name, value in attrs.items() if value})
        nothing = StanzaResult("message.ignored")
        try:
            source = source_of(stanza, self._people)
        except Unparseable:
            return nothing
        received = wrappers.read_parsed(wrappers.of_web(info))
        if source is None:
            return nothing
        if received is None:
            self._session.inbox.bury(
                chat=placeholder.chat, sender=placeholder.sender, message_id=placeholder.message_id
            )
            return nothing
        if source.from_me and received.destination is None:
            received = replace(received, destination=info.key.remoteJid)
        return store(stanza, source, received, info.message.SerializeToString())
