"""Reads WhatsApp's notifications of other profile pictures: ends the cached answer, and notes the change for its event.

The stanza is whatsmeow's (`notification.go`): ``<set>``, ``<add>`` or ``<delete>``, each with whose picture it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from actors.connection.abilities.app_state_changes import AppStateChange
from actors.connection.protocol.administration.group_news import GroupNotification
from actors.connection.protocol.identities.addresses import GROUP, Address, parse_optional

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from actors.connection.protocol.administration.group_news import GroupNewsWriter
    from actors.connection.protocol.identities.lid_mapping import LidMapping
    from actors.connection.protocol.media.picture_cache import PictureCache
    from actors.connection.session.session import Session

_COLLECTION: Final = "pictures"
"""The collection that people's pictures are noted in; it has no version, and no full sync."""


@dataclass(frozen=True, slots=True)
class PictureChange:
    """Another picture of a person or group: WhatsApp's id of it, "" where it was removed; who changed it, and when (seconds)."""

    chat: Address = field(repr=False)
    picture: str
    by: Address | None = field(repr=False)
    notification: str
    at: float


def read_delivery(fields: Mapping[str, Any], now: float) -> list[PictureChange]:
    """The changes in the whatsmeow program's delivery `picture`."""
    identity, at = str(fields.get("notification", "")), float(fields.get("at") or now)
    found = []
    for each in fields.get("changes") or ():
        chat = parse_optional(str(each.get("chat", "")))
        if chat is not None:
            picture = "" if each.get("removed") else str(each.get("picture") or identity)
            by = parse_optional(each.get("sender"))
            found.append(PictureChange(chat, picture, by, identity, at))
    return found


class PictureNewsWriter:
    """Takes changes inside a transaction of the session."""

    def __init__(
        self,
        session: Session,
        people: LidMapping,
        groups: GroupNewsWriter,
        cache: PictureCache | None,
    ) -> None:
        """`cache` has WhatsApp's answers, None where no picture is ever fetched."""
        self._session, self._people = session, people
        self._groups, self._cache = groups, cache

    def note(self, changes: Sequence[PictureChange]) -> bool:
        """Forget the cached answers; return whether there is news, that of a person or a group."""
        news = False
        for each in changes:
            chat = self._people.canonical(each.chat) if each.chat.is_person else each.chat
            if self._cache is not None:
                self._cache.forget(chat)
            if chat.server == GROUP:
                settings = {"picture": each.picture}
                news |= self._groups.note(
                    chat, GroupNotification(each.notification, each.at, each.by, settings)
                )
            elif chat.is_person:
                named = self._people.naming(chat)
                change = AppStateChange.picture(str(chat), each.picture, named, at=each.at)
                self._session.app_state.note_part(_COLLECTION, [change], news=True)
                news = True
        return news
