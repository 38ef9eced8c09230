"""Relays presence and typing as the server, between clients and simulated people; keeps it in memory only.

Shapes after whatsmeow `presence.go`: a presence goes to subscribers that are online themselves, a
chat state to online devices.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulator.server.groups.group import NoGroupError
from simulator.wire.protocol_library import (
    GROUP_SERVER,
    LID_SERVER,
    PN_SERVER,
    Node,
    jid_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from simulator.contacts.people import People
    from simulator.server.companions import Companion, Companions, DeviceKey
    from simulator.server.delivery.stanza_router import StanzaRouter
    from simulator.server.groups.group import Groups
    from simulator.server.profiles.blocklist import Blocklists

TYPING_MEDIA: Final = {"composing": "", "recording": "audio", "paused": ""}
_SEEN: Final = 1000


@dataclass
class _Shown:
    """The presence of a person as others see it."""

    available: bool = False
    last_seen: float = 0.0
    subscribers: dict[DeviceKey, str] = field(default_factory=dict)
    seen: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=_SEEN))


class Presence:
    """Presence of every person, in memory: it ends with the process."""

    def __init__(
        self,
        *,
        people: People,
        companions: Companions,
        groups: Groups,
        blocklists: Blocklists,
        switchboard: StanzaRouter,
    ) -> None:
        self._people = people
        self._companions = companions
        self._groups = groups
        self._blocklists = blocklists
        self._switchboard = switchboard
        self._shown: dict[str, _Shown] = {}
        self._online: set[DeviceKey] = set()

    def handle(self, companion: Companion, stanza: Any) -> None:
        """Handles a companion's own presence, its subscription to another one, or its chat state."""
        if stanza.tag == "chatstate":
            self._typing(companion, stanza)
            return
        kind = text_of(stanza, "type") or "available"
        if kind in ("available", "unavailable"):
            if "name" in stanza.attrs:
                self._companions.show_name(companion, text_of(stanza, "name"))
            self._now(companion.key, online=kind == "available")
            return
        to = jid_of(stanza, "to")
        person = self._people.at(to)
        if person is None or not person.registered or to is None:
            return
        subscribers = self._of(person.number).subscribers
        if kind == "subscribe":
            subscribers[companion.key] = to.server
            self._notify(person.number, [companion.key])
        elif kind == "unsubscribe":
            subscribers.pop(companion.key, None)

    def _typing(self, companion: Companion, stanza: Any) -> None:
        children, to = stanza.get_children(), jid_of(stanza, "to")
        if to is None or len(children) != 1 or children[0].tag not in ("composing", "paused"):
            return
        recording = text_of(children[0], "media") == "audio"
        state = "recording" if recording and children[0].tag == "composing" else children[0].tag
        if to.server == GROUP_SERVER:
            with suppress(NoGroupError):
                self._spread(companion.number, f"{to.user}@{GROUP_SERVER}", state, to.server)
            return
        person = self._people.at(to)
        if person is not None:
            self._spread(companion.number, person.number, state, to.server)

    def left(self, device: DeviceKey) -> None:
        """Ends the presence of a device whose socket closed."""
        self._now(device, online=False)
        for shown in self._shown.values():
            shown.subscribers.pop(device, None)

    def set(self, number: str, *, available: bool) -> None:
        """Sets a simulated person online or offline."""
        shown = self._of(number)
        if shown.available and not available:
            shown.last_seen = time.time()
        shown.available = available
        self._notify(number, shown.subscribers)

    def type(self, number: str, to: str, state: str) -> None:
        """Sends the chat state of a simulated person. Raises NoGroupError for a group without the person."""
        person = self._people.named(number)
        self._spread(number, to, state, person.addressing or PN_SERVER)

    def described(self, number: str) -> dict[str, Any]:
        """Returns what the control API shows of a person's presence: times in seconds since the epoch."""
        shown = self._of(number)
        return {
            "available": self.available(number),
            "last_seen": shown.last_seen or None,
            "subscribers": sorted({account for account, _ in shown.subscribers}),
            "seen": list(shown.seen),
        }

    def available(self, number: str) -> bool:
        """Returns whether the person, or one of the account's companions, is online."""
        return self._of(number).available

    def _now(self, device: DeviceKey, *, online: bool) -> None:
        (self._online.add if online else self._online.discard)(device)
        number = device[0]
        available = any(account == number for account, _ in self._online)
        if available != self._of(number).available:
            self.set(number, available=available)

    def _notify(self, number: str, devices: Iterable[DeviceKey]) -> None:
        shown, person = self._of(number), self._people.named(number)
        for device in list(devices):
            connection = self._switchboard.live(device)
            if connection is None or device not in self._online:
                continue
            server = shown.subscribers.get(device, PN_SERVER)
            attrs: dict[str, Any] = {"from": person.address(server)}
            if not shown.available:
                attrs["type"] = "unavailable"
                attrs["last"] = int(shown.last_seen) if shown.last_seen else "deny"
            connection.send(Node("presence", attrs))

    def _spread(self, number: str, chat: str, state: str, server: str) -> None:
        """Sends the chat state of one person to the others in the chat."""
        people = self._people
        attrs: dict[str, Any] = {}
        if chat.endswith(f"@{GROUP_SERVER}"):
            group = self._groups.named(chat)
            if number not in group.members:
                raise NoGroupError
            others = [one for one in group.members if one != number]
            attrs["from"] = group.address
            attrs["participant"] = people.named(number).address(group.server)
        else:
            others = [] if self._blocklists.blocks(chat, number) else [chat]
            by = LID_SERVER if server == LID_SERVER else PN_SERVER
            attrs["from"] = people.named(number).address(by)
        media = TYPING_MEDIA[state]
        child = Node(
            "paused" if state == "paused" else "composing", {"media": media} if media else {}
        )
        for other in others:
            self._of(other).seen.append(
                {"from": number, "to": chat, "state": state, "at": time.time()}
            )
            for companion in self._companions.of(other):
                connection = self._switchboard.live(companion.key)
                if connection is not None:
                    connection.send(Node("chatstate", attrs, [child]))

    def _of(self, number: str) -> _Shown:
        return self._shown.setdefault(number, _Shown())
